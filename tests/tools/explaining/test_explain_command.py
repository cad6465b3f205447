"""``dfedge explain`` as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image as Pictures

import dfedge_models
from dfedge.bundles.store import resolve_detector
from dfedge.cli import main
from dfedge.types import Image
from dfedge_tools.explaining import run, video, weights
from dfedge_tools.explaining.cam import METHODS
from dfedge_tools.explaining.explainer import _VIEWS, Explainer
from dfedge_tools.scorers import TorchScorer

MODEL = "dfedge-b0-int8"
QUICK = ("--methods", "occlusion", "--no-scores", "--quiet")


@pytest.fixture
def picture(portrait: Image, tmp_path: Path) -> Path:
    """A file with one face."""
    path = tmp_path / "portrait.png"
    Pictures.fromarray(portrait).save(path)
    return path


@pytest.fixture
def blank(tmp_path: Path) -> Path:
    """A file without a face."""
    path = tmp_path / "blank.png"
    Pictures.new("RGB", (320, 240), "grey").save(path)
    return path


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fresh weights stand in for the bundle's: shapes and files do not depend on them."""
    torch.manual_seed(0)
    model = dfedge_models.create("ms_eff_gcvit_b0", img_size=160).eval()
    monkeypatch.setattr(weights, "open_weights", lambda *_: model)
    monkeypatch.setattr(weights, "check_weights", lambda *_: None)


def test_a_picture_gives_a_sheet_maps_and_a_page(picture: Path, tmp_path: Path) -> None:
    """Everything the JSON names is there."""
    out = tmp_path / "why"
    assert 0 == main(["explain", MODEL, str(picture), "--out", str(out), *QUICK, "--save-maps"])
    found = json.loads((out / "explanations.json").read_text())
    assert "dfedge.explanations/1" == found["schema"]
    (source,) = found["sources"]
    assert source["video"] is None
    (face,) = source["faces"]
    (one,) = face["maps"]
    assert ("occlusion", None, True) == (one["method"], one["branch"], one["signed"])
    assert (160, 160) == np.load(out / one["array"]).shape
    for name in (face["sheet"], one["overlay"]):
        with Pictures.open(out / name) as image:
            assert min(image.size) >= 300
    page = (out / "index.html").read_text()
    assert face["sheet"] in page
    assert not list(tmp_path.glob(".dfedge-*"))


@pytest.mark.usefixtures("unchecked")
def test_a_clip_gives_all_maps_with_scores_and_a_video(
    portrait_clip: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The usual methods by branch, faithfulness of each, and H.264 of the frames looked at."""
    monkeypatch.setattr(run, "VIDEO_FRAMES", 6)
    out = tmp_path / "why"
    command = ["explain", MODEL, str(portrait_clip), "--out", str(out), "--frames", "1", "--json"]
    assert 0 == main([*command, "--one-view", "--quiet"])
    found = json.loads(capsys.readouterr().out)
    (source,) = found["sources"]
    (face,) = source["faces"]
    names = [each["name"] for each in face["maps"]]
    assert [
        "low hirescam",
        "low gradcam-elementwise",
        "low layercam",
        "middle eigengradcam",
        "middle gradcam++",
        "middle xgradcam",
        "high eigengradcam",
        "high gradcam++",
        "high xgradcam",
        "occlusion",
    ] == names
    assert all(0 <= each["faithfulness"]["deletion"] <= 1 for each in face["maps"])
    assert {"deletion", "insertion", "road"} == set(face["random"])
    with av.open(str(out / source["video"])) as container:
        stream = container.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        assert "h264" == stream.codec_context.name
    assert 6 == len(frames)
    assert frames[0].shape[0] > 480  # the caption is under the picture


def test_a_source_without_a_face_is_told_and_leaves_nothing(
    blank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 3 and a reason, never a picture of nothing."""
    out = tmp_path / "why"
    assert 3 == main(["explain", MODEL, str(blank), "--out", str(out), *QUICK])
    assert "no face was found" in capsys.readouterr().err
    assert not out.exists()


def test_a_bad_source_does_not_stop_the_others(
    blank: Path, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is told on stderr and in the JSON, and the code is 3."""
    out = tmp_path / "why"
    assert 3 == main(["explain", MODEL, str(blank), str(picture), "--out", str(out), *QUICK])
    assert "blank.png" in capsys.readouterr().err
    found = json.loads((out / "explanations.json").read_text())
    assert (1, 1) == (len(found["sources"]), len(found["failures"]))


def test_ctrl_c_leaves_no_half_video(
    portrait_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor anything else of the folder."""
    monkeypatch.setattr(run, "VIDEO_FRAMES", 3)

    def interrupt(*_: object) -> Image:
        raise KeyboardInterrupt

    monkeypatch.setattr(video, "caption", interrupt)
    out = tmp_path / "why"
    command = ["explain", MODEL, str(portrait_clip), "--out", str(out), "--frames", "1", *QUICK]
    assert 130 == main(command)
    assert [] == list(tmp_path.iterdir())


def test_a_folder_with_something_in_it_is_not_touched(picture: Path, tmp_path: Path) -> None:
    """The picture lies in it; --out must be new or empty."""
    assert 2 == main(["explain", MODEL, str(picture), "--out", str(tmp_path), *QUICK])
    assert [picture] == list(tmp_path.iterdir())


def test_weights_of_another_training_are_refused(
    picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Maps of other weights would explain another model."""
    torch.manual_seed(0)
    checkpoint = tmp_path / "other.pt"
    model = dfedge_models.create("ms_eff_gcvit_b0", img_size=160)
    torch.nn.init.normal_(model.head[-1].weight)
    torch.nn.init.constant_(model.head[-1].bias, 5.0)
    torch.save(model.state_dict(), checkpoint)
    out = tmp_path / "why"
    command = ["explain", MODEL, str(picture), "--out", str(out), "--checkpoint", str(checkpoint)]
    assert 2 == main([*command, "--quiet"])
    assert "--checkpoint: its weights score noise" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize("text", ["", "cam", "hirescam,cam"])
def test_an_unknown_method_is_named(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With those there are."""
    assert 2 == main(["explain", MODEL, "x.png", "--out", "why", "--methods", text])
    assert "xgradcam" in capsys.readouterr().err


def test_a_track_that_is_not_there_is_told(
    picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With those that are."""
    command = ["explain", MODEL, str(picture), "--out", str(tmp_path / "why"), "--track", "7"]
    assert 3 == main([*command, *QUICK])
    assert "has no track 7; its tracks are 0" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name", ["ms_eff_gcvit_b0", "ms_eff_gcvit_b5", "dfedge_convnext_atto", "genconvit_ed"]
)
def test_all_methods_run_on_every_family(name: str, x: np.ndarray) -> None:
    """Maps have the input's size and finite values; only GenConViT shows a reconstruction."""
    _, card = resolve_detector(MODEL)
    torch.manual_seed(0)
    model = dfedge_models.create(name, img_size=x.shape[-1]).eval()
    explainer = Explainer(card, TorchScorer(model), model, one_view=True)
    maps = explainer.maps(x)
    assert {"occlusion", *METHODS} == {each.method for each in maps}
    for each in maps:
        assert x.shape[1:] == each.heat.shape
        assert np.isfinite(each.heat).all()
        assert each.signed or (each.heat >= 0).all()
    assert "middle eigengradcam" in explainer.main_map(x).name
    remade = explainer.reconstruction(x)
    assert (remade is not None) == name.startswith("genconvit")


def test_views_of_a_picture_go_back_to_where_they_were(x: np.ndarray) -> None:
    """A map that is the picture itself comes back as the picture, but for the edge."""
    inner = slice(8, -8)
    assert 10 == len(_VIEWS)
    for view in _VIEWS:
        back = view.back(view.of(x)[0])
        np.testing.assert_allclose(back[inner, inner], x[0][inner, inner], atol=1e-5)

"""From weights to a bundle: the graph, its preprocessing, the card, the command."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image as Pictures

pytest.importorskip("torch", reason="needs the extra 'tools'")
pytest.importorskip("timm", reason="needs the extra 'tools'")
pytest.importorskip("onnx", reason="needs the extra 'tools'")
pytest.importorskip("onnxscript", reason="needs the extra 'tools'")
pytest.importorskip("onnxsim", reason="needs the extra 'tools'")

import onnx
import torch

import dfedge_models
from dfedge.bundles.bundle import load_bundle
from dfedge.bundles.card import CropContract, DetectorCard, Input, Metric
from dfedge.crops import Preprocessor
from dfedge.errors import BundleFormatError, FidelityError, UsageError
from dfedge.runtime import open_model
from dfedge.types import Image
from dfedge_models import IMAGENET_MEAN, IMAGENET_STD
from dfedge_tools import export
from dfedge_tools.exporting.checkpoint import load_checkpoint
from dfedge_tools.exporting.graph import export_onnx, open_session, run
from dfedge_tools.exporting.preprocess import preprocess_graph

ATTO = "dfedge_convnext_atto"
SIDE = 64
"""Of the input of tested models: every operator is there, and it is quick."""

Floats = npt.NDArray[np.float64]


def lively_model(name: str, side: int = SIDE) -> Any:
    """A model whose logits depend on its input: fresh weights alone hardly do."""
    torch.manual_seed(0)
    model = dfedge_models.create(name, img_size=side).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim >= 2:
                parameter.normal_(std=math.sqrt(1 / math.prod(parameter.shape[1:])))
    return model


@pytest.fixture(scope="module")
def atto() -> Any:
    """The smallest architecture with lively weights."""
    return lively_model(ATTO)


@pytest.fixture(scope="module")
def checkpoint(atto: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its state dict in a file."""
    path = tmp_path_factory.mktemp("weights") / "atto.pt"
    torch.save(atto.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def bundle_folder(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle that the command makes of it, with nothing said of the weights."""
    folder = tmp_path_factory.mktemp("bundles") / "atto"
    done = export.main(arguments(checkpoint, folder))
    assert done == 0
    return folder


def arguments(checkpoint: Path, out: Path, *more: str) -> list[str]:
    """Of the command, for the small model."""
    given = ["--arch", ATTO, "--checkpoint", str(checkpoint), "--out", str(out)]
    return [*given, "--img-size", str(SIDE), *more]


# --- the graph


@pytest.mark.parametrize("name", dfedge_models.names())
def test_the_graph_gives_the_logits_of_torch(name: str, tmp_path: Path) -> None:
    """For every architecture, opset 20, at batch sizes it was not traced with, to 1e-4."""
    model = lively_model(name)
    path = tmp_path / "model.onnx"
    report = export_onnx(model, path)
    graph = onnx.load(path)
    assert [(entry.domain, entry.version) for entry in graph.opset_import] == [("", 20)]
    assert report.batch_sizes == (1, 2, 5)
    assert report.max_difference <= 1e-4

    session = open_session(path.read_bytes())
    assert (session.get_inputs()[0].name, session.get_outputs()[0].name) == ("input", "logit")
    for size in (3, 7):
        images = np.random.default_rng(size).normal(size=(size, 3, SIDE, SIDE)).astype(np.float32)
        with torch.inference_mode():
            expected = model(torch.from_numpy(images)).numpy()
        assert np.ptp(expected) > 1e-3, "a model that ignores its input would prove nothing"
        np.testing.assert_allclose(run(session, images), expected, atol=1e-4, rtol=0)


def test_the_graph_tells_nothing_of_the_machine_it_was_made_on(atto: Any, tmp_path: Path) -> None:
    """No source line, path or time: torch writes them on every node."""
    export_onnx(atto, tmp_path / "model.onnx")
    model = onnx.load(tmp_path / "model.onnx")
    graph = model.graph
    told = [
        item.name
        for part in (graph.node, graph.initializer, graph.input, graph.output)
        for item in part
        if item.metadata_props or item.doc_string
    ]
    assert told == []
    assert (list(model.metadata_props), model.producer_version) == ([], "")
    assert b"site-packages" not in (tmp_path / "model.onnx").read_bytes()


def test_equal_weights_give_equal_bytes(atto: Any, tmp_path: Path) -> None:
    """So that a bundle can be made again and compared by its hash."""
    for name in ("one.onnx", "two.onnx"):
        export_onnx(atto, tmp_path / name)
    assert (tmp_path / "one.onnx").read_bytes() == (tmp_path / "two.onnx").read_bytes()


@pytest.mark.parametrize("opset", [18, 23])
def test_other_opsets_can_be_written(atto: Any, tmp_path: Path, opset: int) -> None:
    """The range the command offers."""
    export_onnx(atto, tmp_path / "model.onnx", opset=opset)
    versions = [entry.version for entry in onnx.load(tmp_path / "model.onnx").opset_import]
    assert versions == [opset]


def test_a_graph_that_differs_is_not_written(tmp_path: Path) -> None:
    """A logit that is not a number agrees with nothing, so the export is an error."""
    model = lively_model(ATTO)
    with torch.no_grad():
        model.backbone.head.fc.bias.fill_(math.nan)
    path = tmp_path / "model.onnx"
    with pytest.raises(FidelityError):
        export_onnx(model, path)
    assert not path.exists()


def test_a_difference_over_the_tolerance_is_told(atto: Any, tmp_path: Path) -> None:
    """The message has the file, the difference and the tolerance."""
    with pytest.raises(FidelityError, match=r"model\.onnx: .* over the tolerance of -1"):
        export_onnx(atto, tmp_path / "model.onnx", tolerance=-1.0)


# --- preprocess.onnx


def preprocessing(resize: str, width: int = 224, height: int = 224, **more: Any) -> Any:
    """A session of the graph."""
    model_input = Input(
        name="input",
        layout="NCHW",
        width=width,
        height=height,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        **more,
    )
    contract = CropContract(
        box_source="blazeface-full-range",
        margin=0.2,
        squaring="longer_side",
        resize=resize,  # type: ignore[arg-type]
        pad_value=128 if resize == "letterbox" else 0,
    )
    return open_session(preprocess_graph(model_input, contract))


def levels(session: Any, crop: Image) -> Floats:
    """What comes out, (height, width, 3), as levels 0 to 255."""
    (tensor,) = session.run(None, {"crop": crop})
    assert tensor.dtype == np.float32
    picture = tensor[0].transpose(1, 2, 0).astype(np.float64)
    return np.asarray((picture * IMAGENET_STD + IMAGENET_MEAN) * 255)


def by_pillow(crop: Image, width: int, height: int) -> Floats:
    """Antialiased bilinear as Pillow has it."""
    resized = Pictures.fromarray(crop).resize((width, height), Pictures.Resampling.BILINEAR)
    return np.asarray(resized, np.float64)


SIZES = [(512, 512), (225, 223), (224, 224), (150, 97), (1, 1), (1000, 333), (37, 411), (1, 500)]


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_stretching_is_that_of_pillow(portrait: Image, height: int, width: int) -> None:
    """To less than one level: Pillow rounds twice by up to half a level, the graph does not."""
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    face = np.asarray(Pictures.fromarray(portrait).resize((width, height)), np.uint8)
    session = preprocessing("stretch")
    for crop in (noise, face):
        difference = np.abs(levels(session, crop) - by_pillow(crop, 224, 224))
        assert difference.max() < 1.01
        assert difference.mean() < 0.4


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_letterboxing_keeps_the_shape(portrait: Image, height: int, width: int) -> None:
    """The longer side fills the input, the picture is centred, the rest is the pad value."""
    crop = np.asarray(Pictures.fromarray(portrait).resize((width, height)), np.uint8)
    longer = max(height, width)
    inner_height, inner_width = (
        max(1, math.floor(side * 224 / longer + 0.5)) for side in (height, width)
    )
    top, left = (224 - inner_height) // 2, (224 - inner_width) // 2
    expected = np.full((224, 224, 3), 128.0)
    inner = by_pillow(crop, inner_width, inner_height)
    expected[top : top + inner_height, left : left + inner_width] = inner
    assert np.abs(levels(preprocessing("letterbox"), crop) - expected).max() < 1.01


@pytest.mark.parametrize("resize", ["stretch", "letterbox"])
def test_an_input_need_not_be_square(resize: str) -> None:
    """Height and width are not mixed up."""
    crop = np.random.default_rng(1).integers(0, 256, (80, 120, 3), dtype=np.uint8)
    out = levels(preprocessing(resize, width=96, height=64), crop)
    assert out.shape == (64, 96, 3)
    assert np.abs(out - by_pillow(crop, 96, 64)).max() < 1.01  # 120 x 80 fits exactly


def test_a_crop_of_the_input_size_is_only_normalised() -> None:
    """Every level comes back exactly."""
    crop = np.random.default_rng(2).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    out = levels(preprocessing("stretch", 32, 32), crop)
    np.testing.assert_allclose(out, crop, atol=1e-4)


def test_channels_can_be_swapped() -> None:
    """A model of blue-green-red order gets blue first; mean and std are in the model's order."""
    crop = np.zeros((8, 8, 3), np.uint8)
    crop[..., 0] = 200  # red
    out = levels(preprocessing("stretch", 8, 8, colour_order="BGR"), crop)
    np.testing.assert_allclose(out[0, 0], [0, 0, 200], atol=1e-4)


# --- the bundle


def test_the_bundle_loads_and_scores(atto: Any, bundle_folder: Path, portrait: Image) -> None:
    """The SDK reads what the tool wrote, and gives torch's logit for a face."""
    bundle = load_bundle(bundle_folder)
    crop = portrait[0:256, 96:352]
    tensor = Preprocessor(bundle)([crop, crop[:100]])
    logits = open_model(bundle, device="cpu", threads=1).run({"input": tensor})["logit"]
    with torch.inference_mode():
        expected = atto(torch.from_numpy(tensor)).numpy()
    assert tensor.shape == (2, 3, SIDE, SIDE)
    np.testing.assert_allclose(logits, expected, atol=1e-4, rtol=0)


def test_undescribed_weights_never_say_fake_or_real(bundle_folder: Path, checkpoint: Path) -> None:
    """The card admits that nothing is known, and its thresholds are out of reach."""
    card = load_bundle(bundle_folder).card
    assert isinstance(card, DetectorCard)
    assert (card.name, card.version, card.architecture) == ("dfedge-convnext-atto", "0.0.0", ATTO)
    assert (card.decision.fake.threshold, card.decision.real.threshold) == (1.0, 0.0)
    assert card.provenance.training_data == "unknown"
    assert str(checkpoint.parent) not in (bundle_folder / "card.json").read_text()


def test_description_and_decision_go_into_the_card(checkpoint: Path, tmp_path: Path) -> None:
    """What a person wrote and what calibration found are both there, unchanged."""
    description = {
        "name": "my-detector",
        "version": "1.2.3",
        "summary": "A test.",
        "licence": "Apache-2.0",
        "provenance": {"training_data": "noise", "command": "make noise"},
        "limits": ["Only for tests."],
        "metrics": [{"name": "video_auc", "value": 0.5, "data": "noise"}],
        "crop": {
            "box_source": "blazeface-full-range",
            "margin": 0.2,
            "squaring": "none",
            "resize": "letterbox",
        },
        "quality": {
            "min_face_pixels": 40.0,
            "min_sharpness": 5.0,
            "min_brightness": 20.0,
            "max_brightness": 240.0,
        },
        "min_usable_frames": 3,
    }
    decision = {
        "temperature": 1.5,
        "bias": -0.25,
        "fitted_on": "noise",
        "fake": {"threshold": 0.9, "meaning": "few false alarms"},
        "real": {"threshold": 0.2, "meaning": "few misses"},
        "calibration_error": 0.1,
    }
    (tmp_path / "d.json").write_text(json.dumps(description))
    (tmp_path / "decision.json").write_text(json.dumps(decision))
    more = ["--description", str(tmp_path / "d.json")]
    more += ["--decision", str(tmp_path / "decision.json")]
    assert export.main(arguments(checkpoint, tmp_path / "out", *more)) == 0
    card = json.loads((tmp_path / "out" / "card.json").read_text())
    assert [card[key] for key in ("name", "version", "licence", "limits")] == [
        "my-detector",
        "1.2.3",
        "Apache-2.0",
        ["Only for tests."],
    ]
    assert card["metrics"][0]["value"] == 0.5
    assert card["crop"]["resize"] == "letterbox"
    assert card["decision"]["quality"] == description["quality"]
    assert card["decision"]["calibration"] == {
        "temperature": 1.5,
        "bias": -0.25,
        "fitted_on": "noise",
    }
    assert (card["decision"]["fake"], card["decision"]["real"]) == (
        decision["fake"],
        decision["real"],
    )


def test_an_older_bundle_of_the_name_is_replaced(
    checkpoint: Path, bundle_folder: Path, tmp_path: Path
) -> None:
    """Nothing of the old one is left, nor of the folder it was made in."""
    shutil.copytree(bundle_folder, tmp_path / "out")
    (tmp_path / "out" / "old.txt").touch()
    assert export.main(arguments(checkpoint, tmp_path / "out")) == 0
    files = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert files == ["card.json", "model.onnx", "preprocess.onnx"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_folder_of_something_else_is_left_alone(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong --out costs a message, not somebody's files."""
    (tmp_path / "thesis.tex").touch()
    assert export.main(arguments(checkpoint, tmp_path)) == 1
    assert "give --out another folder" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_an_impossible_card_leaves_nothing(atto: Any, tmp_path: Path) -> None:
    """A name that the schema refuses is an error before the bundle takes its place."""
    description = export._plain_description(ATTO, _file(tmp_path / "weights", b"x"))
    wrong = type(description)(
        **{name: getattr(description, name) for name in description.__struct_fields__}
        | {"name": "No Such Name"}
    )
    with pytest.raises(BundleFormatError):
        export.export_bundle(atto, tmp_path / "out", architecture=ATTO, description=wrong)
    assert [path.name for path in tmp_path.iterdir()] == ["weights"]


# --- the checkpoint


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {"state_dict": state},
        lambda state: {"ema": {f"detector.{name}": v for name, v in state.items()}},
        lambda state: {f"module.{name}": v for name, v in state.items()},
        lambda state: {
            "format": 1,
            "ema": {"mask_head.w": torch.zeros(1)}
            | {f"detector.{name}": v for name, v in state.items()},
        },
    ],
    ids=["container", "trainer", "parallel", "mask head"],
)
def test_wrapped_weights_are_found(
    atto: Any, tmp_path: Path, wrap: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    """As training programs save them, and whole."""
    torch.save(wrap(atto.state_dict()), tmp_path / "w.pt")
    model = dfedge_models.create(ATTO)
    load_checkpoint(model, tmp_path / "w.pt")
    loaded, wanted = model.state_dict(), atto.state_dict()
    assert [name for name in wanted if not torch.equal(wanted[name], loaded[name])] == []


class _Bomb:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return Path.touch, (Path("exploded"),)  # type: ignore[return-value]


def _file(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_a_checkpoint_cannot_run_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that carries more than tensors is refused unread."""
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": _Bomb()}, tmp_path / "w.pt")
    with pytest.raises(UsageError, match="is no file of plain torch weights"):
        load_checkpoint(dfedge_models.create(ATTO), tmp_path / "w.pt")
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read"),
        (b"", "is no file of plain torch weights"),
        (b"just text", "is no file of plain torch weights"),
    ],
)
def test_a_bad_checkpoint_is_a_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None, message: str
) -> None:
    """It names the file, and the exit code is 1."""
    path = tmp_path / "w.pt"
    if content is not None:
        path.write_bytes(content)
    assert export.main(arguments(path, tmp_path / "out")) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"export: {path}: ")
    assert message in error


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({}, "holds no state dict"),
        ({"weight": "text"}, "holds no state dict"),
        ({"weight": torch.zeros(1)}, "the weights do not fit the architecture: lacks"),
    ],
)
def test_weights_of_something_else_are_refused(
    tmp_path: Path, state: dict[str, Any], message: str
) -> None:
    """Every entry must be there, in its shape."""
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(UsageError, match=message):
        load_checkpoint(dfedge_models.create(ATTO), tmp_path / "w.pt")


# --- the command


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot be read"),
        ("{", "is not what --description takes"),
        ('{"name": "x"}', "is not what --description takes: Object missing required field"),
    ],
)
def test_a_bad_description_is_a_message(
    checkpoint: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    text: str | None,
    message: str,
) -> None:
    """It names the file and the option."""
    path = tmp_path / "d.json"
    if text is not None:
        path.write_text(text)
    more = ["--description", str(path)]
    assert export.main(arguments(checkpoint, tmp_path / "out", *more)) == 1
    assert message in capsys.readouterr().err


def test_a_size_that_cannot_be_is_a_message(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The option is named."""
    given = arguments(checkpoint, tmp_path / "out")
    given[given.index(str(SIDE))] = "100"
    assert export.main(given) == 1
    assert "export: --img-size: img_size is 100" in capsys.readouterr().err


def test_help_tells_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    """And the architectures."""
    with pytest.raises(SystemExit) as stop:
        export.main(["--help"])
    text = capsys.readouterr().out
    assert stop.value.code == 0
    options = ("arch", "checkpoint", "out", "description", "decision", "img-size", "opset")
    assert [option for option in options if f"--{option} " not in text] == []
    assert [name for name in dfedge_models.names() if name not in text] == []


def test_measured_figures_go_into_the_card(checkpoint: Path, tmp_path: Path) -> None:
    """What ``evaluate --metrics`` wrote stands in the card of the next export."""
    figures = (Metric(name="video_auc", value=0.75, data="clips val", count=58),)
    path = tmp_path / "figures.json"
    path.write_bytes(msgspec.json.encode(figures))
    given = arguments(checkpoint, tmp_path / "atto", "--metrics", str(path))
    assert export.main(given) == 0
    assert load_bundle(tmp_path / "atto").card.metrics == figures

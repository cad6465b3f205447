"""``dfedge export``: from weights or a bundle to a bundle."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from dfedge.bundles.bundle import load_bundle
from dfedge.bundles.card import DetectorCard, Metric
from dfedge.cli import main
from dfedge.crops import Preprocessor
from dfedge.errors import BundleFormatError
from dfedge.runtime import open_model
from dfedge.types import Image
from dfedge_tools.exporting.bundle import plain_description
from dfedge_tools.exporting.exporter import export_bundle

ATTO = "dfedge_convnext_atto"
SIDE = 64


def arguments(checkpoint: Path, out: Path, *more: str) -> list[str]:
    """Of the command, for the small model."""
    given = ["export", "--arch", ATTO, "--checkpoint", str(checkpoint), "--out", str(out)]
    return [*given, "--img-size", str(SIDE), *more]


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
    assert main(arguments(checkpoint, tmp_path / "out", *more)) == 0
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
    assert main(arguments(checkpoint, tmp_path / "out")) == 0
    files = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert files == ["card.json", "model.onnx", "preprocess.onnx"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_folder_of_something_else_is_left_alone(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong --out costs a message, not somebody's files."""
    (tmp_path / "thesis.tex").touch()
    assert main(arguments(checkpoint, tmp_path)) == 2
    assert "give --out another folder" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_an_impossible_card_leaves_nothing(atto: Any, tmp_path: Path) -> None:
    """A name that the schema refuses is an error before the bundle takes its place."""
    (tmp_path / "weights").write_bytes(b"x")
    description = plain_description(ATTO, tmp_path / "weights")
    wrong = type(description)(
        **{name: getattr(description, name) for name in description.__struct_fields__}
        | {"name": "No Such Name"}
    )
    with pytest.raises(BundleFormatError):
        export_bundle(atto, tmp_path / "out", architecture=ATTO, description=wrong)
    assert [path.name for path in tmp_path.iterdir()] == ["weights"]


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
    """It names the file, and the exit code is 2."""
    path = tmp_path / "w.pt"
    if content is not None:
        path.write_bytes(content)
    assert main(arguments(path, tmp_path / "out")) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"dfedge: {path}: ")
    assert message in error


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
    assert main(arguments(checkpoint, tmp_path / "out", *more)) == 2
    assert message in capsys.readouterr().err


def test_a_size_that_cannot_be_is_a_message(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The option is named."""
    given = arguments(checkpoint, tmp_path / "out")
    given[given.index(str(SIDE))] = "100"
    assert main(given) == 2
    assert "dfedge: --img-size: img_size is 100" in capsys.readouterr().err


def test_measured_figures_go_into_the_card(checkpoint: Path, tmp_path: Path) -> None:
    """What ``evaluate --metrics`` wrote stands in the card of the next export."""
    figures = (Metric(name="video_auc", value=0.75, data="clips val", count=58),)
    path = tmp_path / "figures.json"
    path.write_bytes(msgspec.json.encode(figures))
    given = arguments(checkpoint, tmp_path / "atto", "--metrics", str(path))
    assert main(given) == 0
    assert load_bundle(tmp_path / "atto").card.metrics == figures

"""``dfedge verify``: what passes, what fails, and what it says."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image as Pictures

from dfedge.bundles.bundle import Bundle
from dfedge.bundles.card import DetectorCard
from dfedge.cli import main
from dfedge_models import DetectorModel
from dfedge_tools.commands.limits import LIMITS
from dfedge_tools.fidelity import Limits
from dfedge_tools.verifying.table import NAMES

from .conftest import ATTO, changed_bundle

REPOSITORY = Path(__file__).resolve().parents[3]
HEAD = "backbone.head.fc.bias"


@pytest.fixture(scope="module")
def shifted(atto_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The bundle with 0.5 added to each logit."""

    def shift(arrays: dict[str, npt.NDArray[Any]]) -> None:
        arrays[HEAD] += np.float32(0.5)

    return changed_bundle(atto_bundle, tmp_path_factory.mktemp("b") / "shifted", shift)


def run(*arguments: object) -> int:
    """The command's exit code."""
    return main(["verify", *map(str, arguments), "--quiet"])


def read_json(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What it printed."""
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


# --- what passes and what fails


def test_a_bundle_agrees_with_itself(
    atto_bundle: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exactly, and it says that both are one file and that there were no faces."""
    assert run(atto_bundle.path, atto_bundle.path, "--limits", "same", "--count", 4) == 0
    out = capsys.readouterr().out
    assert "largest logit error                   0    <= 0.001  pass\n" in out
    assert "Both are the same file." in out
    assert "No faces: only the arithmetic is compared" in out
    assert out.endswith("PASSED: all limits are kept\n")


def test_a_changed_weight_fails_by_the_limit_it_breaks(
    atto_bundle: Bundle, shifted: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each figure over its limit is marked and named; the others pass."""
    assert run(atto_bundle.path, shifted.path, "--limits", "same", "--count", 4) == 1
    out = capsys.readouterr().out
    assert "largest logit error                 0.5    <= 0.001  FAIL\n" in out
    assert (
        "FAILED:\n  inputs: logit error is 0.5, over 0.001\n  inputs: probability change is" in out
    )
    assert "logit correlation              1.000000   >= 0.9999  pass\n" in out


def test_a_limit_can_be_set_or_lifted(atto_bundle: Bundle, shifted: Bundle) -> None:
    """One by one, beside the preset."""
    given = [atto_bundle.path, shifted.path, "--limits", "same", "--count", 4]
    lifted = ["--max-logit-error", "none", "--max-probability-change", "0.2"]
    assert run(*given, *lifted) == 0
    assert run(*given, *lifted, "--max-logit-error", "0.4") == 1


def test_a_checkpoint_agrees_with_the_bundle_made_of_it(
    atto_bundle: Bundle, atto_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On either side, and so do the weights recovered from the bundle."""
    given = ["--limits", "same", "--count", 4]
    assert run(atto_checkpoint, atto_bundle.path, *given) == 0
    assert f"reference  atto.pt as {ATTO}, " in capsys.readouterr().out
    assert run(atto_bundle.path, atto_checkpoint, *given) == 0
    assert run(atto_bundle.path, f"torch:{atto_bundle.path}", *given) == 0
    assert "MB, by torch\n" in capsys.readouterr().out


def test_what_is_no_number_fails(
    atto_bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bundle that gives NaN is told so, and its JSON has null, which every reader takes."""

    def spoil(arrays: dict[str, npt.NDArray[Any]]) -> None:
        arrays[HEAD][:] = np.nan

    spoilt = changed_bundle(atto_bundle, tmp_path / "spoilt", spoil)
    assert run(atto_bundle.path, spoilt.path, "--count", 2, "--json") == 1
    found = read_json(capsys)
    assert found["inputs"]["max_logit_error"] is None
    assert "inputs: probability change is nan, over 0.02" in found["failures"]


# --- faces


def test_labelled_faces_give_the_change_of_auc_and_calibration(
    atto_bundle: Bundle, shifted: Bundle, faces: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An equal shift of all logits leaves the AUC, and moves the calibration error."""
    assert run(atto_bundle.path, shifted.path, "--faces", faces, "--json") == 1
    found = read_json(capsys)
    assert found["unit"] == "faces"
    assert found["inputs"]["count"] == 12
    assert found["inputs"]["data"] == f"12 faces of {faces.name}"
    assert found["inputs"]["auc_change"] == 0.0
    assert found["inputs"]["calibration_change"] != 0.0
    assert {entry["truth"] for entry in found["worst"]} == {0, 1}


def test_frames_of_clips_are_judged_clip_by_clip_too(
    atto_bundle: Bundle, shifted: Bundle, faces: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By a manifest with video_id, of the split that was asked for."""
    names = sorted(str(path.relative_to(faces)) for path in faces.rglob("*.png"))
    rows = [f"{name},{int('fake' in name)},{name[:4]}{place // 3},val" for place, name in
            enumerate(names)]  # fmt: skip
    manifest = faces / "manifest.csv"
    manifest.write_text("\n".join(["path,label,video_id,split", *rows, f"{names[0]},0,x,train"]))
    try:
        assert run(atto_bundle.path, shifted.path, "--faces", faces, "--split", "val") == 1
    finally:
        manifest.unlink()
    out = capsys.readouterr().out
    assert f"data       12 faces of {faces.name} val, of 4 clips\n" in out
    assert "faces       clips       limit\n" in out
    assert "\n  clips: probability change is 0." in out


def test_pictures_without_labels_are_compared_without_auc(
    atto_bundle: Bundle, faces: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And the table says that it was not measured."""
    assert run(atto_bundle.path, atto_bundle.path, "--faces", faces / "real") == 0
    out = capsys.readouterr().out
    assert "change of AUC, either way             -    <= 0.003  not measured\n" in out
    assert "No labels of both kinds" in out


def test_the_small_default_agrees_with_the_large_one(
    shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On research frames, by the preset small, with the change of AUC measured; a probability may
    move by .03, the limit it was made with."""
    given = ["--faces", shared_data / "ffpp_frames", "--split", "val", "--count", 580]
    given += ["--max-probability-change", 0.03]
    assert run("dfedge-b0", "dfedge-b0-int8", *given, "--json") == 0
    found = read_json(capsys)
    assert found["passed"] is True
    assert found["inputs"]["count"] + found["missed"] == 580
    assert abs(found["inputs"]["auc_change"]) <= 0.003
    assert found["inputs"]["sign_agreement"] >= 0.995


# --- different inputs and different decisions


def test_another_crop_is_a_failure_unless_allowed(
    atto_bundle: Bundle, faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each side cuts by its own card, so the same weights see different pictures."""
    assert isinstance(atto_bundle.card, DetectorCard)
    crop = msgspec.structs.replace(atto_bundle.card.crop, margin=0.5)
    other = changed_bundle(atto_bundle, tmp_path / "wide", crop=crop)
    given = [atto_bundle.path, other.path, "--faces", faces, "--count", 4, "--json"]
    lifted = [item for name in LIMITS for item in (f"--{name.replace('_', '-')}", "none")]
    assert run(*given, *lifted) == 1
    found = read_json(capsys)
    assert found["failures"] == ["crop margin is 0.2 against 0.5"]
    assert found["inputs"]["max_logit_error"] > 1e-3
    assert run(*given, *lifted, "--allow-different-input") == 0
    assert read_json(capsys)["input_differences"] == ["crop margin is 0.2 against 0.5"]


def test_each_side_is_judged_by_its_own_card(
    atto_bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Equal logits under another calibration give other verdicts, and that is told."""
    assert isinstance(atto_bundle.card, DetectorCard)
    decision = atto_bundle.card.decision
    calibration = msgspec.structs.replace(decision.calibration, bias=3.0)
    decision = msgspec.structs.replace(decision, calibration=calibration)
    other = changed_bundle(atto_bundle, tmp_path / "bold", decision=decision)
    assert run(atto_bundle.path, other.path, "--count", 4, "--json") == 1
    found = read_json(capsys)
    assert found["inputs"]["max_logit_error"] == 0.0
    assert found["inputs"]["label_agreement"] < 0.98
    assert "Each is judged by its own card: bias 0 against 3." in found["notes"]


# --- what it writes


def test_the_json_has_these_fields(atto_bundle: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    """A program that reads it depends on them."""
    assert run(atto_bundle.path, atto_bundle.path, "--count", 2, "--json") == 0
    found = read_json(capsys)
    assert found["schema"] == "dfedge.verification/1"
    assert set(found) == {
        "schema", "passed", "failures", "reference", "candidate", "unit", "missed",
        "input_differences", "notes", "limits", "inputs", "clips", "worst", "worst_clips",
    }  # fmt: skip
    assert set(found["reference"]) == {"given", "name", "runtime", "sha256", "size_bytes"}
    assert set(found["worst"][0]) == {
        "picture", "clip", "truth", "logits", "fake_probabilities", "labels",
    }  # fmt: skip
    assert set(found["limits"]) == {entry.name for entry in fields(Limits)}
    assert set(found["inputs"]) == {
        "count", "data", "max_logit_error", "mean_logit_error", "logit_correlation",
        "sign_agreement", "label_agreement", "max_probability_change", "auc",
        "calibration_error", "auc_change", "calibration_change",
    }  # fmt: skip


def test_the_picture_shows_the_faces_that_change_most(
    atto_bundle: Bundle, shifted: Bundle, faces: Path, tmp_path: Path
) -> None:
    """A PNG with a row of faces is taller than one without; the SVG is the same twice."""
    given = [atto_bundle.path, shifted.path, "--faces", faces]
    run(*given, "--plot", tmp_path / "a.png")
    run(atto_bundle.path, shifted.path, "--count", 4, "--plot", tmp_path / "b.png")
    with Pictures.open(tmp_path / "a.png") as a, Pictures.open(tmp_path / "b.png") as b:
        assert a.format == b.format == "PNG"
        assert a.width == b.width
        assert a.height > b.height
        assert len(set(a.convert("RGB").resize((80, 60)).tobytes())) > 60
    for name in ("1.svg", "2.svg"):
        run(*given, "--worst", 2, "--plot", tmp_path / name)
    first = (tmp_path / "1.svg").read_bytes()
    assert first.startswith(b"<?xml")
    assert first == (tmp_path / "2.svg").read_bytes()
    assert len(list(tmp_path.iterdir())) == 4  # no temporary file stays


def test_options_tables_and_limits_are_of_the_same_figures() -> None:
    """The command holds words only; the fields of the limits are the measure."""
    names = [entry.name for entry in fields(Limits)]
    assert list(LIMITS) == names
    assert list(NAMES) == names


@pytest.mark.parametrize("error", [0.0, np.inf])
def test_errors_that_are_all_equal_or_no_numbers_can_be_drawn(
    error: float, atto_bundle: Bundle, tmp_path: Path
) -> None:
    """A histogram has no width then, or nothing in it."""

    def shift(arrays: dict[str, npt.NDArray[Any]]) -> None:
        arrays[HEAD] += np.float32(error)

    other = changed_bundle(atto_bundle, tmp_path / "other", shift)
    code = run(atto_bundle.path, other.path, "--count", 2, "--plot", tmp_path / "p.png")
    assert code == (0 if error == 0 else 1)
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")


# --- what cannot be compared


def test_a_checkpoint_of_another_model_is_refused(
    atto_bundle: Bundle, atto: DetectorModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the entries named, and code 2."""
    state = dict(atto.state_dict())
    state["other.weight"] = state.pop(HEAD)
    torch.save(state, tmp_path / "wrong.pt")
    assert run(atto_bundle.path, tmp_path / "wrong.pt") == 2
    said = capsys.readouterr().err
    assert "wrong.pt: the weights do not fit" in said
    assert HEAD in said
    assert "other.weight" in said


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("a.pt", "b.safetensors"), "both are files of weights, which do not say what they are"),
        (("model.onnx", "dfedge-b0"), "a graph alone does not say how faces are cut"),
        (("dfedge-b0", "no-such-model"), "no-such-model"),
        (("dfedge-b0", "gone.pt"), "gone.pt: there is no such file of weights"),
        (("dfedge-b0", "blazeface-full-range"), "blazeface-full-range"),
        (("dfedge-b0", "dfedge-b0", "--split", "val"), "--split: is of --faces"),
        (("dfedge-b0", "dfedge-b0", "--faces", "nowhere"), "nowhere: is no folder"),
        (("dfedge-b0", "dfedge-b0", "--plot", "plot.pdf"), "ends in .png or .svg"),
        (("dfedge-b0", "dfedge-b0", "--plot", "nowhere/p.png"), "there is no folder"),
        (("dfedge-b0", "dfedge-b0", "--max-auc-change", "-1"), "'-1' is neither a number"),
        (("dfedge-b0", "dfedge-b0", "--worst", "17"), "'17' is over 16"),
    ],
)
def test_what_cannot_be_compared_is_named(
    given: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """In one line, with code 2, before anything is scored."""
    monkeypatch.chdir(tmp_path)
    assert run(*given) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.out == ""


def test_a_model_of_clips_is_not_compared_with_one_of_pictures(
    atto_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They have no inputs in common."""
    from dfedge.errors import UsageError
    from dfedge_tools.verifying import sides

    def clip_side(given: str, **options: object) -> sides.Side:
        side = opened(given, **options)  # type: ignore[arg-type]
        frames = 12 if given == "clips" else 1
        model_input = msgspec.structs.replace(side.card.input, frames=frames)
        return sides.Side(
            **{name: getattr(side, name) for name in side.__slots__}
            | {"given": given, "card": msgspec.structs.replace(side.card, input=model_input)}
        )

    opened = sides._open_bundle
    resolve = sides._resolve
    monkeypatch.setattr(sides, "_resolve", lambda given: resolve(str(atto_bundle.path)))
    monkeypatch.setattr(sides, "_open_bundle", clip_side)
    with (
        pytest.raises(UsageError, match="clips: takes clips of 12 frames, and pictures single"),
        sides.open_sides("pictures", "clips", device="cpu", threads=1),
    ):
        pass


def test_faces_without_a_face_are_refused(
    atto_bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The folder is named."""
    Pictures.fromarray(np.full((64, 64, 3), 90, np.uint8)).save(tmp_path / "grey.png")
    assert run(atto_bundle.path, atto_bundle.path, "--faces", tmp_path) == 2
    said = capsys.readouterr().err
    assert f"{tmp_path.name}: no face was found in any of 1 pictures" in said

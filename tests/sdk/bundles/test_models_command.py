"""``dfedge models``: what it prints, its JSON, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dfedge.bundles import store
from dfedge.cli import main

Output = pytest.CaptureFixture[str]


@pytest.fixture
def installed(
    bundle_maker: Any, own_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A built-in face detector and one detector in the cache; returns the detector's folder."""
    builtin = tmp_path / "builtin"
    bundle_maker.face_detector(folder=builtin / "tiny-faces")
    monkeypatch.setattr(store, "builtin_folder", lambda: builtin)
    return store.install(bundle_maker.detector()).path


def damage(folder: Path) -> None:
    """Change the model's last byte."""
    content = bytearray((folder / "model.onnx").read_bytes())
    content[-1] ^= 1
    (folder / "model.onnx").write_bytes(content)


def test_list_has_a_line_a_bundle(installed: Path, capsys: Output) -> None:
    """Name, version, kind, size, origin, state and summary, in order of name."""
    assert main(["models", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["NAME", "tiny-detector", "tiny-faces"]
    for part in ("0.1.0", "deepfake detector", "user", "ok", "A tiny model for tests."):
        assert part in lines[1]
    assert "builtin" in lines[2]


def test_list_says_why_a_bundle_is_broken(installed: Path, capsys: Output) -> None:
    """The list is still shown, and its exit code is 0: it did what was asked."""
    damage(installed)
    assert main(["models", "list"]) == 0
    output = capsys.readouterr().out
    assert "BROKEN" in output
    assert f"broken: {installed / 'model.onnx'}: has sha256" in output


def test_list_as_json(installed: Path, capsys: Output) -> None:
    """One object a bundle; a broken one is not ok and has a problem."""
    damage(installed)
    assert main(["models", "list", "--json"]) == 0
    detector, faces = json.loads(capsys.readouterr().out)
    assert (detector["name"], detector["ok"], detector["origin"]) == (
        "tiny-detector",
        False,
        "user",
    )
    assert "model.onnx: has sha256" in detector["problem"]
    assert (faces["name"], faces["ok"], faces["problem"]) == ("tiny-faces", True, None)
    assert detector["path"] == str(installed)


def test_list_of_nothing(own_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    """It says how to add a bundle; as JSON it is an empty list."""
    monkeypatch.setattr(store, "builtin_folder", lambda: own_home / "none")
    assert main(["models", "list"]) == 0
    assert "dfedge models install PATH" in capsys.readouterr().out
    assert main(["models", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_the_default_is_marked(
    installed: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    """A star after the name, and a field in the JSON."""
    monkeypatch.setattr(store, "DEFAULT_MODEL", "tiny-detector")
    assert main(["models", "list"]) == 0
    assert "tiny-detector *" in capsys.readouterr().out
    assert main(["models", "list", "--json"]) == 0
    assert [item["default"] for item in json.loads(capsys.readouterr().out)] == [True, False]


def test_show_tells_what_to_know_before_trusting(
    installed: Path, bundle_maker: Any, capsys: Output
) -> None:
    """Licence, thresholds with their meaning, figures with their data, and limits."""
    folder = bundle_maker.detector(
        metrics=[{"name": "video_auc", "value": 0.731, "data": "a test set", "count": 40}],
        quantization={
            "recipe": "int8 weights",
            "reference_sha256": "0" * 64,
            "fidelity": {
                "logit_correlation": 0.999,
                "sign_agreement": 0.99,
                "max_probability_change": 0.05,
                "data": "the same set",
            },
        },
        provenance={"training_data": "made-up faces", "command": "python -m make"},
    )
    assert main(["models", "show", str(folder)]) == 0
    output = " ".join(capsys.readouterr().out.split())
    for part in (
        "tiny-detector 0.1.0",
        "Apache-2.0",
        "P(fake) >= 0.8: none, a test",
        "P(fake) <= 0.2",
        "measured on a test set video_auc all 0.731 (40)",
        "Knows nothing.",
        "trained on made-up faces",
        "made by python -m make",
        "int8 weights; against fp32 on the same set: logit correlation 0.9990",
        "model.onnx (model, 0.00 MB, sha256",
    ):
        assert part in output


def test_show_of_a_face_detector(installed: Path, capsys: Output) -> None:
    """A card of the other kind has no thresholds to show."""
    assert main(["models", "show", "tiny-faces"]) == 0
    output = capsys.readouterr().out
    assert "64 x 64 RGB" in output
    assert "FAKE" not in output


def test_show_says_what_a_model_of_clips_is_shown(bundle_maker: Any, capsys: Output) -> None:
    """Frames at once, where they are cut, and how many of them must be usable."""
    folder = bundle_maker.clip_detector(12, box_source="whole-frame")
    assert main(["models", "show", str(folder)]) == 0
    output = " ".join(capsys.readouterr().out.split())
    assert "12 frames of 16 x 16 RGB" in output
    assert "the whole frame; a face in it decides whether it counts" in output
    assert "6 usable frames of a video" in output


def test_show_as_json_is_the_card(installed: Path, capsys: Output) -> None:
    """Every field as it stands in card.json."""
    assert main(["models", "show", "tiny-detector", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["path"] == str(installed)
    assert shown["card"] == json.loads((installed / "card.json").read_text(encoding="utf-8"))


def test_show_keeps_a_card_from_steering_the_terminal(bundle_maker: Any, capsys: Output) -> None:
    """Control characters of a foreign card are shown, not obeyed."""
    folder = bundle_maker.detector(summary="\x1b[2Jhello", limits=["a\x07b"], licence="x\ny")
    assert main(["models", "show", str(folder)]) == 0
    output = capsys.readouterr().out
    assert "\x1b" not in output
    assert "\x07" not in output
    assert "\\x1b[2Jhello" in output


@pytest.mark.parametrize("arguments", [["show", "nothing"], ["install", "nothing.zip"]])
def test_what_is_not_there_ends_with_2(
    arguments: list[str], installed: Path, capsys: Output
) -> None:
    """One line on stderr that names it."""
    assert main(["models", *arguments]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith(f"dfedge: {arguments[1]}: ")
    assert output.err.count("\n") == 1


def test_verify_checks_all_by_default(installed: Path, capsys: Output) -> None:
    """All whole: 0, and a line each."""
    assert main(["models", "verify"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:3] for line in lines] == [
        ["ok", "tiny-detector", "0.1.0"],
        ["ok", "tiny-faces", "0.1.0"],
    ]


def test_verify_goes_on_after_a_broken_bundle(installed: Path, capsys: Output) -> None:
    """Some broken: 3, and those after it are checked too."""
    damage(installed)
    assert main(["models", "verify", "tiny-detector", "nothing", "tiny-faces"]) == 3
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["BROKEN", "BROKEN", "ok"]
    assert "model.onnx: has sha256" in lines[0]
    assert "nothing: no bundle of that name" in lines[1]


def test_verify_as_json(installed: Path, capsys: Output) -> None:
    """One object a bundle, in the order asked for."""
    assert main(["models", "verify", "--json", "tiny-faces", "nothing"]) == 3
    faces, nothing = json.loads(capsys.readouterr().out)
    assert (faces["ok"], faces["problem"], faces["version"]) == (True, None, "0.1.0")
    assert (nothing["ok"], nothing["name"], nothing["model"]) == (False, None, "nothing")


def test_verify_runs_the_graphs(bundle_maker: Any, capsys: Output) -> None:
    """A bundle whole in bytes, but whose graph is not what the card says, is broken."""
    card_input = {**bundle_maker.detector_card()["input"], "mean": [0.0, 0.0, 0.0]}
    folder = bundle_maker.detector(input=card_input)
    assert main(["models", "verify", str(folder)]) == 3
    assert "preprocess.onnx: for a crop of" in capsys.readouterr().out


def test_install_then_find(installed: Path, bundle_maker: Any, capsys: Output) -> None:
    """A zip goes into the cache and resolves by name afterwards."""
    archive = bundle_maker.zipped(bundle_maker.detector(name="tiny-other"))
    assert main(["models", "install", str(archive), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["name"], result["version"]) == ("tiny-other", "0.1.0")
    assert str(store.resolve("tiny-other").path) == result["path"]
    assert main(["models", "install", str(archive)]) == 0
    assert capsys.readouterr().out.startswith("installed tiny-other 0.1.0 in ")


@pytest.mark.parametrize("arguments", [["models"], ["models", "frobnicate"], ["models", "show"]])
def test_wrong_usage_ends_with_2(arguments: list[str], capsys: Output) -> None:
    """argparse says what is missing."""
    assert main(arguments) == 2
    assert "usage: dfedge models" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["list", "show", "verify", "install"])
def test_every_command_has_help_and_json(command: str, capsys: Output) -> None:
    """--help names --json on each."""
    assert main(["models", command, "--help"]) == 0
    output = capsys.readouterr().out
    assert output.startswith(f"usage: dfedge models {command}")
    assert "--json" in output

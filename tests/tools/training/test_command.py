"""``dfedge train`` as a user calls it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import torch

import dfedge_models
from dfedge.cli import main
from dfedge_tools.data.store import CropStore
from dfedge_tools.training import checkpoints
from dfedge_tools.training.recipes import RECIPES

from .conftest import TINY_SETTINGS

TINY = [f"--set={key}={value}" for key, value in TINY_SETTINGS.items()]


def _b0(store: CropStore, out: Path, *more: str) -> int:
    options = ["--set=backbone-160.initial=random", "--set=side=64", "--set=loop.steps=2"]
    machine = ["--threads", "1", "--workers", "0", "--quiet"]
    data = ["--data", str(store.folder), "--out", str(out)]
    return main(["train", "b0", *TINY, *options, *machine, *data, *more])


def test_run_gives_weights_scores_and_figures(
    tiny_store: CropStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both stages run, the weights load strictly into the detector, every frame that was not
    trained on has a score. A second call has nothing left to do and writes the same."""
    assert 0 == _b0(tiny_store, tmp_path)
    detector = dfedge_models.create("ms_eff_gcvit_b0", img_size=64)
    detector.load_state_dict(torch.load(tmp_path / "b0.pt", weights_only=True), strict=True)
    told = capsys.readouterr().out
    assert "Deepfakes" in told
    assert str(tmp_path / "b0.pt") in told
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert 2 == metrics["videos"]
    before = (tmp_path / "scores.csv").read_text()
    splits = [row["split"] for row in csv.DictReader(before.splitlines())]
    wanted = [r.sample.split for r in tiny_store.rows if r.sample.split in ("val", "held")]
    assert sorted(wanted) == sorted(splits)
    assert 0 == _b0(tiny_store, tmp_path, "--json")
    assert json.loads(capsys.readouterr().out)["finished"]
    assert before == (tmp_path / "scores.csv").read_text()


KEYS = ("mask_head.deep.weight", "detector.backbone.blocks.3.0.conv_pw.weight")
STILL = "loop.warmup_steps=1000000000000"
"""Nothing moves in the first step."""


def test_later_stage_starts_from_the_one_before(tiny_store: CropStore, tmp_path: Path) -> None:
    """The second stage takes over the averaged weights of the first; from --out, or from a file;
    to the bit."""
    assert 0 == _b0(tiny_store, tmp_path / "a", "--stage", "backbone-160")
    last = tmp_path / "a" / "backbone-160" / "last.pt"
    stage = ("--stage", "backbone-160-hard", f"--set=backbone-160-hard.{STILL}", "--stop-after=1")
    assert 1 == _b0(tiny_store, tmp_path / "a", *stage)
    start = f"--set=backbone-160-hard.initial={last}"
    assert 1 == _b0(tiny_store, tmp_path / "b", start, *stage)
    first = checkpoints.load(last)["ema"]
    for name in ("a", "b"):
        second = checkpoints.load(tmp_path / name / "backbone-160-hard" / "last.pt")["net"]
        for key in KEYS:
            assert torch.allclose(first[key], second[key], atol=1e-9), (name, key)


def test_a_stage_may_start_from_the_mean_of_earlier_ones(
    tiny_store: CropStore, tmp_path: Path
) -> None:
    """The detector takes over the mean of both backbone stages."""
    for name in ("backbone-160", "backbone-160-hard"):
        assert 0 == _b0(tiny_store, tmp_path, "--stage", name)
    still = f"--set=detector-160.{STILL}"
    assert 1 == _b0(tiny_store, tmp_path, "--stage", "detector-160", still, "--stop-after=1")
    first, second, detector = (
        checkpoints.load(tmp_path / name / "last.pt")
        for name in ("backbone-160", "backbone-160-hard", "detector-160")
    )
    for key in KEYS:
        mean = (first["ema"][key] + second["ema"][key]) / 2
        inside = key.replace("detector.backbone.", "detector.feat_extractor.backbone.")
        assert torch.allclose(mean, detector["net"][inside], atol=1e-7), key


def test_a_stage_of_no_steps_is_what_it_starts_from(tiny_store: CropStore, tmp_path: Path) -> None:
    """The last stage of efficientnet-b0 is the mean of the two before it, written as it is."""
    machine = ["--set=initial=random", "--threads", "1", "--workers", "0", "--quiet"]
    data = ["--data", str(tiny_store.folder), "--out", str(tmp_path)]
    steps = [f"--set={name}.loop.steps=2" for name in ("backbone-160", "backbone-160-hard")]
    sides = ["--set=side=64", "--set=loop.compile_model=false"]
    tiny = [setting for setting in TINY if "loop.steps" not in setting]
    assert 0 == main(["train", "efficientnet-b0", *tiny, *steps, *sides, *machine, *data])
    first, second = (
        checkpoints.load(tmp_path / name / "last.pt")["ema"]
        for name in ("backbone-160", "backbone-160-hard")
    )
    weights = torch.load(tmp_path / "efficientnet-b0.pt", weights_only=True)
    mean = (first["detector.classifier.weight"] + second["detector.classifier.weight"]) / 2
    assert torch.allclose(mean, weights["classifier.weight"], atol=1e-7)
    dfedge_models.create("dfedge_efficientnet_b0").load_state_dict(weights, strict=True)


def test_list_tells_command_cost_and_score(capsys: pytest.CaptureFixture[str]) -> None:
    """--list has every recipe with its command, its cost and the score to expect."""
    assert 0 == main(["train", "--list"])
    text = capsys.readouterr().out
    assert 0 == main(["train", "--list", "--json"])
    listed = json.loads(capsys.readouterr().out)
    assert list(RECIPES) == [entry["name"] for entry in listed]
    for entry in listed:
        for key in ("name", "summary", "command", "cost", "score"):
            assert entry[key]
            assert entry[key] in text


def test_show_prints_settings_as_set(capsys: pytest.CaptureFixture[str]) -> None:
    """--show prints all settings of a recipe, with those of --set in their place."""
    assert 0 == main(["train", "b0", "--show", "--set", "detector-160.side=224"])
    stages = json.loads(capsys.readouterr().out)["stages"]
    assert [160, 160, 224] == [stage["side"] for stage in stages]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["convnext-ato"], "RECIPE convnext-ato: there is none of that name; did you mean"),
        (["zzz"], "there are b0, "),
        ([], "RECIPE: is missing"),
        (["b0"], "--data: is missing"),
        (["b0", "--data", "{store}"], "--out: is missing"),
        (["b0", "--data", "{tmp}", "--out", "{tmp}/o"], "{tmp}/index.json: cannot be read"),
        (["b0", "--data", "{store}", "--out", "{file}"], "{file}: is a file"),
        (["b0", "--set", "loop.stepz=1"], "did you mean steps?"),
        (["b0", "--data", "{store}", "--out", "{tmp}/o", "--workers", "-1"], "--workers -1"),
        (
            ["b0", "--data", "{store}", "--out", "{tmp}/o", "--stage", "head"],
            "has the stages backbone-160, backbone-160-hard, detector-160",
        ),
        (
            ["b0", "--data", "{store}", "--out", "{tmp}/o", "--stage", "detector-160"],
            "carry out the stage before first",
        ),
        (
            ["b0", "--data", "{store}", "--out", "{tmp}/o", "--set", "initial={tmp}/no.pt"],
            "no.pt: there is no such file",
        ),
        (
            ["b0", "--data", "{store}", "--out", "{tmp}/o", "--device", "cuda"],
            "--device cuda: torch finds no GPU",
        ),
    ],
)
def test_wrong_usage_is_told(
    arguments: list[str],
    told: str,
    tiny_store: CropStore,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every mistake ends with 2 and one line that names the option and the way out."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    file = tmp_path / "file"
    file.touch()
    places = {"store": str(tiny_store.folder), "tmp": str(tmp_path), "file": str(file)}
    assert 2 == main(["train", *(argument.format(**places) for argument in arguments)])
    complaint = capsys.readouterr().err
    assert told.format(**places) in complaint
    assert 1 == complaint.count("\n")


def test_another_recipe_or_data_is_refused(
    tiny_command: list[str],
    tiny_store: CropStore,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A folder that was begun with other settings or data is not gone on with."""
    out = ["--out", str(tmp_path), "--workers", "0"]
    assert 1 == main([*tiny_command, *out, "--stop-after", "1"])
    assert "the same command goes on" in capsys.readouterr().out
    assert 2 == main([*tiny_command, *out, "--set", "seed=2"])
    assert "is of another recipe (or of other --set values)" in capsys.readouterr().err
    twice = [str(tiny_store.folder)] * 2
    assert 2 == main([*tiny_command, *out, "--data", *twice])
    assert "was trained on other --data" in capsys.readouterr().err


def test_diverging_run_stops(
    tiny_command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A loss that is no number ends the run with 1 and says what to lower; the last good checkpoint
    stays."""
    run = [*tiny_command, "--set", "loop.warmup_steps=0", "--out", str(tmp_path), "--workers", "0"]
    wild = [*run, "--set", "parts.all.learning_rate=1e30"]
    assert 1 == main([*wild, "--stop-after", "1"])
    assert 1 == main(wild)
    complaint = capsys.readouterr().err
    assert "no finite number" in complaint
    assert "Lower the rates (all 1e+30" in complaint
    assert 1 == checkpoints.load(tmp_path / "convnext-atto" / "last.pt")["progress"]["step"]

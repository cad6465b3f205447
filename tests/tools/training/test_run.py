"""The one command: from packed crops to weights, scores and a decision."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

import dfedge_models
from dfedge_tools.data.store import CropStore
from dfedge_tools.training import recipes, run
from dfedge_tools.training.config import Mix, Recipe

MIX = Mix(1, 1, 1, (("meb", 1.0),))
TINY = (
    Recipe("first", side=64, blend_side=64, steps=2, compile_model=False, mix=MIX),
    Recipe(
        "second",
        model="detector",
        side=64,
        blend_side=64,
        steps=2,
        start_difficulty=1.0,
        compile_model=False,
        mix=MIX,
    ),
)


def test_command_gives_weights_and_decision(
    tiny_store: CropStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Both stages run, the weights load strictly into the detector, the decision is complete.

    A second call has nothing left to train and gives the same scores.
    """
    monkeypatch.setitem(recipes.RECIPES, "tiny", TINY)
    shutil.copytree(tiny_store.folder, tmp_path / "store")
    arguments = ["--recipe", "tiny", "--out", str(tmp_path), "--workers", "0", "--quiet"]
    assert 0 == run.main(arguments)
    detector = dfedge_models.create("ms_eff_gcvit_b0", img_size=64)
    state = torch.load(tmp_path / "tiny.pt", weights_only=True)
    detector.load_state_dict(state, strict=True)
    decision = json.loads((tmp_path / "decision.json").read_text())
    assert decision["real"]["threshold"] < decision["fake"]["threshold"]
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert 2.0 == metrics["videos"]
    assert "Deepfakes" in capsys.readouterr().out
    before = (tmp_path / "scores.csv").read_text()
    assert 0 == run.main(arguments)
    assert before == (tmp_path / "scores.csv").read_text()


def test_nothing_to_pack_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a packed store and without folders the command says which options are missing."""
    assert 2 == run.main(["--recipe", "b0", "--out", str(tmp_path)])
    assert "--stills" in capsys.readouterr().err


def test_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    """--help ends with 0 and tells of each option."""
    with pytest.raises(SystemExit) as ended:
        run.main(["--help"])
    assert 0 == ended.value.code
    told = capsys.readouterr().out
    for option in ("--recipe", "--stills", "--clips", "--out", "--processes", "--workers"):
        assert option in told

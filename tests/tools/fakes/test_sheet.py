"""``dfedge data sheet``: the picture it draws, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from dfedge.cli import main
from dfedge_tools.data.store import CropStore
from dfedge_tools.fakes.sheet import SIDE


def draw(store: CropStore, out: Path, *options: str) -> int:
    """Run the command on a store."""
    return main(["data", "sheet", str(store.folder), "--out", str(out), *options])


def test_sheet_has_rows_for_every_kind(tiny_store: CropStore, tmp_path: Path) -> None:
    """Three kinds of two rows and four rows of degradations, each with a heading or under one."""
    assert 0 == draw(tiny_store, tmp_path / "sheet.png", "--rows", "2")
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet is not None
    assert 12 * SIDE == sheet.shape[1]
    assert 0 < sheet.shape[0] - (3 * 2 + 4) * SIDE < SIDE


def test_seed_decides(
    tiny_store: CropStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same seed draws the same sheet, another seed another one; --json tells its size."""
    pictures = []
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        out = tmp_path / f"{name}.png"
        assert 0 == draw(tiny_store, out, "--rows", "1", "--seed", seed, "--json")
        told = json.loads(capsys.readouterr().out)
        pictures.append(cv2.imread(str(out)))
        assert (told["height"], told["width"], 3) == pictures[-1].shape
    assert np.array_equal(pictures[0], pictures[1])
    assert not np.array_equal(pictures[0], pictures[2])


def test_no_store_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that is no store is named, and nothing is written."""
    out = tmp_path / "sheet.png"
    assert 2 == main(["data", "sheet", str(tmp_path), "--out", str(out)])
    assert str(tmp_path) in capsys.readouterr().err
    assert not out.exists()

"""Packing: the face of each picture is found, and a picture without one is told of."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from dfedge.types import Image
from dfedge_tools.data.pack import main
from dfedge_tools.data.store import CropStore


@pytest.fixture
def stills(portrait: Image, tmp_path: Path) -> Path:
    """The portrait, the portrait cut so close that the face fills it, and a grey picture."""
    folder = tmp_path / "stills"
    folder.mkdir()
    pictures = {
        "wide.png": portrait,
        "close.png": portrait[60:190, 165:285],
        "grey.png": np.full((64, 64, 3), 128, np.uint8),
    }
    for name, picture in pictures.items():
        cv2.imwrite(str(folder / name), np.ascontiguousarray(picture[:, :, ::-1]))
    lines = ["path,source", *(f"{name},nasa" for name in pictures)]
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_faces_are_found_and_misses_are_told(
    stills: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both portraits are packed with a box about the nose; the grey one is listed as left out."""
    assert 0 == main(["--stills", str(stills), "--store", str(tmp_path / "store")])
    told = capsys.readouterr()
    assert "2 pictures packed" in told.out
    assert "no face found: grey.png" in told.err
    store = CropStore(tmp_path / "store")
    assert ["grey.png"] == store.skipped
    for row in store.rows:
        left, top, right, bottom = row.face.box
        nose_x, nose_y = row.face.keypoints[4:6]
        assert left < nose_x < right
        assert top < nose_y < bottom


def test_pixels_come_back(stills: Path, tmp_path: Path, portrait: Image) -> None:
    """A packed picture is the picture, to the byte."""
    main(["--stills", str(stills), "--store", str(tmp_path / "store")])
    store = CropStore(tmp_path / "store")
    assert np.array_equal(portrait, store.image(0))


def test_broken_picture_is_named(
    stills: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that is no picture ends the command with its name."""
    (stills / "wide.png").write_bytes(b"not a picture")
    assert 2 == main(["--stills", str(stills), "--store", str(tmp_path / "store")])
    assert "wide.png: cannot be read as a picture" in capsys.readouterr().err

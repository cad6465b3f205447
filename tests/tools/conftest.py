"""A tiny training set made of one public-domain portrait, so that no research data is needed."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

from dfedge.types import Image
from dfedge_tools.data.faces import FaceRecord, write_faces
from dfedge_tools.data.pack import pack_manifests
from dfedge_tools.data.store import CropStore

SIDE = 128
KEYPOINTS = (50.0, 52.0, 76.0, 52.0, 63.0, 66.0, 63.0, 80.0, 38.0, 56.0, 90.0, 56.0)
"""Eyes, nose, mouth and ears of the portrait cut below, in pixels of `SIDE`."""

BOX = (38.0, 35.0, 90.0, 95.0)
CLIP_COLUMNS = "path,video_id,frame,label,method,compression,split,target_id,source_id"


@pytest.fixture(scope="session")
def face(portrait: Image) -> Image:
    """The astronaut's face, (128, 128, 3)."""
    cut = portrait[0:256, 96:352]
    return np.asarray(cv2.resize(cut, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)


@pytest.fixture(scope="session")
def tiny_store(face: Image, tmp_path_factory: pytest.TempPathFactory) -> CropStore:
    """Ten stills, two genuine and two manipulated clips, one of each in train and in val."""
    root = tmp_path_factory.mktemp("data")
    _write_stills(root / "stills", face)
    _write_clips(root / "clips", face)
    manifests = [root / name / "manifest.csv" for name in ("stills", "clips")]
    for manifest in manifests:  # the faces are given, so that they need not be found
        pictures = manifest.parent.glob("*.png")
        write_faces(manifest.parent, {p.name: FaceRecord(BOX, KEYPOINTS, 0.9) for p in pictures})
    pack_manifests(manifests, root / "store", held_fraction=0.2)
    return CropStore(root / "store")


def _write_stills(folder: Path, face: Image) -> None:
    folder.mkdir()
    lines = ["path,source"]
    for number in range(10):
        _write(folder / f"s{number}.png", np.roll(face, number, axis=2))
        lines.append(f"s{number}.png,{'meb' if number < 5 else 'aaf'}")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")


def _write_clips(folder: Path, face: Image) -> None:
    folder.mkdir()
    changed = face.copy()
    changed[50:85, 45:85] = changed[50:85, 45:85][:, :, ::-1]
    rows = []
    for split, target, source in (("train", "001", "002"), ("val", "003", "004")):
        for frame in range(3):
            for label, method in ((0, "original"), (1, "Deepfakes")):
                video = f"{method}_{target}"
                path = f"{video}_{frame}.png"
                _write(folder / path, changed if label else face)
                of = source if label else ""
                rows.append([path, video, frame, label, method, "c23", split, target, of])
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(CLIP_COLUMNS.split(","))
        writer.writerows(rows)


def _write(path: Path, image: Image) -> None:
    cv2.imwrite(str(path), np.ascontiguousarray(image[:, :, ::-1]))

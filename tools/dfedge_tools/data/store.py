"""Packed crops: every picture decoded once, with its face, in one memory-mapped file.

Decoding a JPEG and finding its face costs more than a training step spends on a picture, and both
give the same answer each time. A store is a folder with ``pixels.npy`` (all pictures end to end,
uint8) and ``index.json`` (a row a picture: the sample, its place, its face and, for a fake, how
the genuine frame it was made from lies over it).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import msgspec
import numpy as np
import numpy.typing as npt

from dfedge.types import Image
from dfedge_tools.data.manifest import Sample

INDEX = "index.json"
PIXELS = "pixels.npy"


@dataclass(frozen=True, slots=True)
class FaceRecord:
    """Where the face is, in pixels of the stored picture.

    Attributes:
        box: left, top, right, bottom.
        keypoints: BlazeFace's six points, x0, y0, x1, y1, ...
        score: Confidence of the face detector, 0 to 1.
    """

    box: tuple[float, float, float, float]
    keypoints: tuple[float, ...]
    score: float


@dataclass(frozen=True, slots=True)
class Alignment:
    """The genuine frame behind a fake one.

    Attributes:
        row: Row of the genuine frame in the store.
        warp: 2 x 3 affine, row by row, from pixels of the fake to pixels of the genuine frame.
        residual: Mean absolute difference outside the face after the warp, 0 to 255.
    """

    row: int
    warp: tuple[float, float, float, float, float, float]
    residual: float


@dataclass(frozen=True, slots=True)
class Row:
    """One picture of a store."""

    sample: Sample
    offset: int
    height: int
    width: int
    face: FaceRecord
    original: Alignment | None = None


@dataclass(frozen=True, slots=True)
class _Index:
    version: int
    skipped: list[str]
    rows: list[Row]


FindFace = Callable[[Image], FaceRecord | None]
"""The face nearest the centre of a stored crop, or None."""


class CropStore:
    """Read-only view of a packed folder; safe to open in many processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        index = msgspec.json.decode((folder / INDEX).read_bytes(), type=_Index)
        self.rows: list[Row] = index.rows
        self.skipped: list[str] = index.skipped
        """Pictures left out because no face was found in them."""
        self._pixels: npt.NDArray[np.uint8] = np.load(folder / PIXELS, mmap_mode="r")

    def image(self, row: int) -> Image:
        """RGB picture of a row, (height, width, 3); a read-only view of the file."""
        entry = self.rows[row]
        size = entry.height * entry.width * 3
        flat = self._pixels[entry.offset : entry.offset + size]
        return flat.reshape(entry.height, entry.width, 3)


def build_store(
    folder: Path,
    sources: Sequence[tuple[Path, Sequence[Sample]]],
    find_face: FindFace,
    *,
    align: Callable[[list[Row], Callable[[int], Image]], list[Row]] | None = None,
    progress: Callable[[Iterable[tuple[Path, Sample]]], Iterable[tuple[Path, Sample]]] = iter,
) -> CropStore:
    """Pack pictures into `folder`. Each source is (folder the paths are relative to, samples).

    Raises:
        ValueError: A picture cannot be decoded.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    chunks: list[npt.NDArray[np.uint8]] = []
    skipped: list[str] = []
    offset = 0
    todo = [(root, sample) for root, samples in sources for sample in samples]
    for root, sample in progress(todo):
        image = read_image(root / sample.path)
        face = find_face(image)
        if face is None:
            skipped.append(sample.path)
            continue
        height, width = image.shape[:2]
        rows.append(Row(sample=sample, offset=offset, height=height, width=width, face=face))
        chunks.append(image.reshape(-1))
        offset += image.size
    temporary = folder / "pixels.part.npy"
    np.save(temporary, np.concatenate(chunks) if chunks else np.zeros(0, np.uint8))
    temporary.replace(folder / PIXELS)
    if align is not None:
        rows = align(rows, lambda row: chunks[row].reshape(rows[row].height, rows[row].width, 3))
    index = _Index(version=1, skipped=skipped, rows=rows)
    (folder / INDEX).write_bytes(msgspec.json.encode(index))
    return CropStore(folder)


def read_image(path: Path) -> Image:
    """RGB picture of a file.

    Raises:
        ValueError: The file is missing or no picture.
    """
    data = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if data is None:
        raise ValueError(f"{path}: cannot be read as a picture; remove it from the manifest")
    return np.ascontiguousarray(data[:, :, ::-1]).astype(np.uint8, copy=False)

"""Packed crops: every picture decoded once, with its face, in one array.

Decoding a JPEG and finding its face costs more than a training step spends on a picture, and both
give the same answer each time. A store is a folder with ``pixels`` (a Zarr array in shards, see
:mod:`dfedge_tools.data.pixels`) and ``index.json`` (a row a picture: the sample, its place, its
face and, for a fake, how the genuine frame it was made from lies over it), which is written last.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from dfedge.errors import UsageError
from dfedge.types import Image
from dfedge_tools.data.faces import FaceRecord
from dfedge_tools.data.journal import JOURNAL
from dfedge_tools.data.manifest import Sample
from dfedge_tools.data.pixels import PixelReader

INDEX = "index.json"
PIXELS = "pixels"
VERSION = 2
"""Of the index; 1 had all pixels in ``pixels.npy``."""


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
    """One picture of a store; `offset` is where its bytes begin in the array."""

    sample: Sample
    offset: int
    height: int
    width: int
    face: FaceRecord
    original: Alignment | None = None


@dataclass(frozen=True, slots=True)
class Index:
    """What ``index.json`` holds."""

    version: int
    skipped: list[str]
    rows: list[Row]


class CropStore:
    """Read-only view of a packed folder; safe to open, and to send, to many processes.

    Attributes:
        rows: a row a picture.
        skipped: pictures left out; ``failures.csv`` tells why.

    Raises:
        UsageError: There is no store, it is not finished, or of a former format.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        index = _read_index(folder)
        self.rows: list[Row] = index.rows
        self.skipped: list[str] = index.skipped
        self._pixels = PixelReader(folder / PIXELS) if index.rows else None

    def image(self, row: int) -> Image:
        """RGB picture of a row, (height, width, 3), the caller's own."""
        entry = self.rows[row]
        assert self._pixels is not None
        return self._pixels.read(entry.offset, entry.height, entry.width)


def _read_index(folder: Path) -> Index:
    path = folder / INDEX
    try:
        data = path.read_bytes()
    except OSError as error:
        if (folder / JOURNAL).is_file():
            raise UsageError(
                f"{folder}: packing was stopped before its end; run the same dfedge data pack "
                "again: it goes on"
            ) from error
        raise UsageError(
            f"{path}: cannot be read ({error.strerror}); give a folder that dfedge data pack made"
        ) from error
    try:
        version = msgspec.json.decode(data, type=_Version).version
        if version == VERSION:
            return msgspec.json.decode(data, type=Index)
    except msgspec.MsgspecError as error:
        raise UsageError(
            f"{path}: is no index of packed pictures ({error}); give a folder that dfedge data "
            "pack made"
        ) from error
    raise UsageError(
        f"{folder}: was packed in format {version}, this version reads format {VERSION}; pack the "
        "data again into another folder (dfedge data pack)"
    )


class _Version(msgspec.Struct):
    version: int

"""Face crops of pictures: tight, expanded and with the scene around."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

CropKind: TypeAlias = Literal["tight", "expanded", "scene"]

CROP_SCALES: dict[CropKind, float] = {"tight": 1.1, "expanded": 1.5, "scene": 2.0}
"""Side of the square crop in longer sides of the face box."""

ALL_KINDS: tuple[CropKind, ...] = ("tight", "expanded", "scene")


@dataclass(frozen=True, slots=True)
class CropReport:
    """What came of cropping.

    Attributes:
        done: pictures cropped by this run.
        reused: pictures found cropped already.
        failed: pictures without a crop.
        failures: CSV file with the path and the reason of each failure.
        manifests: a manifest a kind of crop, in the order of `kinds`.
    """

    done: int
    reused: int
    failed: int
    failures: Path
    manifests: tuple[Path, ...]


def crop_faces(
    manifest: Path,
    out: Path,
    *,
    kinds: Sequence[CropKind] = ALL_KINDS,
    workers: int = 1,
    progress: bool = False,
) -> CropReport:
    """Cut the faces of all pictures of a manifest into `out`, a folder a kind of crop."""
    raise NotImplementedError

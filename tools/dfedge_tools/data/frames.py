"""Frames of videos: up to six of each scene, named by video and frame number."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

ImageFormat: TypeAlias = Literal["png", "jpg"]
"""``png`` is lossless; ``jpg`` is quality 95 with full colour resolution (4:4:4)."""


@dataclass(frozen=True, slots=True)
class ExtractReport:
    """What came of an extraction.

    Attributes:
        done: videos extracted by this run.
        reused: videos found extracted already.
        failed: videos that gave no frame.
        failures: CSV file with the path and the reason of each failure.
        frames: pictures in the manifest.
        manifest: the manifest of the frames.
    """

    done: int
    reused: int
    failed: int
    failures: Path
    frames: int
    manifest: Path


def extract_frames(
    manifest: Path,
    out: Path,
    *,
    per_scene: int = 6,
    image_format: ImageFormat = "png",
    workers: int = 1,
    progress: bool = False,
) -> ExtractReport:
    """Extract frames of all videos of a manifest into `out`, going on where a run has stopped."""
    raise NotImplementedError

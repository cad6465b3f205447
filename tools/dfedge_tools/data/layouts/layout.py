"""What a layout is: how the files of a known data set are named, and what that tells of each."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from dfedge.media.files import IMAGE_SUFFIXES, VIDEO_SUFFIXES
from dfedge_tools.data.manifest import Sample, Split

_LAST_NUMBER = re.compile(r"(\d+)\D*$")


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file that has no row, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Layout:
    """How a data set lies on the disk.

    Attributes:
        name: For ``--layout``.
        title: What the data set calls itself.
        expects: Files and folders it reads, a line each.
        looks_for: Glob patterns under the root; a folder that has a match of one is recognized.
        read: Rows and files left out, given the root and the label of rows that tell none.
        takes_label: Whether `read` heeds the label.
        general: Whether other layouts go before it where several are recognized.
    """

    name: str
    title: str
    expects: tuple[str, ...]
    looks_for: tuple[str, ...]
    read: Callable[[Path, int | None], Iterator[Sample | LeftOut]]
    takes_label: bool = False
    general: bool = False

    def recognizes(self, root: Path) -> bool:
        """Whether `root` holds anything it looks for."""
        return any(next(root.glob(pattern), None) is not None for pattern in self.looks_for)


@dataclass(frozen=True, slots=True)
class MediaFile:
    """A picture or video below a root.

    Attributes:
        path: Relative to the root, with forward slashes.
        is_video: By its suffix.
    """

    path: str
    is_video: bool

    @property
    def clip(self) -> str:
        """Name of its clip: the video's, or that of the folder a frame lies in."""
        path = PurePosixPath(self.path)
        return path.stem if self.is_video else path.parent.name

    @property
    def frame(self) -> int:
        """Last number in a frame's name; 0 for a video and where there is none."""
        found = None if self.is_video else _LAST_NUMBER.search(PurePosixPath(self.path).stem)
        return int(found[1]) if found else 0


def media_files(root: Path, folder: Path) -> Iterator[MediaFile]:
    """Pictures and videos anywhere below `folder`, sorted; hidden files and folders are not."""
    for path in sorted(folder.rglob("*")):
        suffix = path.suffix.lower()
        relative = path.relative_to(root)
        hidden = any(part.startswith(".") for part in relative.parts)
        if suffix in IMAGE_SUFFIXES | VIDEO_SUFFIXES and not hidden and path.is_file():
            yield MediaFile(relative.as_posix(), suffix in VIDEO_SUFFIXES)


def clip_sample(
    file: MediaFile,
    *,
    source: str,
    label: int,
    method: str,
    video_id: str,
    original: str = "",
    split: Split = "",
    compression: str = "",
    target_id: str = "",
    source_id: str = "",
) -> Sample:
    """A video, or a frame of one; a genuine clip is its own original."""
    return Sample(
        path=file.path,
        kind="clip",
        source=source,
        split=split,
        label=label,
        method=method if label else "original",
        compression=compression,
        video_id=video_id,
        frame=file.frame,
        target_id=target_id,
        source_id=source_id,
        media="video" if file.is_video else "picture",
        original=original if label else video_id,
    )


def still_sample(
    file: MediaFile, *, source: str, label: int, method: str, split: Split = "", original: str = ""
) -> Sample:
    """A photograph."""
    return Sample(
        path=file.path,
        kind="still",
        source=source,
        split=split,
        label=label,
        method=method if label else "original",
        compression="",
        video_id=file.path,
        frame=0,
        target_id="",
        source_id="",
        original=original if label else file.path,
    )

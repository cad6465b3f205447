"""Folders named real and fake, as many detectors take them, GenConViT among them.

Documented in the README of GenConViT: ``train``, ``valid`` and ``test`` with ``real`` and ``fake``
in each. Here the first level may be missing, and below there may be videos, photographs, or a
folder of frames a clip. Pictures directly in ``real`` or ``fake`` are taken for photographs that
have nothing in common; put frames of one clip in a folder of their own, or the split cannot keep
them together.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from dfedge_tools.data.layouts.layout import (
    Layout,
    LeftOut,
    MediaFile,
    clip_sample,
    media_files,
    still_sample,
)
from dfedge_tools.data.manifest import Sample, Split

_SPLITS: dict[str, Split] = {
    "": "",
    "train": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
}
_LABELS = {"real": 0, "fake": 1}


def _read(root: Path, _label: int | None) -> Iterator[Sample | LeftOut]:
    for level, split in _SPLITS.items():
        for name, label in _LABELS.items():
            folder = root / level / name
            for file in media_files(root, folder):
                yield _sample(file, folder.relative_to(root).as_posix(), split, label, root.name)


def _sample(file: MediaFile, folder: str, split: Split, label: int, source: str) -> Sample:
    path = PurePosixPath(file.path)
    if not file.is_video and path.parent.as_posix() == folder:
        return still_sample(file, source=source, label=label, method="unknown", split=split)
    return clip_sample(
        file,
        source=source,
        label=label,
        method="unknown",
        split=split,
        video_id=str(path.with_suffix("") if file.is_video else path.parent),
    )


LAYOUT = Layout(
    name="folders",
    title="Folders real and fake",
    expects=(
        "[train|val|valid|validation|test/]{real,fake}/*: videos or photographs",
        "[...]{real,fake}/CLIP/*: frames of a clip",
    ),
    looks_for=tuple(str(PurePosixPath(level, name)) for level in _SPLITS for name in _LABELS),
    read=_read,
    general=True,
)

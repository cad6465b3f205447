"""Sets of INSwapper and UniFace swaps beside the videos or pictures they were made from.

The folders are those that InSwapper detection pipelines read: ``original_videos`` for real,
``inswapper`` and ``uniface`` for fake, perhaps all in a folder ``inswapper``. A fake is tied to the
original whose name it has or begins with (``clip7_swapped`` to ``clip7``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from dfedge_tools.data.layouts.layout import (
    Layout,
    LeftOut,
    MediaFile,
    clip_sample,
    media_files,
    still_sample,
)
from dfedge_tools.data.manifest import Sample

ORIGINALS = "original_videos"
METHODS = ("inswapper", "uniface")


def _read(root: Path, _label: int | None) -> Iterator[Sample | LeftOut]:
    deeper = root / "inswapper"
    base = deeper if (deeper / ORIGINALS).is_dir() else root
    originals = list(media_files(root, base / ORIGINALS))
    ids = {_name(file): _id(file) for file in originals}
    for file in originals:
        yield _sample(file, 0, "original", _id(file))
    for method in METHODS:
        for file in media_files(root, base / method):
            original = _original(_name(file), ids)
            if original is None:
                yield LeftOut(
                    file.path, f"no file of {ORIGINALS} has a name that its own begins with"
                )
                continue
            yield _sample(file, 1, method, original)


def _sample(file: MediaFile, label: int, method: str, original: str) -> Sample:
    if file.is_video:
        return clip_sample(
            file,
            source="inswapper",
            label=label,
            method=method,
            video_id=_id(file),
            original=original,
        )
    return still_sample(file, source="inswapper", label=label, method=method, original=original)


def _id(file: MediaFile) -> str:
    """As in the manifest: the path, of a video without its suffix."""
    return str(PurePosixPath(file.path).with_suffix("")) if file.is_video else file.path


def _name(file: MediaFile) -> str:
    return PurePosixPath(file.path).stem


def _original(name: str, ids: Mapping[str, str]) -> str | None:
    """Of the longest name that `name` is, or that a separator follows in it."""
    for end in range(len(name), 0, -1):
        if name[:end] in ids and (end == len(name) or not name[end].isalnum()):
            return ids[name[:end]]
    return None


LAYOUT = Layout(
    name="inswapper",
    title="InSwapper and UniFace sets",
    expects=(
        "original_videos/NAME.mp4 (or pictures)",
        "{inswapper,uniface}/NAME*.mp4: fakes of the original NAME",
        "(or all of them in a folder inswapper/)",
    ),
    looks_for=METHODS,
    read=_read,
)

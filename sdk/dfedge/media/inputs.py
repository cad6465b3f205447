"""From what a user types to a list of sources: folders, globs, files and addresses."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from dfedge.errors import UsageError
from dfedge.media.files import MEDIA_SUFFIXES, display_name
from dfedge.media.frames import natural_key

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def is_address(text: str) -> bool:
    """Whether it is a URL of any scheme, not a path."""
    return _ADDRESS.match(text) is not None


def expand_inputs(paths: Sequence[str], *, as_frames: bool = False) -> list[str]:
    """Sources in the order given, each once.

    A folder becomes the media files in it and below, in natural order (links to folders are not
    followed), or stays one source with ``as_frames``. A glob (``*``, ``?``, ``[``, ``**``) that is
    not the name of an existing file becomes the files it matches. Anything else stays as it is,
    so that a missing file is reported where it is opened.

    Raises UsageError when there is no input, or when a glob or folder has nothing.
    """
    if not paths:
        raise UsageError("no input: give a file, a folder, a pattern or an address")
    found: dict[str, None] = {}
    for text in paths:
        found.update(dict.fromkeys(_expand(text, as_frames=as_frames)))
    return list(found)


def _expand(text: str, *, as_frames: bool) -> list[str]:
    if is_address(text):
        return [text]
    path = Path(text)
    try:
        if path.is_dir():
            return [text] if as_frames else _media_below(path)
        exists = path.exists() or path.is_symlink()
    except (OSError, ValueError):
        return [text]
    if exists or "\0" in text or not glob.has_magic(text):
        return [text]
    return _matches(text, as_frames=as_frames)


def _matches(pattern: str, *, as_frames: bool) -> list[str]:
    sources: list[str] = []
    # Path.glob takes no absolute pattern.
    found = glob.iglob(pattern, recursive=True)  # noqa: PTH207
    for match in sorted(found, key=lambda match: natural_key(Path(match))):
        path = Path(match)
        if as_frames or not path.is_dir():
            sources.append(match)
        else:
            sources.extend(str(file) for file in _walk(path))
    if not sources:
        raise UsageError(f"nothing matches {display_name(pattern)}; check the pattern")
    return sources


def _media_below(folder: Path) -> list[str]:
    files = [str(file) for file in _walk(folder)]
    if not files:
        raise UsageError(
            f"{display_name(folder)}: no picture or video in this folder or below it "
            f"(suffixes: {' '.join(sorted(MEDIA_SUFFIXES))})"
        )
    return files


def _walk(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(
            (name for name in folders if not name.startswith(".")),
            key=lambda name: natural_key(Path(name)),
        )
        for name in sorted(names, key=lambda name: natural_key(Path(name))):
            if not name.startswith(".") and Path(name).suffix.lower() in MEDIA_SUFFIXES:
                yield Path(parent) / name

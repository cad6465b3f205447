"""Celeb-DF v2.

Documented in the README of yuezunli/celeb-deepfakeforensics (Li et al., CVPR 2020): three folders
and the list of test videos, whose first column is 1 for real. A fake ``id0_id1_0007`` is clip
``id0_0007`` with the face of ``id1``. What is not on the list is for training, and the published
split divides identities: train and test share most celebrities.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from dfedge.errors import UsageError
from dfedge_tools.data.layouts.layout import Layout, LeftOut, MediaFile, clip_sample, media_files
from dfedge_tools.data.manifest import Sample, Split

TEST_LIST = "List_of_testing_videos.txt"
_REAL = re.compile(r"(id\d+)_(\d+)")
_FAKE = re.compile(r"(id\d+)_(id\d+)_(\d+)")


def _read(root: Path, _label: int | None) -> Iterator[Sample | LeftOut]:
    test = _test_clips(root / TEST_LIST)
    for folder in ("Celeb-real", "Celeb-synthesis", "YouTube-real"):
        for file in media_files(root, root / folder):
            fake = folder == "Celeb-synthesis"
            listed = test.get((folder, file.clip)) if test else None
            if listed is not None and listed != int(fake):
                yield LeftOut(file.path, f"{TEST_LIST} calls it {'fake' if listed else 'real'}")
                continue
            split: Split = "" if not test else "train" if listed is None else "test"
            yield _sample(file, folder, split)


def _sample(file: MediaFile, folder: str, split: Split) -> Sample | LeftOut:
    target = source = original = ""
    if folder == "Celeb-real":
        match = _REAL.fullmatch(file.clip)
        if match is None:
            return LeftOut(file.path, "its clip is not named as id0_0007")
        target = match[1]
    elif folder == "Celeb-synthesis":
        match = _FAKE.fullmatch(file.clip)
        if match is None:
            return LeftOut(file.path, "its clip is not named as id0_id1_0007")
        target, source, original = match[1], match[2], f"Celeb-real_{match[1]}_{match[3]}"
    return clip_sample(
        file,
        source="celebdf",
        label=int(folder == "Celeb-synthesis"),
        method="Celeb-synthesis",
        split=split,
        video_id=f"{folder}_{file.clip}",
        original=original,
        target_id=target,
        source_id=source,
    )


def _test_clips(file: Path) -> dict[tuple[str, str], int]:
    """Label (1 fake) by folder and clip; empty without the list."""
    found: dict[tuple[str, str], int] = {}
    if not file.is_file():
        return found
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        words = line.split()
        if not words:
            continue
        if len(words) != 2 or words[0] not in {"0", "1"}:
            raise UsageError(f"{file}:{number}: {line!r} is not '1 FOLDER/NAME.mp4', 1 for real")
        path = PurePosixPath(words[1])
        found[path.parent.name, path.stem] = 1 - int(words[0])
    return found


LAYOUT = Layout(
    name="celebdf",
    title="Celeb-DF v2",
    expects=(
        "Celeb-real/id0_0007.mp4",
        "Celeb-synthesis/id0_id1_0007.mp4: target, source, clip of the target",
        "YouTube-real/00170.mp4",
        "List_of_testing_videos.txt: the official test set, if there; the rest is train",
    ),
    looks_for=("Celeb-real", "Celeb-synthesis"),
    read=_read,
)

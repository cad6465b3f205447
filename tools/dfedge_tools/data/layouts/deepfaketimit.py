"""DeepfakeTIMIT, and the VidTIMIT recordings it was made from.

Documented at idiap.ch/dataset/deepfaketimit (Korshunov and Marcel, 2018): ``fadg0/sa1-video-fram1``
is utterance sa1 of fadg0 with the face of fram1, in two qualities of the swapping network. VidTIMIT
(conradsanderson.id.au/vidtimit) is a folder of numbered JPEG files without suffix an utterance.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from dfedge_tools.data.layouts.layout import Layout, LeftOut, MediaFile, clip_sample, media_files
from dfedge_tools.data.manifest import Sample

_METHODS = {"higher_quality": "DF-TIMIT-HQ", "lower_quality": "DF-TIMIT-LQ"}
_FAKE = re.compile(r"(?P<utterance>\w+)-video-(?P<source>\w+)")
_PERSON = re.compile(r"[fm][a-z]{3}\d")


def _read(root: Path, _label: int | None) -> Iterator[Sample | LeftOut]:
    for quality, method in _METHODS.items():
        for file in media_files(root, root / quality):
            person = file.path.split("/")[1]
            match = _FAKE.fullmatch(file.clip)
            if match is None or not _PERSON.fullmatch(person):
                yield LeftOut(file.path, "is not named as fadg0/sa1-video-fram1.avi")
                continue
            yield clip_sample(
                file,
                source="deepfaketimit",
                label=1,
                method=method,
                video_id=f"{quality}_{person}_{file.clip}",
                original=f"original_{person}_{match['utterance']}",
                target_id=person,
                source_id=match["source"],
            )
    yield from _originals(root)


def _originals(root: Path) -> Iterator[Sample]:
    """Frames ``PERSON/video/UTTERANCE/001`` or videos ``PERSON/video/UTTERANCE.avi``, anywhere."""
    for folder in sorted(root.rglob("video")):
        person = folder.parent.name
        if not folder.is_dir() or not _PERSON.fullmatch(person):
            continue
        for path in sorted(folder.glob("*/*")):
            if path.stem.isdigit() and path.suffix.lower() in {"", ".jpg", ".jpeg", ".png"}:
                frame = MediaFile(path.relative_to(root).as_posix(), is_video=False)
                yield _original(frame, person)
        for file in media_files(root, folder):
            if file.is_video:
                yield _original(file, person)


def _original(file: MediaFile, person: str) -> Sample:
    return clip_sample(
        file,
        source="deepfaketimit",
        label=0,
        method="original",
        video_id=f"original_{person}_{file.clip}",
        target_id=person,
    )


LAYOUT = Layout(
    name="deepfaketimit",
    title="DeepfakeTIMIT and VidTIMIT",
    expects=(
        "{higher_quality,lower_quality}/fadg0/sa1-video-fram1.avi: target, utterance, source",
        "**/fadg0/video/sa1/001: the originals of VidTIMIT, if there (or video/sa1.avi)",
    ),
    looks_for=("higher_quality", "lower_quality"),
    read=_read,
)

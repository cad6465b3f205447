"""Korean DeepFake Detection Dataset (KoDF).

Described in Kwon et al., ICCV 2021 (arXiv 2103.10094); the folders are those of the release
(``original_videos``, ``synthesized_videos`` with a folder a method). How single files are named is
not documented in public, so identities are read thus: the folder of an original is its subject, and
a subject's name found again in the path of a fake is its target, a second one its source.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from pathlib import Path

from dfedge_tools.data.layouts.layout import Layout, LeftOut, MediaFile, clip_sample, media_files
from dfedge_tools.data.manifest import Sample

METHODS = {
    "audio-driven": "audio-driven",
    "dffs": "FaceSwap",
    "dfl": "DeepFaceLab",
    "fo": "FOMM",
    "fsgan": "FSGAN",
}
"""Folder and the method in the paper's words; ATFHP and Wav2Lip share ``audio-driven``."""

_SEPARATORS = re.compile(r"[/_.\-]+")


def _read(root: Path, _label: int | None) -> Iterator[Sample | LeftOut]:
    originals = list(media_files(root, root / "original_videos"))
    subjects = {_subject(file) for file in originals}
    clips = {file.clip for file in originals}
    for file in originals:
        yield clip_sample(
            file,
            source="kodf",
            label=0,
            method="original",
            video_id=f"original_{_subject(file)}_{file.clip}",
            target_id=_subject(file),
        )
    for file in media_files(root, root / "synthesized_videos"):
        folder = file.path.split("/")[1]
        names = _known(file, subjects)
        if not names:
            yield LeftOut(file.path, "its path names no subject of original_videos")
            continue
        yield clip_sample(
            file,
            source="kodf",
            label=1,
            method=METHODS.get(folder, folder),
            video_id=f"{folder}_{file.path.split('/', 2)[2]}",
            original=f"original_{names[0]}_{file.clip}" if file.clip in clips else "",
            target_id=names[0],
            source_id=names[1] if len(names) > 1 else "",
        )


def _subject(file: MediaFile) -> str:
    """The folder below ``original_videos``, or the start of the name where there is none."""
    first = file.path.split("/")[1]
    return first if file.path.count("/") > 1 else _SEPARATORS.split(first)[0]


def _known(file: MediaFile, subjects: Set[str]) -> list[str]:
    """Subjects in the path below the method's folder, in order, each once."""
    words = _SEPARATORS.split(file.path.split("/", 2)[-1])
    return list(dict.fromkeys(word for word in words if word in subjects))


LAYOUT = Layout(
    name="kodf",
    title="Korean DeepFake Detection Dataset (KoDF)",
    expects=(
        "original_videos/SUBJECT/*.mp4",
        "synthesized_videos/{audio-driven,dffs,dfl,fo,fsgan}/**/*.mp4: with the subject's name",
    ),
    looks_for=("synthesized_videos",),
    read=_read,
)

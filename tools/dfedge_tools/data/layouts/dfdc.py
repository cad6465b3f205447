"""Deepfake Detection Challenge (DFDC).

Documented on the challenge's data page and in Dolhansky et al., arXiv 2006.07397: every part has a
``metadata.json`` with ``label`` (REAL or FAKE), ``split`` and, for fakes, ``original``; that of the
test set has ``is_fake``. No identities are given, so fakes are tied to their original only.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from dfedge.errors import UsageError
from dfedge_tools.data.layouts.layout import Layout, LeftOut, clip_sample, media_files
from dfedge_tools.data.manifest import Sample, Split

METADATA = "metadata.json"
_SPLITS: dict[str, Split] = {"train": "train", "validation": "val", "val": "val", "test": "test"}
_LABELS = {"REAL": 0, "FAKE": 1}


def _read(root: Path, _label: int | None) -> Iterator[Sample | LeftOut]:
    levels = (sorted(root.glob(pattern)) for pattern in _PATTERNS)
    for metadata in next((found for found in levels if found), []):
        part = metadata.parent
        told = _told(metadata)
        seen = set()
        for file in media_files(root, part):
            entry = told.get(PurePosixPath(file.path).name) or told.get(f"{file.clip}.mp4")
            seen.add(f"{file.clip}.mp4")
            if entry is None:
                yield LeftOut(file.path, f"{metadata.relative_to(root)} does not name it")
                continue
            label = entry.get("is_fake", _LABELS.get(str(entry.get("label"))))
            if label not in {0, 1}:
                yield LeftOut(file.path, f"label {entry.get('label')!r} is neither REAL nor FAKE")
                continue
            yield clip_sample(
                file,
                source="dfdc",
                label=int(label),
                method="dfdc",
                split=_SPLITS.get(str(entry.get("split")), ""),
                video_id=file.clip,
                original=PurePosixPath(str(entry.get("original") or "")).stem,
            )
        for name in sorted(told.keys() - seen):
            path = (part / name).relative_to(root).as_posix()
            yield LeftOut(path, f"{METADATA} names it, but it is not there")


def _told(metadata: Path) -> Mapping[str, Mapping[str, object]]:
    try:
        told = json.loads(metadata.read_bytes())
    except ValueError as error:
        raise UsageError(f"{metadata}: is no JSON ({error})") from error
    if not isinstance(told, dict) or not all(isinstance(entry, dict) for entry in told.values()):
        raise UsageError(f"{metadata}: is not the metadata of DFDC, an object a video")
    return told


_PATTERNS = (METADATA, f"*/{METADATA}", f"*/*/{METADATA}")

LAYOUT = Layout(
    name="dfdc",
    title="Deepfake Detection Challenge (DFDC)",
    expects=(
        "dfdc_train_part_*/metadata.json: label, original and split of each video",
        "dfdc_train_part_*/*.mp4",
        "(or one part, or the parts one folder deeper)",
    ),
    looks_for=_PATTERNS,
    read=_read,
)

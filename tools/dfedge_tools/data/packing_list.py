"""What is packed: the pictures of all manifests, with their faces where those are known."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import msgspec

from dfedge.errors import UsageError
from dfedge_tools.data.faces import FaceRecord, read_faces
from dfedge_tools.data.manifest import (
    MANIFEST,
    ROOT_MARK,
    Sample,
    crossing_identities,
    held_back,
    read_manifest,
)

HELD_FRACTION = 0.1
"""Of the genuine stills of each source, kept back to measure false alarms on."""

SPLIT_SEED = 20261121


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture to pack.

    Attributes:
        root: folder that the path of the sample is relative to.
        key: names it in the journal: number of the manifest, and path.
        face: where the face is, if that is known.
    """

    root: Path
    key: str
    sample: Sample
    face: FaceRecord | None


def list_pictures(manifests: Sequence[Path], held_fraction: float) -> list[Picture]:
    """The pictures of all manifests in their order.

    Raises:
        UsageError: A manifest cannot be used, lists videos, has clips without a split, or an
            identity is in two splits.
    """
    if not manifests:
        raise UsageError("nothing to pack: give a manifest")
    pictures: list[Picture] = []
    for number, manifest in enumerate(manifests):
        root, samples = _samples(manifest, held_fraction)
        faces = read_faces(root)
        for sample in samples:
            key = f"{number}/{sample.path}"
            pictures.append(Picture(root, key, sample, faces.get(sample.path)))
    crossing = crossing_identities(picture.sample for picture in pictures)
    if crossing:
        some = ", ".join(sorted(crossing)[:5])
        raise UsageError(
            f"{manifests[0]}: {len(crossing)} identities are in two splits, as {some}; move every "
            "clip of an identity to one side (dfedge data split does)"
        )
    return pictures


def digest_of(pictures: Sequence[Picture]) -> str:
    """SHA-256 of all that is known of the pictures but their content."""
    digest = sha256()
    for picture in pictures:
        digest.update(msgspec.json.encode((picture.key, picture.sample, picture.face)))
    return digest.hexdigest()


def _samples(manifest: Path, held_fraction: float) -> tuple[Path, list[Sample]]:
    """The root of a manifest and its samples, each with a split."""
    columns = _columns(manifest)
    listed = read_manifest(
        manifest,
        label=None if "label" in columns else 0,
        # Its rates are named only in FaceForensics++, whose frames often come without a source.
        source="ffpp" if "compression" in columns and "source" not in columns else None,
    )
    for sample in listed.samples:
        problem = None
        if sample.media == "video":
            problem = "is a video; take its frames and faces first (dfedge data extract, crops)"
        elif sample.kind == "clip" and not sample.split:
            problem = "has no split; divide the manifest first (dfedge data split)"
        if problem:
            raise UsageError(f"{manifest}: {sample.path} {problem}")
    loose = [s for s in listed.samples if not s.split]
    genuine = [(s.path, s.source) for s in loose if s.label == 0]
    held = held_back(genuine, held_fraction, SPLIT_SEED)
    return listed.root, [
        s if s.split else replace(s, split="held" if s.path in held else "train")
        for s in listed.samples
    ]


def _columns(manifest: Path) -> frozenset[str]:
    path = manifest / MANIFEST if manifest.is_dir() else manifest
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            head = file.readline()
            if head.startswith(ROOT_MARK):
                head = file.readline()
    except (OSError, UnicodeDecodeError):
        return frozenset({"label"})  # reading the manifest tells what is wrong
    return frozenset(next(csv.reader([head]), []))

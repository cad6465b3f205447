"""Manifests of the training data, and the split that keeps identities apart.

Two folders are read, each with a ``manifest.csv``: stills of real people (columns ``path``,
``source``) and frames of FaceForensics++ clips (``path``, ``video_id``, ``frame``, ``label``,
``method``, ``compression``, ``split``, ``target_id``, ``source_id``).
"""

from __future__ import annotations

import csv
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Split = Literal["train", "val", "held"]
"""``held`` are stills kept back to measure false alarms; nothing is ever trained on them."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One stored picture.

    Attributes:
        path: Relative to the folder of its manifest.
        kind: A still photograph, or a frame of a clip.
        source: Data set of a still (``meb``, ...); ``ffpp`` for clips.
        split: What it may be used for.
        label: 1 fake, 0 real.
        method: ``original`` or the manipulation.
        compression: ``c23``, ``c40``, or ``""`` for stills.
        video_id: Clip it comes from; the path itself for stills.
        frame: Frame number in its clip; 0 for stills.
        target_id: Identity whose video carries the face; ``""`` for stills.
        source_id: Identity whose face was put in; ``""`` where there is none.
    """

    path: str
    kind: Literal["still", "clip"]
    source: str
    split: Split
    label: int
    method: str
    compression: str
    video_id: str
    frame: int
    target_id: str
    source_id: str


def read_stills(folder: Path, *, held_fraction: float, seed: int) -> list[Sample]:
    """Stills of `folder`; the same `held_fraction` of every source is kept back for a seed."""
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    held = held_back([(row["path"], row["source"]) for row in rows], held_fraction, seed)
    return [
        Sample(
            path=row["path"],
            kind="still",
            source=row["source"],
            split="held" if row["path"] in held else "train",
            label=0,
            method="original",
            compression="",
            video_id=row["path"],
            frame=0,
            target_id="",
            source_id="",
        )
        for row in rows
    ]


def read_clip_frames(folder: Path) -> list[Sample]:
    """Frames of clips in `folder`, with the official split.

    Raises:
        ValueError: An identity appears in both splits.
    """
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    samples = [
        Sample(
            path=row["path"],
            kind="clip",
            source="ffpp",
            split="train" if row["split"] == "train" else "val",
            label=int(row["label"]),
            method=row["method"],
            compression=row["compression"],
            video_id=row["video_id"],
            frame=int(row["frame"]),
            target_id=row["target_id"],
            source_id=row["source_id"],
        )
        for row in rows
    ]
    crossing = crossing_identities(samples)
    if crossing:
        raise ValueError(
            f"{folder / 'manifest.csv'}: identities {sorted(crossing)} are in train and in val; "
            "move every clip of an identity to one side"
        )
    return samples


def held_back(items: Sequence[tuple[str, str]], fraction: float, seed: int) -> frozenset[str]:
    """Paths kept back out of (path, source) pairs: `fraction` of each source, chosen by hash.

    A hash of the path decides, so that adding pictures never moves another picture across.
    """
    by_source: dict[str, list[str]] = defaultdict(list)
    for path, source in items:
        by_source[source].append(path)
    chosen: set[str] = set()
    for paths in by_source.values():
        ranked = sorted(paths, key=lambda path: _hash(f"{seed}:{path}"))
        chosen.update(ranked[: round(len(ranked) * fraction)])
    return frozenset(chosen)


def crossing_identities(samples: Iterable[Sample]) -> frozenset[str]:
    """Identities (targets and sources of clips) that appear in train and in val."""
    seen: dict[str, set[str]] = {"train": set(), "val": set(), "held": set()}
    for sample in samples:
        seen[sample.split].update(i for i in (sample.target_id, sample.source_id) if i)
    return frozenset(seen["train"] & seen["val"])


def original_key(sample: Sample) -> tuple[str, str, int]:
    """What a fake frame shares with the genuine frame it was made from."""
    return (sample.target_id, sample.compression, sample.frame)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()

"""What is to be evaluated: clips and stills with labels, from manifests, stores and folders.

A folder without a manifest has the subfolders ``real`` and ``fake``, with pictures, with folders
of pictures (a clip each), or with videos.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from dfedge.errors import UsageError
from dfedge.media.files import VIDEO_SUFFIXES
from dfedge.types import Image
from dfedge_tools.data.manifest import (
    MANIFEST,
    Sample,
    crossing_identities,
    read_manifest,
    read_stills,
)
from dfedge_tools.data.packing_list import HELD_FRACTION, SPLIT_SEED
from dfedge_tools.data.store import INDEX, CropStore
from dfedge_tools.evaluating.scores import Labelled
from dfedge_tools.evaluating.units import HELD
from dfedge_tools.faceset import PICTURE_SUFFIXES, read_image

DEFAULT_SPLIT = "val"
EVERYTHING = "all"


@dataclass(frozen=True, slots=True)
class Picture:
    """A stored frame and how to get at its pixels."""

    row: Labelled
    load: Callable[[], Image]


@dataclass(frozen=True, slots=True)
class Clip:
    """One thing to judge.

    Attributes:
        row: what is known of it.
        pictures: its stored frames, or the one still, in order; empty for a video.
        video: the file to decode; None where frames are stored.
    """

    row: Labelled
    pictures: tuple[Picture, ...] = ()
    video: Path | None = None


@dataclass(frozen=True, slots=True)
class Data:
    """A set of clips.

    Attributes:
        name: what it is called in cards and reports, with its split.
        notes: what a reader of the figures must know of it.
    """

    name: str
    clips: tuple[Clip, ...]
    notes: tuple[str, ...] = ()


def read_data(place: Path, *, split: str | None = None) -> Data:
    """The clips of a manifest, a folder or a store of packed crops.

    Args:
        split: only this split of a set that has splits (None: ``val``); ``all``: everything.

    Raises:
        UsageError: there is nothing of the kind, or a line of the manifest cannot be used.
    """
    if place.is_file() or (place / MANIFEST).is_file():
        manifest = read_manifest(place)
        rows = [(s, partial(read_image, manifest.file(s))) for s in manifest.samples]
        return _of_split(place, rows, split, manifest.root)
    if not place.is_dir():
        raise UsageError(f"{place}: is not there; give a folder, a manifest or a store")
    if (place / INDEX).is_file():
        store = CropStore(place)
        rows = [(row.sample, partial(store.image, n)) for n, row in enumerate(store.rows)]
        return _of_split(place, rows, split, place)
    if (place / "real").is_dir() and (place / "fake").is_dir():
        samples = _from_folders(place)
        return _of_split(
            place, [(s, partial(read_image, place / s.path)) for s in samples], split, place
        )
    raise UsageError(
        f"{place}: has no {MANIFEST} and no subfolders real and fake, and is no store of crops; "
        "dfedge data manifest makes a manifest"
    )


def read_held_stills(place: Path) -> Data:
    """Genuine stills that nothing was trained on.

    Those of the split ``held`` where the set has splits; else the tenth of each source that
    training keeps back by a hash of the path.

    Raises:
        UsageError: as `read_data`; or one of them is fake.
    """
    told = HELD
    if place.is_file() or (place / MANIFEST).is_file():
        manifest = read_manifest(place, label=0)
        samples = manifest.samples
        if not any(sample.split for sample in samples):
            kept = read_stills(place, held_fraction=HELD_FRACTION, seed=SPLIT_SEED)
            samples, told = tuple(kept), "the tenth held back"
        held = [sample for sample in samples if sample.split == HELD]
        clips = _clips([(s, partial(read_image, manifest.file(s))) for s in held], manifest.root)
    else:
        clips = read_data(place, split=HELD).clips
    if not clips:
        raise UsageError(f"{place}: has no still of the split {HELD!r}; give the folder of stills")
    fake = next((clip for clip in clips if clip.row.label), None)
    if fake is not None:
        raise UsageError(f"{place}: {fake.row.path} is fake; --stills takes genuine pictures only")
    return Data(f"{_name(place)}, {told}", clips)


def _of_split(
    place: Path, rows: Sequence[tuple[Sample, Callable[[], Image]]], split: str | None, root: Path
) -> Data:
    """The clips of a split, all of them where the set has none."""
    there = sorted({sample.split for sample, _ in rows if sample.split})
    name = _name(place)
    if split == EVERYTHING or (split is None and not there):
        return Data(name, _clips(rows, root))
    wanted = split or DEFAULT_SPLIT
    chosen = [(sample, load) for sample, load in rows if sample.split == wanted]
    if not chosen:
        told = f"splits: {', '.join(there)}" if there else "it has no splits"
        raise UsageError(
            f"{place}: has nothing of the split {wanted!r} ({told}); choose by --split, "
            f"{EVERYTHING} for everything"
        )
    return Data(f"{name} {wanted}", _clips(chosen, root), _crossing(rows, wanted))


def _crossing(rows: Sequence[tuple[Sample, Callable[[], Image]]], wanted: str) -> tuple[str, ...]:
    """A warning when people of this split are in another one too."""
    own = {i for s, _ in rows if s.split == wanted for i in (s.target_id, s.source_id) if i}
    crossing = sorted(crossing_identities([sample for sample, _ in rows]) & own)
    if not crossing:
        return ()
    named = ", ".join(crossing[:5]) + (", ..." if len(crossing) > 5 else "")
    note = (
        f"{len(crossing)} identities of this split are in another split too ({named}): a model "
        "trained on that has seen them, and its figures here are too good"
    )
    return (note,)


def _clips(rows: Sequence[tuple[Sample, Callable[[], Image]]], root: Path) -> tuple[Clip, ...]:
    """Frames put together by clip, in the order of their numbers."""
    clips: dict[tuple[str, str], list[tuple[Sample, Callable[[], Image]]]] = {}
    for sample, load in rows:
        clips.setdefault((sample.source, sample.video_id), []).append((sample, load))
    out = []
    for parts in clips.values():
        first = parts[0][0]
        if {sample.label for sample, _ in parts} != {first.label}:
            raise UsageError(f"{root}: the frames of {first.video_id} have both labels")
        if first.media == "video":
            out.append(Clip(_row(first), video=root / first.path))
            continue
        parts.sort(key=lambda part: part[0].frame)
        out.append(Clip(_row(first), tuple(Picture(_row(s), load) for s, load in parts)))
    return tuple(out)


def _row(sample: Sample) -> Labelled:
    return Labelled(
        sample.video_id,
        sample.label,
        sample.method,
        sample.compression,
        sample.source,
        sample.split,
        frame=sample.frame,
        identity=sample.target_id,
        pts_seconds=sample.pts_seconds,
        path=sample.path,
    )


def _from_folders(place: Path) -> list[Sample]:
    samples: list[Sample] = []
    frames: Counter[Path] = Counter()
    for label, name in ((0, "real"), (1, "fake")):
        for path in sorted((place / name).rglob("*")):
            suffix = path.suffix.lower()
            if not path.is_file() or suffix not in VIDEO_SUFFIXES | PICTURE_SUFFIXES:
                continue
            relative = path.relative_to(place)
            in_clip = suffix in PICTURE_SUFFIXES and len(relative.parts) > 2
            samples.append(
                Sample(
                    path=relative.as_posix(),
                    kind="clip" if in_clip or suffix in VIDEO_SUFFIXES else "still",
                    source=place.resolve().name,
                    split="",
                    label=label,
                    method="unknown" if label else "original",
                    compression="",
                    video_id=(relative.parent if in_clip else relative).as_posix(),
                    frame=frames[relative.parent] if in_clip else 0,
                    target_id="",
                    source_id="",
                    media="video" if suffix in VIDEO_SUFFIXES else "picture",
                )
            )
            frames[relative.parent] += 1
    if not samples:
        raise UsageError(f"{place}: there is no picture and no video in real and fake")
    return samples


def _name(place: Path) -> str:
    path = place.resolve()
    return path.parent.name if path.name == MANIFEST else path.name if path.is_dir() else path.stem

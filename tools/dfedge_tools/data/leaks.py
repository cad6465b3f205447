"""What two splits share and must not: people, source videos, files, and how pictures look."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import get_args

import cv2
import numpy as np

from dfedge_tools.data.looks import MAX_DISTANCE, Hash, look_of, near_pairs
from dfedge_tools.data.manifest import Manifest, Sample, Split
from dfedge_tools.data.progress import progress_bar

MAX_PAIRS = 10_000
"""Pairs that look alike are named up to this many; more are counted."""

Rows = Sequence[tuple[Path, Sample]]
"""Samples that have a split, with their files."""


@dataclass(frozen=True, slots=True)
class Shared:
    """An identity, a clip or a file that is in several splits.

    Attributes:
        name: Of the identity or clip with its data set, or the sha256 of a file.
        rows: How many rows of each split have it.
        examples: One path of each split.
    """

    name: str
    rows: dict[str, int]
    examples: dict[str, str]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two pictures of two splits that look alike; `distance` in bits out of 256."""

    splits: tuple[Split, Split]
    paths: tuple[str, str]
    distance: int


@dataclass(frozen=True, slots=True)
class Leaks:
    """What was found.

    Attributes:
        rows: Of each split.
        undivided: Rows without a split; they are compared with nothing.
        identities: People (targets or sources) in several splits.
        clips: Clips, or originals behind fakes.
        files: Files with the same bytes.
        pictures: Pairs that look alike and are not the same file.
        more_pictures: Such pairs beyond those that are named.
        videos: Whole videos; how they look is not compared.
        unreadable: Path and reason of what could not be compared.
    """

    rows: dict[str, int]
    undivided: int
    identities: tuple[Shared, ...]
    clips: tuple[Shared, ...]
    files: tuple[Shared, ...]
    pictures: tuple[Pair, ...]
    more_pictures: int
    videos: int
    unreadable: tuple[tuple[str, str], ...]

    @property
    def count(self) -> int:
        """Leaks of all kinds."""
        named = len(self.identities) + len(self.clips) + len(self.files) + len(self.pictures)
        return named + self.more_pictures

    def as_json(self) -> dict[str, object]:
        """For ``--json``."""
        return {"schema": "dfedge.leaks/1", "leaks": self.count, **asdict(self)}


def find_leaks(
    manifests: Iterable[Manifest],
    *,
    read_files: bool = True,
    max_distance: int = MAX_DISTANCE,
    workers: int = 1,
    progress: bool = False,
) -> Leaks:
    """Compare the splits of one manifest, or of several together.

    Args:
        read_files: Compare files and looks too, not only what the manifests tell.
        max_distance: Bits out of 256 in which pictures that look alike differ at most.
        workers: Threads that read pictures.
        progress: Show bars on stderr.
    """
    everything = [(m.file(sample), sample) for m in manifests for sample in m.samples]
    rows = [(path, sample) for path, sample in everything if sample.split]
    files: list[Shared] = []
    pairs: list[Pair] = []
    unreadable: list[tuple[str, str]] = []
    more = 0
    if read_files:
        digests = _same_bytes(rows, unreadable, progress=progress)
        files = list(
            _shared((digests[path], path, sample) for path, sample in rows if path in digests)
        )
        hashes = _looks(rows, unreadable, workers, progress=progress)
        for pair in _alike(rows, hashes, digests, max_distance):
            if len(pairs) < MAX_PAIRS:
                pairs.append(pair)
            else:
                more += 1
    return Leaks(
        rows=_in_order(Counter(str(sample.split) for _, sample in rows)),
        undivided=len(everything) - len(rows),
        identities=tuple(_shared(_identities(rows))),
        clips=tuple(_shared(_clips(rows))),
        files=tuple(files),
        pictures=tuple(sorted(pairs, key=lambda pair: (pair.distance, pair.paths))),
        more_pictures=more,
        videos=sum(sample.media == "video" for _, sample in rows),
        unreadable=tuple(sorted(set(unreadable))),
    )


def _identities(rows: Rows) -> Iterator[tuple[str, Path, Sample]]:
    for path, sample in rows:
        for identity in {sample.target_id, sample.source_id} - {""}:
            yield f"{sample.source} {identity}", path, sample


def _clips(rows: Rows) -> Iterator[tuple[str, Path, Sample]]:
    for path, sample in rows:
        for clip in {sample.video_id, sample.original} - {""}:
            yield f"{sample.source} {clip}", path, sample


def _shared(named: Iterable[tuple[str, Path, Sample]]) -> Iterator[Shared]:
    """What has rows in several splits, by name."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    examples: dict[str, dict[str, str]] = defaultdict(dict)
    for name, path, sample in named:
        counts[name][sample.split] += 1
        examples[name].setdefault(sample.split, path.as_posix())
    for name in sorted(counts):
        if len(counts[name]) > 1:
            yield Shared(name, _in_order(counts[name]), examples[name])


def _same_bytes(
    rows: Rows, unreadable: list[tuple[str, str]], *, progress: bool
) -> dict[Path, str]:
    """sha256 of every file whose size another file has too."""
    by_size: dict[int, list[Path]] = defaultdict(list)
    for path in dict.fromkeys(path for path, _ in rows):
        by_size[path.stat().st_size].append(path)
    todo = [path for paths in by_size.values() if len(paths) > 1 for path in paths]
    digests: dict[Path, str] = {}
    with progress_bar("comparing files", "file", len(todo), 0, show=progress) as bar:
        for path in todo:
            try:
                with path.open("rb") as file:
                    digests[path] = hashlib.file_digest(file, "sha256").hexdigest()
            except OSError as error:
                unreadable.append((path.as_posix(), error.strerror or str(error)))
            bar.update()
    # A path that two splits list is a file that both have, though it has no twin.
    listed = Counter(path for path, _ in rows)
    return digests | {p: p.as_posix() for p, n in listed.items() if n > 1 and p not in digests}


def _looks(
    rows: Rows, unreadable: list[tuple[str, str]], workers: int, *, progress: bool
) -> dict[Path, Hash]:
    paths = list(dict.fromkeys(path for path, sample in rows if sample.media == "picture"))

    def look(path: Path) -> Hash | str | None:
        try:
            return look_of(path)
        except (OSError, ValueError, cv2.error) as error:
            return str(error)

    hashes: dict[Path, Hash] = {}
    with (
        ThreadPoolExecutor(workers) as pool,
        progress_bar("comparing looks", "picture", len(paths), 0, show=progress) as bar,
    ):
        for path, result in zip(paths, pool.map(look, paths), strict=True):
            if isinstance(result, str):
                unreadable.append((path.as_posix(), result))
            elif result is not None:
                hashes[path] = result
            bar.update()
    return hashes


def _alike(
    rows: Rows, hashes: dict[Path, Hash], digests: dict[Path, str], max_distance: int
) -> Iterator[Pair]:
    by_split: dict[Split, list[Path]] = defaultdict(list)
    for path, sample in rows:
        if path in hashes:
            by_split[sample.split].append(path)
    for one, other in combinations(sorted(by_split), 2):
        first, second = by_split[one], by_split[other]
        ours = np.stack([hashes[path] for path in first])
        theirs = np.stack([hashes[path] for path in second])
        for a, b, distance in near_pairs(ours, theirs, max_distance):
            here, there = first[a], second[b]
            same = here == there or digests.get(here, here) == digests.get(there, there)
            if not same:
                yield Pair((one, other), (here.as_posix(), there.as_posix()), distance)


def _in_order(counts: Counter[str]) -> dict[str, int]:
    return {split: counts[split] for split in get_args(Split) if split in counts}

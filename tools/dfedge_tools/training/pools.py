"""Rows of a store that may be trained on, sorted for drawing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from dfedge_tools.fakes.swap import nearest_in_pose, pose
from dfedge_tools.training.config import Mix
from dfedge_tools.training.stores import Crops

CANDIDATES = 200
"""Faces looked at for one that a swap can take."""

NEAREST = 6
"""Of these nearest in pose one is taken."""

T = TypeVar("T")


@dataclass(frozen=True)
class Pools:
    """Rows by what they are drawn for; only of the train split."""

    stills: dict[str, list[int]]
    genuine: list[int]
    """Genuine frames of clips."""
    fakes: dict[str, dict[str, list[int]]]
    """method -> compression -> rows."""
    originals: dict[int, list[int]]
    """Fake row -> genuine rows of the same target and compression."""
    donors: npt.NDArray[np.int64]
    """All genuine rows."""
    poses: npt.NDArray[np.float32]
    """Of the donors, (n, 6): see :func:`dfedge_tools.fakes.swap.pose`."""
    people: npt.NDArray[np.int64]
    """Of the donors, (n,): two of one number may show the same person."""

    @staticmethod
    def of(store: Crops, left_out: Sequence[str] = ()) -> Pools:
        """Sort the train rows of a store; other splits and some methods of fakes are left out."""
        stills: dict[str, list[int]] = defaultdict(list)
        genuine: list[int] = []
        fakes: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        by_target: dict[tuple[str, str], list[int]] = defaultdict(list)
        for number, row in enumerate(store.rows):
            sample = row.sample
            if sample.split != "train":
                continue
            if sample.label == 1 and sample.method in left_out:
                continue
            if sample.label == 1:
                fakes[sample.method][sample.compression].append(number)
            elif sample.kind == "still":
                stills[sample.source].append(number)
            else:
                genuine.append(number)
                by_target[_target(store, number)].append(number)
        originals = {
            number: by_target.get(_target(store, number), [])
            for rates in fakes.values()
            for numbers in rates.values()
            for number in numbers
        }
        donors = [row for rows in (*stills.values(), genuine) for row in rows]
        names: dict[str, int] = {}
        return Pools(
            stills=dict(stills),
            genuine=genuine,
            fakes={method: dict(rates) for method, rates in fakes.items()},
            originals=originals,
            donors=np.array(donors, np.int64),
            poses=np.array([_pose(store, row) for row in donors], np.float32),
            people=np.array(
                [names.setdefault(_person(store, row), len(names)) for row in donors], np.int64
            ),
        )

    def draw_stills(self, mix: Mix, rng: np.random.Generator) -> list[int]:
        """Rows of stills, sources weighted as the mix says; all alike where it names none of them.

        Frames of genuine clips where there are no stills.
        """
        if not self.stills:
            return [_one(self.genuine, rng) for _ in range(mix.still_pairs)]
        named = {name: w for name, w in mix.source_weights if w > 0 and name in self.stills}
        shares = named or dict.fromkeys(sorted(self.stills), 1.0)
        weights = np.array(list(shares.values()))
        picked = rng.choice(len(shares), mix.still_pairs, p=weights / weights.sum())
        names = list(shares)
        return [_one(self.stills[names[int(n)]], rng) for n in picked]

    def draw_frames(self, count: int, rng: np.random.Generator) -> list[int]:
        """Genuine frames of clips; stills where there are none."""
        rows = self.genuine or [int(row) for row in self.donors]
        return [_one(rows, rng) for _ in range(count)]

    def draw_fake(self, rng: np.random.Generator) -> int:
        """A manipulated row: methods alike, c23 seven times in ten."""
        rates = self.fakes[_one(sorted(self.fakes), rng)]
        wanted = "c23" if rng.random() < 0.7 else "c40"
        return _one(rates.get(wanted) or next(iter(rates.values())), rng)

    def genuine_of(self, fake: int, rng: np.random.Generator) -> int:
        """A genuine row of the same target and compression, else any genuine row."""
        return _one(self.originals[fake] or self.genuine or [int(r) for r in self.donors], rng)

    def donor_for(self, store: Crops, row: int, rng: np.random.Generator) -> int:
        """A genuine row of another person with key points near those of `row`.

        One of the nearest few among some hundred drawn at random, after Face X-ray (Li et al.,
        CVPR 2020). `row` itself where the store shows nobody else.
        """
        picked = rng.integers(len(self.donors), size=CANDIDATES)
        own = self.people[np.flatnonzero(self.donors == row)]
        others = picked[~np.isin(self.people[picked], own)]
        if not len(others):
            return row
        nearest = nearest_in_pose(self.poses[others], _pose(store, row))
        return int(self.donors[others[_one(nearest[:NEAREST], rng)]])


def _pose(store: Crops, row: int) -> npt.NDArray[np.float32]:
    face = store.rows[row].face
    return pose(face.keypoints)


def _person(store: Crops, row: int) -> str:
    """Names the person of a clip; every still is somebody of its own."""
    sample = store.rows[row].sample
    return f"{sample.source} {sample.target_id or sample.video_id}"


def _target(store: Crops, row: int) -> tuple[str, str]:
    sample = store.rows[row].sample
    return sample.target_id, sample.compression


def _one(items: Sequence[T] | npt.NDArray[np.int64], rng: np.random.Generator) -> T:
    return items[int(rng.integers(len(items)))]

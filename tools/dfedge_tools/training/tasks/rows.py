"""Which rows a batch is drawn from, and how unequal classes are made to come equally often."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

import numpy as np

from dfedge.errors import UsageError
from dfedge_tools.data.manifest import Split
from dfedge_tools.training.stores import Crops

T = TypeVar("T")
ClipKey: TypeAlias = tuple[str, str, str]
"""Source, video and kind of crop: names of videos may repeat in another source."""


@dataclass(frozen=True)
class Balanced(Generic[T]):
    """Draws items with replacement so that both classes come equally often.

    An item of class c has the probability 1 / (2 n_c), as an inverse-frequency weighted sampler
    gives it; nothing is remembered from one draw to the next.

    Attributes:
        genuine: Items of label 0.
        fake: Items of label 1.
    """

    genuine: Sequence[T]
    fake: Sequence[T]

    @staticmethod
    def of(items: Iterable[tuple[T, int]]) -> Balanced[T]:
        """Sort (item, label) pairs."""
        sorted_items: tuple[list[T], list[T]] = ([], [])
        for item, label in items:
            sorted_items[label].append(item)
        return Balanced(*sorted_items)

    def draw(self, rng: np.random.Generator) -> T:
        """One item; both classes must be there."""
        return one(self.fake if rng.random() < 0.5 else self.genuine, rng)

    def need_both(self, what: str) -> None:
        """Refuse a set with one class only.

        Raises:
            UsageError: A class is missing; `what` names the set.
        """
        if not self.genuine or not self.fake:
            raise UsageError(
                f"the packed data have {len(self.genuine)} genuine and {len(self.fake)} fake "
                f"{what}; both are needed: add a manifest with the missing ones and pack again"
            )


def rows_of(crops: Crops, *splits: Split) -> list[int]:
    """Numbers of the rows of some splits, in order."""
    return [number for number, row in enumerate(crops.rows) if row.sample.split in splits]


def by_label(crops: Crops, rows: Iterable[int]) -> Balanced[int]:
    """Rows by the label of their sample."""
    return Balanced.of((number, crops.rows[number].sample.label) for number in rows)


def by_clip(crops: Crops, rows: Iterable[int]) -> Mapping[ClipKey, tuple[int, ...]]:
    """Rows of each clip in the order of time; stills are left out."""
    clips: dict[ClipKey, list[int]] = defaultdict(list)
    for number in rows:
        sample = crops.rows[number].sample
        if sample.kind == "clip":
            clips[sample.source, sample.video_id, sample.crop].append(number)
    return {
        key: tuple(sorted(numbers, key=lambda number: crops.rows[number].sample.frame))
        for key, numbers in clips.items()
    }


def one(items: Sequence[T], rng: np.random.Generator) -> T:
    """One of the items, all alike."""
    return items[int(rng.integers(len(items)))]

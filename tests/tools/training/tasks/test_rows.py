"""What batches are drawn from: classes equally often, clips in the order of time."""

from __future__ import annotations

import numpy as np
import pytest

from dfedge.errors import UsageError
from dfedge_tools.training.tasks.rows import Balanced, by_clip, by_label, rows_of

from .conftest import crops_of, sample


def test_few_genuine_among_many_fakes_come_half_of_the_time() -> None:
    """Of 2 genuine and 38 fake items each genuine one is drawn 19 times as often as a fake one."""
    items = Balanced.of((number, int(number >= 2)) for number in range(40))
    rng = np.random.default_rng(0)
    drawn = np.bincount([items.draw(rng) for _ in range(20_000)], minlength=40) / 20_000
    assert pytest.approx(0.5, abs=0.02) == drawn[:2].sum()
    assert [0.25] * 2 + [0.5 / 38] * 38 == pytest.approx(drawn.tolist(), abs=0.01)


def test_one_class_alone_is_refused() -> None:
    """The message counts both and names the set."""
    with pytest.raises(UsageError, match="2 genuine and 0 fake clips in split train"):
        Balanced([1, 2], []).need_both("clips in split train")


def test_frames_of_a_clip_are_in_the_order_of_time() -> None:
    """However they lie in the store; stills are no clips."""
    samples = [sample(frame=number) for number in (7, 2, 30)] + [sample(kind="still")]
    crops = crops_of(samples, [])
    assert [(1, 0, 2)] == list(by_clip(crops, range(4)).values())


def test_clips_of_one_name_in_two_sources_are_two() -> None:
    """So are the tight and the wide crops of one clip."""
    samples = [sample(), sample(source="other"), sample(crop="tight"), sample(frame=1)]
    crops = crops_of(samples, [])
    assert [(0, 3), (1,), (2,)] == list(by_clip(crops, range(4)).values())


def test_rows_by_split_and_label() -> None:
    """Only rows of the splits asked for."""
    splits = ("train", "val", "held", "train")
    samples = [sample(split=split, label=number % 2) for number, split in enumerate(splits)]
    crops = crops_of(samples, [])
    assert [1, 2] == rows_of(crops, "val", "held")
    assert Balanced([0], [3]) == by_label(crops, rows_of(crops, "train"))

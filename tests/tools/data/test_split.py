"""The division: whole components, the shares, and nothing that was there is moved."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from dfedge.errors import UsageError
from dfedge_tools.data.leaks import find_leaks
from dfedge_tools.data.manifest import Manifest, Sample, crossing_identities, read_manifest
from dfedge_tools.data.split import divide

GIVEN = Sample("", "clip", "set", "", 0, "original", "c23", "", 0, "", "", "video")


def swaps(seed: int, people: int, fakes: int, *, identities: bool = True) -> list[Sample]:
    """Two genuine clips a person, and swaps between people drawn at random."""
    rng = random.Random(seed)
    out = []
    for person in range(people):
        for clip in range(2):
            name = f"p{person}_{clip}"
            out.append(
                replace(GIVEN, path=name, video_id=name, original=name, target_id=f"p{person}")
            )
    for number in range(fakes):
        target, source = rng.sample(range(people), 2)
        name = f"f{number}_{target}_{source}"
        fake = replace(GIVEN, path=name, video_id=name, label=1, method=f"m{number % 3}")
        fake = replace(fake, target_id=f"p{target}", source_id=f"p{source}")
        out.append(replace(fake, original=f"p{target}_{rng.randrange(2)}"))
    if not identities:
        out = [replace(sample, target_id="", source_id="") for sample in out]
    return out


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("identities", [True, False], ids=["people", "originals alone"])
@pytest.mark.parametrize("way", ["by hash", "balanced", "drop crossing"])
def test_nothing_crosses(seed: int, way: str, identities: bool) -> None:
    """Whatever the graph, no person, clip or original is on two sides, and every row has one."""
    samples = swaps(seed, people=40, fakes=20 + 10 * seed, identities=identities)
    done = divide(
        samples, seed=seed, balanced=way == "balanced", drop_crossing=way == "drop crossing"
    )
    assert 0 == _leaks(done.samples)
    assert all(sample.split for sample in done.samples)
    assert len(samples) == len(done.samples) + len(done.left_out)
    assert (way == "drop crossing" and identities) or not done.left_out


def test_the_same_for_a_seed_whatever_the_order() -> None:
    """Order of the rows does not matter; the seed does."""
    samples = swaps(1, people=60, fakes=30)
    shuffled = random.Random(2).sample(samples, len(samples))
    assert _sides(samples) == _sides(shuffled)
    assert _sides(samples) != _sides(samples, seed=5)


def test_data_added_later_move_nothing() -> None:
    """New people and their swaps leave all that was there on its side."""
    before = swaps(3, people=50, fakes=25)
    added = [
        replace(
            sample,
            path=f"new/{sample.path}",
            video_id=f"new/{sample.video_id}",
            original=f"new/{sample.original}",
            target_id=f"new {sample.target_id}",
            source_id=sample.source_id and f"new {sample.source_id}",
        )
        for sample in swaps(4, people=50, fakes=25)
    ]
    both = _sides(before + added)
    assert _sides(before) == {path: both[path] for path in _sides(before)}


@pytest.mark.parametrize("identities", [True, False], ids=["people", "originals alone"])
def test_more_of_the_same_people_move_nothing(identities: bool) -> None:
    """More clips of known people, and more fakes of known originals, join where those are."""
    before = swaps(5, people=60, fakes=40, identities=identities)
    more = [
        replace(
            sample,
            path=f"more/{n}/{sample.path}",
            video_id=f"more/{n}/{sample.video_id}",
            original=sample.original if sample.label or not identities else "",
        )
        for n in range(5)
        for sample in before
    ]
    both = _sides(before + more)
    assert _sides(before) == {path: both[path] for path in _sides(before)}


def test_shares_hold() -> None:
    """Over many people the hash gives each side about its share, also with large components."""
    samples = swaps(5, people=3000, fakes=1000)
    counts = Counter(sample.split for sample in divide(samples).samples)
    shares = {side: round(count / len(samples), 2) for side, count in counts.items()}
    assert shares == pytest.approx({"train": 0.8, "val": 0.1, "test": 0.1}, abs=0.02)
    assert {"train", "val"} == {s.split for s in divide(samples, shares=(9, 1, 0)).samples}


def test_balanced_holds_the_shares_of_few_people_and_of_each_method() -> None:
    """With 20 pairs of people a hash is uneven; filling in turn keeps shares and methods."""
    samples = [
        replace(sample, target_id=f"p{pair}", video_id=f"{pair} {n}", path=f"{pair} {n}")
        for pair in range(20)
        for n, sample in enumerate(swaps(6, people=2, fakes=6))
    ]
    samples = [replace(sample, source_id="", original="") for sample in samples]
    done = divide(samples, balanced=True).samples
    assert {"train": 160, "val": 20, "test": 20} == dict(Counter(sample.split for sample in done))
    assert {"original", "m0", "m1", "m2"} == {s.method for s in done if s.split == "test"}


def test_balanced_leaves_no_side_empty() -> None:
    """Three people are a side each, the one with most rows for training."""
    samples = [*swaps(1, people=3, fakes=0), replace(GIVEN, path="more", target_id="p1")]
    samples[-1] = replace(samples[-1], video_id="more", original="more")
    sides = {s.path: s.split for s in divide(samples, balanced=True).samples}
    assert ["train", {"train", "val", "test"}] == [sides["p1_0"], set(sides.values())]


def test_a_split_that_is_given_stays_and_draws_its_people_along() -> None:
    """Official rows keep theirs; a new clip of a val person joins val."""
    samples = swaps(7, people=30, fakes=0)
    given = [replace(s, split="val") if s.path == "p3_0" else s for s in samples]
    sides = {s.path: s.split for s in divide(given, shares=(1, 0, 0)).samples}
    assert ["val", "val"] == [sides["p3_0"], sides["p3_1"]]
    assert {"train"} == {side for path, side in sides.items() if not path.startswith("p3_")}


def test_what_a_given_split_has_torn_apart_is_left_out() -> None:
    """A row whose person is in train and in val fits on no side; the given rows stay."""
    clips = swaps(8, people=1, fakes=0)
    third = replace(clips[0], path="third", video_id="third", original="third")
    given = [replace(clips[0], split="train"), replace(clips[1], split="val"), third]
    done = divide(given)
    assert (tuple(given[:2]), (third,)) == (done.samples, done.left_out)


def test_everybody_on_everybody_is_one_component_unless_crossing_fakes_go() -> None:
    """Then the people are divided, and most genuine clips and some fakes are kept."""
    samples = swaps(9, people=28, fakes=300)
    whole = divide(samples)
    assert 1 == whole.components == len({sample.split for sample in whole.samples})
    done = divide(samples, drop_crossing=True, balanced=True)
    assert 28 == done.components
    assert {"train", "val", "test"} == {sample.split for sample in done.samples}
    assert all(sample.label for sample in done.left_out)
    assert 56 == sum(sample.label == 0 for sample in done.samples)


def test_data_sets_do_not_share_names() -> None:
    """Person p1 of one data set is not p1 of another."""
    ours = swaps(1, people=10, fakes=0)
    theirs = [replace(s, source="other", path=f"other/{s.path}") for s in ours]
    assert 20 == divide([*ours, *theirs]).components


def test_stills_are_held_back_by_source() -> None:
    """A share of each source, the same as ever; what ties to something else is not taken."""
    still = replace(GIVEN, kind="still", media="picture")
    stills = [
        replace(still, path=f"{source}{n}", video_id=f"{source}{n}", source=source)
        for source in ("a", "b")
        for n in range(50)
    ]
    person = replace(still, path="known", video_id="known", source="a", target_id="p1")
    done = divide([*stills, person], held=0.1).samples
    assert {"a": 5, "b": 5} == dict(Counter(s.source for s in done if s.split == "held"))


def test_shares_must_be_three() -> None:
    """Nothing is divided by nonsense."""
    for shares in ((1.0, 1.0), (0.0, 0.0, 0.0), (2.0, -1.0, 0.0), (1.0, math.nan, 0.0)):
        with pytest.raises(UsageError, match="give three numbers from 0"):
            divide([], shares=shares)


def test_the_official_split_of_the_research_data_stands(shared_data: Path) -> None:
    """It keeps people apart and is kept; divided anew nothing crosses either."""
    samples = read_manifest(shared_data / "ffpp_frames").samples
    assert samples == divide(samples).samples
    anew = divide([replace(sample, split="") for sample in samples], balanced=True)
    assert frozenset() == crossing_identities(anew.samples)
    assert 22 == anew.components


def _sides(samples: Sequence[Sample], seed: int = 0) -> dict[str, str]:
    return {sample.path: sample.split for sample in divide(samples, seed=seed).samples}


def _leaks(samples: Sequence[Sample]) -> int:
    return find_leaks([Manifest(Path(), tuple(samples))], read_files=False).count

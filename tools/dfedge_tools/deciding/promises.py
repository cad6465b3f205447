"""The two thresholds of a card, the promises they make, and whether the promises were kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from dfedge_tools.deciding.conformal import (
    Floats,
    Share,
    lower_threshold,
    measured_share,
    smallest_promise,
    upper_threshold,
)
from dfedge_tools.evaluating.scores import Scored

HELD = "held"
"""Split of genuine stills that were kept back from training."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The promises that are asked for: largest shares, 0 to 1, of new scores.

    Attributes:
        false_alarms: Of genuine clips called FAKE.
        still_false_alarms: Of genuine stills, all sources together, called FAKE.
        source_false_alarms: Of the stills of any one source called FAKE.
        misses: Of fake clips called REAL.
    """

    false_alarms: float = 0.01
    still_false_alarms: float = 0.01
    source_false_alarms: float = 0.04
    misses: float = 0.05


@dataclass(frozen=True, slots=True)
class Promise:
    """One promise of one group.

    Attributes:
        group: Whom it is made to, in words.
        asked: The share that was asked for.
        made: The share that is promised: what was asked, or the smallest the data support.
        logit: The threshold that keeps it by itself.
        count: Videos or stills it rests on.
        identities: People they show; a still counts as a person of its own.
        kept: Share over the group under the final thresholds, each identity judged by thresholds
            that were set without it.
        fails: Whether that share contradicts the promise: its interval lies above it.
    """

    group: str
    asked: float
    made: float
    logit: float
    count: int
    identities: int
    kept: Share

    @property
    def is_widened(self) -> bool:
        """Whether so little data cannot support what was asked."""
        return self.made > self.asked

    @property
    def fails(self) -> bool:
        """Whether the check contradicts the promise, with the interval it has."""
        return self.kept.low > self.made


@dataclass(frozen=True, slots=True)
class Thresholds:
    """On the logit: FAKE above `fake`, REAL under `real`, with what they promise.

    Attributes:
        false_alarms: Of each group of genuine videos; first the one that sets the threshold.
        misses: Of the fakes.
        unseen_sources: Of each source of stills (and the clips) the share called FAKE by
            thresholds set without it: what a new source may see, which nothing promises.
    """

    fake: float
    real: float
    false_alarms: tuple[Promise, ...]
    misses: Promise
    unseen_sources: dict[str, Share]


@dataclass(frozen=True, slots=True)
class _Group:
    name: str
    share: float
    logits: Floats
    identities: tuple[str, ...]
    sources: frozenset[str]


def find_thresholds(scored: Sequence[Scored], limits: Limits) -> Thresholds:
    """Both thresholds of videos (or stills), and the check of what they promise.

    Args:
        scored: one score a video; split ``held`` are stills, all else are clips.

    Raises:
        ValueError: There is no genuine or no fake clip.
    """
    groups = _genuine_groups(scored, limits)
    fakes = [v for v in scored if v.label == 1 and v.split != HELD]
    if not fakes or not any(v.label == 0 and v.split != HELD for v in scored):
        raise ValueError("thresholds need clips of both classes, genuine and fake")
    missed = _group("fake clips", limits.misses, fakes)
    fake = max(_upper(group) for group in groups)
    real = lower_threshold(missed.logits, missed.identities, missed.share)
    promises = [_promise(group, _upper(group), _left_out_alarms(group, groups)) for group in groups]
    return Thresholds(
        fake=fake,
        real=real,
        false_alarms=tuple(sorted(promises, key=lambda promise: -promise.logit)),
        misses=_promise(missed, real, _left_out_misses(missed)),
        unseen_sources=_unseen_sources(scored, groups, limits),
    )


def _genuine_groups(scored: Sequence[Scored], limits: Limits) -> list[_Group]:
    """Groups of genuine videos that each have a promise: clips, all stills, each source."""
    clips = [v for v in scored if v.label == 0 and v.split != HELD]
    stills = [v for v in scored if v.label == 0 and v.split == HELD]
    groups = [_group("genuine clips", limits.false_alarms, clips)] if clips else []
    if stills:
        groups.append(_group("genuine stills", limits.still_false_alarms, stills))
    sources = sorted({v.source for v in stills})
    if len(sources) > 1:
        groups += [
            _group(
                f"stills of {source or 'no source'}",
                limits.source_false_alarms,
                [v for v in stills if v.source == source],
            )
            for source in sources
        ]
    return groups


def _group(name: str, share: float, members: Sequence[Scored]) -> _Group:
    return _Group(
        name=name,
        share=share,
        logits=np.array([v.logit for v in members]),
        identities=tuple(v.group for v in members),
        sources=frozenset(v.source for v in members),
    )


def _upper(group: _Group) -> float:
    return upper_threshold(group.logits, group.identities, group.share)


def _promise(group: _Group, logit: float, hits: npt.NDArray[np.bool_]) -> Promise:
    identities = len(set(group.identities))
    return Promise(
        group=group.name,
        asked=group.share,
        made=max(group.share, smallest_promise(identities)),
        logit=logit,
        count=len(group.logits),
        identities=identities,
        kept=measured_share(hits, group.identities),
    )


def _left_out_alarms(group: _Group, groups: Sequence[_Group]) -> npt.NDArray[np.bool_]:
    """Whether each score of a group passes the threshold set without its identity."""
    whole = {other.name: _upper(other) for other in groups}

    def threshold(name: str) -> float:
        parts = []
        for other in groups:
            if name not in other.identities:
                parts.append(whole[other.name])
            elif (rest := _without(other, name)).identities:
                parts.append(_upper(rest))
        return max(parts, default=-np.inf)

    return _judge(group, threshold, np.greater)


def _left_out_misses(group: _Group) -> npt.NDArray[np.bool_]:
    def threshold(name: str) -> float:
        rest = _without(group, name)
        if not len(rest.logits):
            return np.inf
        return lower_threshold(rest.logits, rest.identities, rest.share)

    return _judge(group, threshold, np.less)


def _judge(
    group: _Group,
    threshold: Callable[[str], float],
    passes: Callable[[Floats, float], npt.NDArray[np.bool_]],
) -> npt.NDArray[np.bool_]:
    owners = np.array(group.identities)
    hits = np.zeros(len(owners), np.bool_)
    for name in sorted(set(group.identities)):
        own = owners == name
        hits[own] = passes(group.logits[own], threshold(name))
    return hits


def _unseen_sources(
    scored: Sequence[Scored], groups: Sequence[_Group], limits: Limits
) -> dict[str, Share]:
    """Each group of one source, judged by thresholds that never saw that source."""
    found = {}
    for group in groups:
        if len(group.sources) == 1 and group.name != "genuine stills":
            rest = _genuine_groups([v for v in scored if v.source not in group.sources], limits)
            if rest:
                hits = group.logits > max(_upper(other) for other in rest)
                found[group.name] = measured_share(hits, group.identities)
    return found


def _without(group: _Group, left_out: str) -> _Group:
    keep = np.array([name != left_out for name in group.identities])
    return replace(
        group,
        logits=group.logits[keep],
        identities=tuple(name for name in group.identities if name != left_out),
    )

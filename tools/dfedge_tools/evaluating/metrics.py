"""Scores of a detector: area under the ROC curve, by group, and calibration error."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from dfedge_tools.evaluating.scores import Scored as Scored

Floats = npt.NDArray[np.float64]


def auc(labels: Sequence[int], scores: Sequence[float]) -> float:
    """Chance that a random fake scores above a random genuine one; ties count half.

    Raises:
        ValueError: One of the classes is missing.
    """
    truth = np.asarray(labels, np.int64)
    values = np.asarray(scores, np.float64)
    fakes, reals = int((truth == 1).sum()), int((truth == 0).sum())
    if not fakes or not reals:
        raise ValueError(f"an AUC needs both classes, got {fakes} fake and {reals} genuine")
    ranks = _average_ranks(values)
    return float((ranks[truth == 1].sum() - fakes * (fakes + 1) / 2) / (fakes * reals))


def videos(frames: Sequence[Scored]) -> list[Scored]:
    """One score a video: the mean logit over its frames; all else is of the first of them."""
    grouped: dict[str, list[Scored]] = defaultdict(list)
    for frame in frames:
        grouped[frame.video_id].append(frame)
    return [
        replace(parts[0], logit=float(np.mean([part.logit for part in parts])))
        for parts in grouped.values()
    ]


def auc_table(scored: Sequence[Scored]) -> dict[str, float]:
    """AUC over all, of each method against the genuine ones, and within each compression."""
    table = {"all": _auc_of(scored)}
    genuine = [s for s in scored if s.label == 0]
    for method in sorted({s.method for s in scored if s.label == 1}):
        table[method] = _auc_of([*genuine, *(s for s in scored if s.method == method)])
    for rate in sorted({s.compression for s in scored}):
        part = [s for s in scored if s.compression == rate]
        if {s.label for s in part} == {0, 1}:
            table[rate] = _auc_of(part)
    return table


def bootstrap_interval(
    scored: Sequence[Scored], groups: Mapping[str, str], *, rounds: int, seed: int
) -> tuple[float, float]:
    """95% interval of the AUC when whole groups (identities) are drawn again.

    `groups` maps a video to its group. Rounds that draw only one class are left out.
    """
    by_group: dict[str, list[Scored]] = defaultdict(list)
    for item in scored:
        by_group[groups[item.video_id]].append(item)
    names = sorted(by_group)
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(rounds):
        drawn = rng.choice(len(names), len(names))
        sample = [item for index in drawn for item in by_group[names[int(index)]]]
        if {item.label for item in sample} == {0, 1}:
            values.append(_auc_of(sample))
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def expected_calibration_error(
    labels: Sequence[int], probabilities: Sequence[float], *, bins: int = 10
) -> float:
    """Mean distance between stated and observed share of fakes, over equal-width bins.

    Both classes weigh the same: calibration is to equal odds (see
    `dfedge_tools.deciding.calibrate`), and the mix of a data set should not count as an error.
    """
    truth = np.asarray(labels, np.float64)
    stated = np.asarray(probabilities, np.float64)
    weight = np.where(truth > 0.5, 0.5 / max(1.0, truth.sum()), 0.5 / max(1.0, (1 - truth).sum()))
    weight /= weight.sum()
    which = np.minimum((stated * bins).astype(np.int64), bins - 1)
    error = 0.0
    for number in range(bins):
        inside = weight * (which == number)
        error += abs(float((inside * (stated - truth)).sum()))
    return error


def _auc_of(scored: Sequence[Scored]) -> float:
    return auc([s.label for s in scored], [s.logit for s in scored])


def _average_ranks(values: Floats) -> Floats:
    """Ranks from 1; equal values share the mean of their ranks."""
    order = np.argsort(values, kind="stable")
    sorted_values = values[order]
    starts = np.flatnonzero(np.concatenate(([True], sorted_values[1:] != sorted_values[:-1])))
    ends = np.concatenate((starts[1:], [len(values)]))
    ranks = np.empty(len(values), np.float64)
    for start, end in zip(starts, ends, strict=True):
        ranks[order[start:end]] = (start + 1 + end) / 2
    return ranks

"""Scores of a detector: area under the ROC curve, by group, and calibration error."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from sklearn.metrics import roc_auc_score

from dfedge_tools.evaluating.bootstrap import Units, draws, group_numbers, ranking_figures
from dfedge_tools.evaluating.scores import Scored as Scored


def auc(labels: Sequence[int], scores: Sequence[float]) -> float:
    """Chance that a random fake scores above a random genuine one; ties count half.

    Raises:
        ValueError: One of the classes is missing.
    """
    fakes = sum(int(label == 1) for label in labels)
    if not 0 < fakes < len(labels):
        raise ValueError(
            f"an AUC needs both classes, got {fakes} fake and {len(labels) - fakes} genuine"
        )
    return float(roc_auc_score(labels, scores))


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
    units = Units(
        labels=np.array([item.label for item in scored]),
        scores=np.array([item.logit for item in scored]),
        probabilities=np.zeros(len(scored)),
        groups=group_numbers([groups[item.video_id] for item in scored]),
    )
    parts = draws(units.groups, rounds=rounds, seed=seed)
    values = np.concatenate([ranking_figures(units, weights)["auc"] for weights in parts])
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return float(low), float(high)


def expected_calibration_error(
    labels: Sequence[int], probabilities: Sequence[float], *, bins: int = 10
) -> float:
    """Mean distance between stated and observed share of fakes, over equal-width bins.

    Both classes weigh the same: calibration is to equal odds (see
    `dfedge calibrate`), and the mix of a data set should not count as an error.
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

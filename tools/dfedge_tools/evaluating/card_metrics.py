"""The figures as a card states them: what ``dfedge export --metrics`` takes."""

from __future__ import annotations

from collections.abc import Iterator

from dfedge.bundles.card import Metric
from dfedge_tools.evaluating.estimates import Estimate
from dfedge_tools.evaluating.results import Evaluation

FIGURES = {
    "auc": "video_auc",
    "ap": "average_precision",
    "eer": "equal_error_rate",
    "ece": "calibration_error",
}
"""Names in a card of the figures over all videos."""


def card_metrics(found: Evaluation, *, clips: str, stills: str) -> tuple[Metric, ...]:
    """What a card says of an evaluation; figures that the data cannot tell are left out.

    Args:
        clips, stills: what the data are called.
    """
    return tuple(
        Metric(name=name, value=round(value, 4), data=data, subset=subset, count=count)
        for name, value, data, subset, count in (
            *_overall(found, clips),
            *_groups(found, clips),
            *_shares(found, clips, stills),
        )
    )


_Row = tuple[str, float, str, str, int | None]


def _overall(found: Evaluation, data: str) -> Iterator[_Row]:
    level = found.level("video")
    if level is None:
        return
    count = level.fakes + level.reals
    for figure, name in FIGURES.items():
        for suffix, value in _with_interval(level.figures[figure]):
            yield name + suffix, value, data, "all", count
    for name, estimate in (
        ("coverage", found.selective.coverage),
        ("selective_error", found.selective.error),
    ):
        for suffix, value in _with_interval(estimate):
            yield name + suffix, value, data, "all", count
    for row in found.robustness:
        if row.auc.value is not None:
            yield "video_auc", row.auc.value, data, f"{row.kind} {row.level:g}", row.videos


def _groups(found: Evaluation, data: str) -> Iterator[_Row]:
    for group in found.groups:
        auc = group.figures["auc"].value
        if auc is not None and group.by in ("method", "compression", "source"):
            yield "video_auc", auc, data, group.name, group.fakes + group.reals


def _shares(found: Evaluation, clips: str, stills: str) -> Iterator[_Row]:
    for kind in found.shares:
        data = stills if kind.kind == "still" else clips
        for label, estimate in kind.called.items():
            if estimate.value is not None and (label != "NO_FACE" or estimate.value):
                yield f"called_{label.lower()}", estimate.value, data, kind.name, kind.count


def _with_interval(estimate: Estimate) -> Iterator[tuple[str, float]]:
    for suffix, value in (
        ("", estimate.value),
        ("_low_95", estimate.low),
        ("_high_95", estimate.high),
    ):
        if value is not None:
            yield suffix, value

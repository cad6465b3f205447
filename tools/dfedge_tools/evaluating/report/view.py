"""What the template shows, worked out beforehand: the template itself decides nothing."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from markupsafe import Markup

from dfedge.report.wording import percent, printable
from dfedge_tools.evaluating.estimates import Estimate
from dfedge_tools.evaluating.groups import LABELS
from dfedge_tools.evaluating.report import plots
from dfedge_tools.evaluating.report.tables import (
    Table,
    alarms_table,
    group_tables,
    levels_table,
    points_table,
    predictions_table,
    robustness_table,
)
from dfedge_tools.evaluating.results import Evaluation, Mistake, Shares
from dfedge_tools.evaluating.text import (
    alarm_line,
    number,
    with_interval,
)

TONES = {"FAKE": "fake", "UNCERTAIN": "unsure", "REAL": "real", "NO_FACE": "none"}


@dataclass(frozen=True, slots=True)
class CallRow:
    """What a kind of videos was called: a bar of four parts, (tone, label, percent, text)."""

    name: str
    truth: str
    count: int
    parts: tuple[tuple[str, str, float, str], ...]


@dataclass(frozen=True, slots=True)
class MistakeView:
    """One mistake; `href` is empty where no picture is shown."""

    href: str
    truth: str
    tone: str
    score: str
    called: str
    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class Plot:
    """A drawing and what it shows."""

    title: str
    svg: Markup
    below: str = ""


@dataclass(frozen=True, slots=True)
class ReportView:
    """The whole report."""

    title: str
    created: str
    version: str
    headline: str
    headline_range: str
    headline_why: str
    sentences: tuple[str, ...]
    exceeded: tuple[str, ...]
    notes: tuple[str, ...]
    calls: tuple[CallRow, ...]
    plots: tuple[Plot, ...]
    levels: Table
    points: Table
    alarms: Table
    groups: tuple[Table, ...]
    robustness: tuple[tuple[Plot, Table], ...]
    predictions: Table | None
    mistakes: tuple[MistakeView, ...]
    has_pictures: bool
    unreadable: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]


def report_view(found: Evaluation, pictures: Mapping[tuple[str, str], bytes]) -> ReportView:
    """Everything the report tells.

    Args:
        pictures: JPEGs of the mistakes by source and ``video_id``.
    """
    level = found.level("video")
    auc = Estimate(why="no face was found") if level is None else level.figures["auc"]
    name = "Scores" if found.model is None else f"{found.model.name} {found.model.version}"
    thresholds = (
        None if found.model is None else (found.model.real_threshold, found.model.fake_threshold)
    )
    return ReportView(
        title=f"{name} on {printable(found.data[0])}",
        created=found.created.replace("T", " ").replace("+00:00", " UTC"),
        version=found.dfedge_version,
        headline=number(auc.value),
        headline_range=_range(auc),
        headline_why=auc.why,
        sentences=tuple(_sentences(found)),
        exceeded=tuple(alarm_line(row) for row in found.exceeded),
        notes=tuple(printable(note) for note in found.notes),
        calls=tuple(_call(row) for row in found.shares),
        plots=tuple(_plots(found, thresholds)),
        levels=levels_table(found),
        points=points_table(found),
        alarms=alarms_table(found),
        groups=tuple(group_tables(found)),
        robustness=tuple(_robustness(found)),
        predictions=predictions_table(found.predictions) if found.predictions else None,
        mistakes=tuple(_mistake(each, pictures) for each in found.mistakes),
        has_pictures=bool(pictures),
        unreadable=tuple(printable(problem) for problem in found.unreadable),
        facts=tuple(_facts(found)),
    )


def _sentences(found: Evaluation) -> Iterator[str]:
    level = found.level("video")
    if level is not None:
        yield (
            f"{level.fakes} fake and {level.reals} genuine videos of {level.identities} "
            f"identities, {found.frames} frames, {found.frames_without_face} frames without a face."
        )
    selective = found.selective
    if selective.coverage.value is not None:
        wrong = with_interval(selective.error, percent=True)
        yield (
            f"It takes a side in {with_interval(selective.coverage, percent=True)} of the videos; "
            f"of those, wrong: {wrong}."
        )
    if found.false_alarms:
        row = found.false_alarms[0]
        yield (
            f"False alarms: {row.called_fake} of {row.count} genuine called FAKE, "
            f"{with_interval(row.share, percent=True)}."
        )


def _plots(found: Evaluation, thresholds: tuple[float, float] | None) -> Iterator[Plot]:
    drawn = (
        Plot("ROC", plots.roc(found), "The points are the thresholds of the card and one half."),
        Plot(
            "Reliability",
            plots.reliability(found.reliability),
            "Five bins of equal width; the numbers are videos in a bin.",
        ),
        Plot(
            "Scores",
            plots.histogram(found.histogram, thresholds),
            "Fakes upwards, genuine downwards; dashed: the thresholds for REAL and FAKE.",
        ),
    )
    yield from (plot for plot in drawn if plot.svg)


def _robustness(found: Evaluation) -> Iterator[tuple[Plot, Table]]:
    for kind in dict.fromkeys(row.kind for row in found.robustness):
        own = [row for row in found.robustness if row.kind == kind]
        yield Plot(kind, plots.robustness(kind, own)), robustness_table(own)


def _call(row: Shares) -> CallRow:
    parts = []
    for label in LABELS:
        value = row.called[label.value].value or 0.0
        if value:
            text = f"{label.value} {with_interval(row.called[label.value], percent=True)}"
            parts.append((TONES[label.value], label.value, round(100 * value, 2), text))
    return CallRow(
        name=f"{printable(row.name)}{' stills' if row.kind == 'still' else ''}",
        truth="fake" if row.label else "genuine",
        count=row.count,
        parts=tuple(parts),
    )


def _mistake(each: Mistake, pictures: Mapping[tuple[str, str], bytes]) -> MistakeView:
    jpeg = pictures.get((each.source, each.video_id))
    kind = ", ".join(part for part in (each.source, each.method, each.compression) if part)
    return MistakeView(
        href="" if jpeg is None else f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}",
        truth="fake" if each.label else "genuine",
        tone=TONES[each.called],
        score=percent(each.fake_probability),
        called=each.called,
        name=printable(each.path or each.video_id),
        kind=printable(kind),
    )


def _facts(found: Evaluation) -> Iterator[tuple[str, str]]:
    yield "Command", printable(found.command)
    yield "Data", ", ".join(printable(name) for name in found.data)
    model = found.model
    if model is not None:
        yield "Bundle", f"{model.name} {model.version}"
        yield "sha256 of the model", model.sha256
        yield (
            "Calibration",
            f"P(fake) = sigmoid(logit / {model.temperature:.4g} + {model.bias:.4g})",
        )
        yield (
            "Thresholds",
            f"FAKE from {model.fake_threshold:.4g}, REAL up to {model.real_threshold:.4g}",
        )
    yield "dfedge", found.dfedge_version


def _range(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return ""
    return f"95% interval {number(estimate.low)} to {number(estimate.high)}"

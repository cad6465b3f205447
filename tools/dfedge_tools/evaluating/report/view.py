"""What the template shows, worked out beforehand: the template itself decides nothing."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from dfedge.report.wording import percent, printable
from dfedge_tools.evaluating.estimates import Estimate
from dfedge_tools.evaluating.groups import LABELS
from dfedge_tools.evaluating.report import plots
from dfedge_tools.evaluating.results import Evaluation, Mistake, PredictionTable, Shares
from dfedge_tools.evaluating.text import (
    FIGURE_NAMES,
    NOT_DEFINED,
    alarm_line,
    number,
    share,
    with_interval,
)

TONES = {"FAKE": "fake", "UNCERTAIN": "unsure", "REAL": "real", "NO_FACE": "none"}


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure in a table.

    Attributes:
        value, range: as text; the range is empty where there is none.
        left, width, dot: percent of a bar from 0 to 1; None: no bar.
        why: what is missing.
    """

    value: str
    range: str = ""
    dot: float | None = None
    left: float = 0.0
    width: float = 0.0
    why: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a table: its head, and its cells."""

    head: str
    cells: tuple[Cell, ...]
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table with a caption."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why cells are not defined or have no interval, each once."""
        return tuple(dict.fromkeys(cell.why for row in self.rows for cell in row.cells if cell.why))


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
    clean = auc.value
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
        levels=_levels(found),
        points=_points(found),
        alarms=_alarms(found),
        groups=tuple(_groups(found)),
        robustness=tuple(_robustness(found, clean)),
        predictions=_predictions(found.predictions) if found.predictions else None,
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


def _levels(found: Evaluation) -> Table:
    rows = tuple(
        Row(words, tuple(_cell(level.figures[name], bar=False) for level in found.levels))
        for name, words in FIGURE_NAMES.items()
    )
    heads = tuple(f"{level.level}s ({level.fakes} + {level.reals})" for level in found.levels)
    heads = tuple(head.replace("identitys", "identities") for head in heads)
    return Table(
        "Accuracy to false negative rate are at P(fake) = 0.5; in brackets fakes + genuine.",
        ("Figure", *heads),
        rows if found.levels else (),
    )


def _points(found: Evaluation) -> Table:
    rows = []
    for point in found.points:
        at = "set by the data" if point.threshold is None else number(point.threshold)
        fpr, fnr = (point.figures.get(name) for name in ("fpr", "fnr"))
        if "eer" in point.figures:
            fpr = fnr = point.figures["eer"]
        cells = (
            Cell(at),
            *(Cell("as named") if e is None else _cell(e, percent=True) for e in (fpr, fnr)),
            Cell(printable(point.meaning)),
        )
        rows.append(Row(point.name, cells))
    return Table(
        "Videos at or above a threshold, whatever else the card asks for.",
        ("Point", "P(fake)", "False positive rate", "False negative rate", "What it stands for"),
        tuple(rows),
    )


def _alarms(found: Evaluation) -> Table:
    rows = []
    for row in found.false_alarms:
        limit = Cell("" if row.limit is None else share(row.limit))
        tone = "" if row.limit is None else "fake" if row.exceeded else "real"
        counts = (Cell(str(row.count)), Cell(str(row.called_fake)))
        cells = (*counts, _cell(row.share, percent=True, bar=False), limit)
        rows.append(Row(printable(row.source), cells, tone))
    return Table(
        "Intervals by Clopper and Pearson, or over identities where those are wider.",
        ("Source", "Genuine", "Called FAKE", "Share", "Limit"),
        tuple(rows),
    )


def _groups(found: Evaluation) -> Iterator[Table]:
    for by in dict.fromkeys(group.by for group in found.groups):
        rows = tuple(
            Row(
                printable(group.name),
                (
                    Cell(f"{group.fakes} + {group.reals}"),
                    _cell(group.figures["auc"]),
                    _cell(group.figures["fpr"], percent=True, bar=False),
                    _cell(group.figures["fnr"], percent=True, bar=False),
                ),
            )
            for group in found.groups
            if group.by == by
        )
        heads = ("Fake + genuine", "Video AUC", "Genuine called FAKE", "Fakes called REAL")
        yield Table(_CAPTIONS.get(by, ""), (by.capitalize(), *heads), rows)


def _robustness(found: Evaluation, clean: float | None) -> Iterator[tuple[Plot, Table]]:
    for kind in dict.fromkeys(row.kind for row in found.robustness):
        own = [row for row in found.robustness if row.kind == kind]
        rows = tuple(
            Row(
                f"{row.level:g}",
                (
                    _cell(row.auc, bar=False),
                    _cell(row.change, bar=False, signed=True),
                    Cell(f"{row.lost} of {row.videos}"),
                ),
            )
            for row in own
        )
        changes = [
            r.auc.value - r.change.value for r in own if r.auc.value and r.change.value is not None
        ]
        drawn = plots.robustness(kind, own, changes[0] if changes else clean)
        columns = ("Level", "Video AUC", "Change", "Faces lost")
        yield Plot(kind, drawn), Table("", columns, rows)


def _predictions(tables: Sequence[PredictionTable]) -> Table:
    rows = tuple(
        Row(
            printable(table.source),
            (
                Cell(f"{table.fakes} + {table.count - table.fakes}"),
                Cell(_stated(table.accuracy)),
                Cell(_stated(table.f1)),
                *(_cell(table.recomputed[name], bar=False) for name in ("accuracy", "f1", "auc")),
                Cell(str(table.disagree)),
            ),
        )
        for table in tables
    )
    heads = ("Fake + genuine", "Accuracy of its labels", "F1 of its labels", "Accuracy at 0.5")
    return Table(
        "From the labels the file states, and from its scores; F1 is of fakes. The last column "
        "counts scores on the other side of one half than their label.",
        ("Data", *heads, "F1 at 0.5", "AUC", "Disagree"),
        rows,
    )


def _stated(value: float | None) -> str:
    return "not stated" if value is None else number(value)


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


def _cell(
    estimate: Estimate, *, percent: bool = False, bar: bool = True, signed: bool = False
) -> Cell:
    if estimate.value is None:
        return Cell(NOT_DEFINED, why=estimate.why)
    told = share if percent else number
    text = f"{estimate.value:+.3f}" if signed else told(estimate.value)
    if estimate.low is None or estimate.high is None:
        dot = 100 * estimate.value if bar else None
        return Cell(text, "no interval", dot=dot, why=estimate.why)
    low, high = estimate.low, estimate.high
    spread = f"{low:+.3f} to {high:+.3f}" if signed else f"{told(low)} to {told(high)}"
    if not bar:
        return Cell(text, spread)
    left, width = round(100 * low, 2), round(100 * (high - low), 2)
    return Cell(text, spread, dot=round(100 * estimate.value, 2), left=left, width=width)


def _range(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return ""
    return f"95% interval {number(estimate.low)} to {number(estimate.high)}"


_CAPTIONS = {
    "method": "Each method against all genuine videos.",
    "face size": "Median shorter side of the face box, pixels.",
    "sharpness": "Median variance of the Laplacian of the face at 112 x 112 pixels.",
    "light": "Median grey of the face, 0 to 255.",
}

"""The tables of a report: every figure as text, with its bar and what is missing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dfedge.report.wording import printable
from dfedge_tools.evaluating.estimates import Estimate
from dfedge_tools.evaluating.results import Evaluation, PredictionTable, Robustness
from dfedge_tools.evaluating.text import FIGURE_NAMES, NOT_DEFINED, number, share


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


def levels_table(found: Evaluation) -> Table:
    """Every figure at every level."""
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


def points_table(found: Evaluation) -> Table:
    """What thresholds give."""
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


def alarms_table(found: Evaluation) -> Table:
    """False alarms by source."""
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


def group_tables(found: Evaluation) -> Iterator[Table]:
    """A table for each property."""
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


def robustness_table(rows: Sequence[Robustness]) -> Table:
    """The levels of one disturbance."""
    return Table(
        "",
        ("Level", "Video AUC", "Change", "Faces lost"),
        tuple(
            Row(
                f"{row.level:g}",
                (
                    _cell(row.auc, bar=False),
                    _cell(row.change, bar=False, signed=True),
                    Cell(f"{row.lost} of {row.videos}"),
                ),
            )
            for row in rows
        ),
    )


def predictions_table(tables: Sequence[PredictionTable]) -> Table:
    """The tables of others' files."""
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


_CAPTIONS = {
    "method": "Each method against all genuine videos.",
    "face size": "Median shorter side of the face box, pixels.",
    "sharpness": "Median variance of the Laplacian of the face at 112 x 112 pixels.",
    "light": "Median grey of the face, 0 to 255.",
}

"""An evaluation as text for a terminal, and the words it shares with the report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dfedge.report.wording import count, printable
from dfedge_tools.evaluating.estimates import Estimate
from dfedge_tools.evaluating.groups import LABELS
from dfedge_tools.evaluating.results import Evaluation, FalseAlarms, LevelFigures

FIGURE_NAMES = {
    "auc": "AUC",
    "ap": "average precision",
    "eer": "equal error rate",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "fpr": "false positive rate",
    "fnr": "false negative rate",
    "fnr_at_fpr_1": "FNR at FPR 1%",
    "fnr_at_fpr_5": "FNR at FPR 5%",
    "fpr_at_fnr_5": "FPR at FNR 5%",
    "log_loss": "log loss",
    "brier": "Brier score",
    "ece": "calibration error (ECE)",
}
"""In the order they are told."""

NOT_DEFINED = "not defined"


def number(value: float | None) -> str:
    """Three decimals."""
    return NOT_DEFINED if value is None else f"{value:.3f}"


def share(value: float | None) -> str:
    """Percent with a decimal."""
    return NOT_DEFINED if value is None else f"{value:.1%}"


def with_interval(estimate: Estimate, *, percent: bool = False) -> str:
    """``0.753 (0.650 to 0.852)``."""
    told = share if percent else number
    if estimate.low is None or estimate.high is None:
        return told(estimate.value)
    return f"{told(estimate.value)} ({told(estimate.low)} to {told(estimate.high)})"


def render(found: Evaluation) -> str:
    """The figures, in brackets their 95% intervals."""
    return "\n".join(line.rstrip() for line in _lines(found)) + "\n"


def alarm_line(row: FalseAlarms) -> str:
    """``real_faces, all: 14 of 724 genuine called FAKE, 1.9% (1.1% to 3.2%), limit 2.0%: kept``."""
    text = (
        f"{printable(row.source)}: {row.called_fake} of {row.count} genuine called FAKE, "
        f"{with_interval(row.share, percent=True)}"
    )
    if row.limit is None:
        return text
    return f"{text}, limit {row.limit:.1%}: {'EXCEEDED' if row.exceeded else 'kept'}"


def _lines(found: Evaluation) -> Iterator[str]:
    model = "scores without a card" if found.model is None else _model(found)
    frames = count(found.frames, "frame")
    yield f"{model}: {frames}, {found.frames_without_face} without a face"
    yield f"of {', '.join(printable(name) for name in found.data)}"
    for note in found.notes:
        yield f"note: {printable(note)}"
    yield ""
    yield from _levels(found.levels)
    yield from _points(found)
    yield from _shares(found)
    yield from _groups(found)
    yield from _predictions(found)
    yield from _robustness(found)
    yield from _alarms(found)


def _model(found: Evaluation) -> str:
    assert found.model is not None
    return f"{found.model.name} {found.model.version}"


def _levels(levels: Sequence[LevelFigures]) -> Iterator[str]:
    if not levels:
        yield "no face was found in anything: there is no figure to tell"
        return
    widths = [32 if level.level != "identity" else 0 for level in levels]
    yield f"{'':26}" + "".join(
        f"{level.level:{w}}" for level, w in zip(levels, widths, strict=True)
    )
    counts = [f"{level.fakes} fake, {level.reals} genuine" for level in levels]
    yield f"{'':26}" + "".join(f"{text:{w}}" for text, w in zip(counts, widths, strict=True))
    for name, words in FIGURE_NAMES.items():
        cells = [with_interval(level.figures[name]) for level in levels]
        yield f"{words:26}" + "".join(f"{c:{w}}" for c, w in zip(cells, widths, strict=True))
    missing = dict.fromkeys(
        f"{FIGURE_NAMES[name]} of each {level.level}: {figure.why}"
        for level in levels
        for name, figure in level.figures.items()
        if figure.why
    )
    for text in missing:
        yield f"  {text}"


def _points(found: Evaluation) -> Iterator[str]:
    yield ""
    heads = f"{'threshold':>10}  {'false positive rate':28}false negative rate"
    yield f"{'videos at a threshold':26}{heads}"
    for point in found.points:
        at = "" if point.threshold is None else number(point.threshold)
        cells = [
            with_interval(point.figures[name], percent=True) if name in point.figures else ""
            for name in ("fpr", "fnr")
        ]
        if "eer" in point.figures:
            cells = [with_interval(point.figures["eer"], percent=True), "the same"]
        yield f"{point.name:26}{at:>10}  {cells[0]:28}{cells[1]}"


def _shares(found: Evaluation) -> Iterator[str]:
    yield ""
    yield f"{'called':26}{'count':>6}" + "".join(f"{label.value:>11}" for label in LABELS)
    for row in found.shares:
        cells = [share(row.called[label.value].value) for label in LABELS]
        name = f"{row.kind} {printable(row.name)}"
        yield f"{name:26}{row.count:6}" + "".join(f"{cell:>11}" for cell in cells)
    yield f"called FAKE or REAL: {with_interval(found.selective.coverage, percent=True)} of clips"
    yield f"of those wrongly: {with_interval(found.selective.error, percent=True)}"


def _groups(found: Evaluation) -> Iterator[str]:
    for by in dict.fromkeys(group.by for group in found.groups):
        yield ""
        heads = f"{'video AUC':26}{'called FAKE':>12}{'fakes called REAL':>19}"
        yield f"{'by ' + by:26}{'fake':>5}{'real':>5}  {heads}"
        for group in found.groups:
            if group.by == by:
                cells = [share(group.figures[name].value) for name in ("fpr", "fnr")]
                yield (
                    f"{printable(group.name):26}{group.fakes:5}{group.reals:5}  "
                    f"{with_interval(group.figures['auc']):26}{cells[0]:>12}{cells[1]:>19}"
                )


def _predictions(found: Evaluation) -> Iterator[str]:
    for table in found.predictions:
        yield ""
        yield f"{printable(table.source)}: {table.count} predictions, {table.fakes} of fakes"
        if table.accuracy is not None:
            yield f"  stated labels: accuracy {number(table.accuracy)}, F1 {number(table.f1)}"
            yield f"  {table.disagree} scores are on the other side of one half than their label"
        for name in ("accuracy", "f1", "auc"):
            yield f"  scores: {FIGURE_NAMES[name]} {with_interval(table.recomputed[name])}"


def _robustness(found: Evaluation) -> Iterator[str]:
    for kind in dict.fromkeys(row.kind for row in found.robustness):
        yield ""
        yield f"{kind:32}{'video AUC':26}{'change':26}lost"
        for row in found.robustness:
            if row.kind == kind:
                yield (
                    f"{row.level:<32g}{with_interval(row.auc):26}"
                    f"{with_interval(row.change):26}{row.lost} of {row.videos}"
                )


def _alarms(found: Evaluation) -> Iterator[str]:
    if found.false_alarms:
        yield ""
        yield "false alarms"
    for row in found.false_alarms:
        yield f"  {alarm_line(row)}"
    groups = [row.share.value or 0.0 for row in found.false_alarms[1:]]
    if len(groups) > 1:
        yield f"  no source above {max(groups):.1%}"

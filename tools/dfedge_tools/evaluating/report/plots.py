"""The plots of a report as SVG that takes its colours and its font from the page around it."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from dfedge_tools.evaluating.results import Bin, Evaluation, Histogram, Robustness

INK, SOFT, LINE = "#010101", "#020202", "#030303"
FAKE, REAL, UNSURE, STILL, MAIN = "#bb2d24", "#1f7a48", "#946000", "#63625d", "#2b62c4"
_PAGE = {
    INK: "--ink", SOFT: "--soft", LINE: "--line", FAKE: "--fake", REAL: "--real",
    UNSURE: "--unsure", STILL: "--none", MAIN: "--p0",
}  # fmt: skip
"""Colour in the plot to the variable of the page that takes its place, so that dark pages work."""

_STYLE: Any = {
    "font.size": 9, "svg.fonttype": "none", "text.color": INK, "axes.labelcolor": INK,
    "axes.edgecolor": SOFT, "xtick.color": SOFT, "ytick.color": SOFT, "axes.spines.top": False,
    "axes.spines.right": False, "axes.grid": True, "grid.color": LINE, "grid.linewidth": 0.8,
    "axes.axisbelow": True, "legend.frameon": False, "legend.fontsize": 8, "axes.titlesize": 9,
    "axes.titlelocation": "left", "axes.titleweight": "bold",
}  # fmt: skip
SIZE_INCHES = (4.0, 3.3)


def roc(found: Evaluation) -> Markup:
    """The ROC of the videos, with the card's thresholds on it; empty where there is none."""
    if not found.roc:
        return Markup()
    with mpl.rc_context(_STYLE):
        figure, axis = _figure()
        axis.plot([0, 1], [0, 1], color=SOFT, lw=0.8, ls=":")
        axis.plot(*zip(*found.roc, strict=True), color=MAIN, lw=1.8)
        said = []
        for point, colour, marker in zip(found.points, (FAKE, REAL, INK), "osD", strict=False):
            fpr, fnr = (point.figures.get(name) for name in ("fpr", "fnr"))
            if fpr is None or fnr is None or fpr.value is None or fnr.value is None:
                continue
            label = f"{point.name}, P(fake) {point.threshold:.2f}"
            axis.plot(fpr.value, 1 - fnr.value, marker, color=colour, ms=6, label=label)
            said.append(f"{label}: {fpr.value:.1%} false alarms, {1 - fnr.value:.1%} found")
        axis.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        axis.set_xlabel("genuine videos at or above (false positive rate)")
        axis.set_ylabel("fakes at or above (true positive rate)")
        if said:
            axis.legend(loc="lower right")
        return _svg(figure, "roc", f"ROC curve of the videos. {'; '.join(said)}")


def reliability(bins: Sequence[Bin]) -> Markup:
    """Stated against observed."""
    known = [each for each in bins if each.stated is not None and each.observed is not None]
    if not known:
        return Markup()
    with mpl.rc_context(_STYLE):
        figure, axis = _figure()
        axis.plot([0, 1], [0, 1], color=SOFT, lw=0.8, ls=":")
        x, y = [b.stated for b in known], [b.observed for b in known]
        axis.plot(x, y, "o-", color=MAIN, lw=1.4, ms=5)
        for each in known:
            axis.annotate(
                str(each.count),
                (each.stated or 0.0, each.observed or 0.0),
                xytext=(6, -9),
                textcoords="offset points",
                color=SOFT,
                fontsize=8,
            )
        axis.set(xlim=(-0.02, 1.02), ylim=(-0.05, 1.05))
        axis.set_xlabel("stated P(fake)")
        axis.set_ylabel("share that is fake, classes weighing the same")
        said = "; ".join(f"stated {b.stated:.0%}, observed {b.observed:.0%}" for b in known)
        return _svg(figure, "reliability", f"Reliability diagram: {said}")


def histogram(counts: Histogram, thresholds: tuple[float, float] | None) -> Markup:
    """How P(fake) spreads, fakes above and what is genuine below the line."""
    with mpl.rc_context(_STYLE):
        figure, axis = _figure()
        width = 1 / len(counts.fakes)
        centres = [(place + 0.5) * width for place in range(len(counts.fakes))]
        for values, colour, label, sign in (
            (counts.fakes, FAKE, "fake", 1),
            (counts.reals, REAL, "genuine", -1),
        ):
            total = max(1, sum(values))
            heights = [sign * 100 * value / total for value in values]
            axis.bar(centres, heights, width * 0.9, color=colour, label=f"{label} ({sum(values)})")
        if counts.stills:
            heights = [-100 * value / max(1, sum(counts.stills)) for value in counts.stills]
            axis.step(
                [0, *centres, 1],
                [heights[0], *heights, heights[-1]],
                where="mid",
                color=INK,
                lw=1.2,
                label=f"genuine stills ({sum(counts.stills)})",
            )
        for threshold, colour in zip(thresholds or (), (REAL, FAKE), strict=False):
            axis.axvline(threshold, color=colour, lw=1, ls="--")
        axis.axhline(0, color=SOFT, lw=0.8)
        axis.set(xlim=(0, 1))
        axis.yaxis.set_major_formatter(lambda value, _: f"{abs(value):g}%")
        axis.set_xlabel("P(fake)")
        axis.set_ylabel("share of the class")
        axis.legend(loc="upper center", bbox_to_anchor=(0.5, 1.16), ncols=3)
        return _svg(figure, "histogram", "Histogram of P(fake) of fake and of genuine videos")


def robustness(kind: str, rows: Sequence[Robustness]) -> Markup:
    """The AUC over the levels of one disturbance, with its interval; dashed without it."""
    known = [row for row in rows if row.auc.value is not None]
    if not known:
        return Markup()
    with mpl.rc_context(_STYLE):
        figure, axis = _figure((4.6, 2.6))
        places = range(len(known))
        values = [row.auc.value or 0.0 for row in known]
        lows = [
            row.auc.low if row.auc.low is not None else v
            for row, v in zip(known, values, strict=True)
        ]
        highs = [
            row.auc.high if row.auc.high is not None else v
            for row, v in zip(known, values, strict=True)
        ]
        axis.fill_between(places, lows, highs, color=MAIN, alpha=0.18, lw=0)
        axis.plot(places, values, "o-", color=MAIN, lw=1.6, ms=5)
        first = known[0]
        if first.auc.value is not None and first.change.value is not None:
            axis.axhline(first.auc.value - first.change.value, color=SOFT, lw=1, ls="--")
        axis.set_xticks(list(places), [f"{row.level:g}" for row in known])
        axis.set(ylim=(min(0.45, *lows) - 0.02, 1.02))
        axis.set_xlabel(kind)
        axis.set_ylabel("video AUC")
        said = "; ".join(f"{row.level:g}: {v:.3f}" for row, v in zip(known, values, strict=True))
        return _svg(figure, re.sub(r"\W+", "-", kind), f"Video AUC by {kind}. {said}")


def _figure(size: tuple[float, float] = SIZE_INCHES) -> tuple[Figure, Any]:
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasSVG(figure)
    axis: Any = figure.subplots()
    return figure, axis


def _svg(figure: Figure, name: str, description: str) -> Markup:
    """The figure to stand in a page beside others: no prologue, identifiers of its own."""
    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": name}):
        metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(buffer, format="svg", transparent=True, metadata=metadata)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", text)
    for colour, variable in _PAGE.items():
        text = text.replace(colour, f"var({variable})")
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)
    label = escape(description)
    return Markup(text.replace("<svg", f'<svg role="img" aria-label="{label}"', 1))  # noqa: S704

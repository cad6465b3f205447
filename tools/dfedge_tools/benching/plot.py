"""A report as a picture: a bar a cell, its 95th percentile, and the ratio to the first row."""

from __future__ import annotations

import io
from typing import Any

import matplotlib as mpl

from dfedge.errors import UsageError
from dfedge_tools.benching.results import ModelResult, Report, Row
from dfedge_tools.benching.table import number

COLOURS = {"torch": "#9a9a9a", "torch-compile": "#5b6770", "ort": "#1f77b4", "openvino": "#e08a1e"}
BAR_HEIGHT_INCHES = 0.32
WIDTH_INCHES = 9.0


def render_plot(report: Report, kind: str) -> bytes:
    """The picture: a panel a model.

    Args:
        kind: ``png`` or ``svg``.

    Raises:
        UsageError: no cell was measured.
    """
    panels = [(model, measured) for model in report.models if (measured := _measured(model))]
    if not panels:
        raise UsageError("--plot: nothing was measured, so there is nothing to draw")
    with mpl.rc_context({"font.size": 9, "svg.hashsalt": "dfedge"}):
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        rows = [len(measured) for _, measured in panels]
        height = sum(rows) * BAR_HEIGHT_INCHES + 1.15 * len(panels) + 0.5
        figure = Figure(figsize=(WIDTH_INCHES, height), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=[n + 1.5 for n in rows])
        for (model, measured), axis in zip(panels, axes[:, 0], strict=True):
            _draw_panel(axis, model, measured)
        figure.suptitle(_caption(report), fontsize=8, color="#555555")
        buffer = io.BytesIO()
        figure.savefig(
            buffer, format=kind, dpi=150, metadata={} if kind == "png" else {"Date": None}
        )
    return buffer.getvalue()


def _measured(model: ModelResult) -> list[Row]:
    return [row for row in model.rows if row.milliseconds is not None]


def _draw_panel(axis: Any, model: ModelResult, rows: list[Row]) -> None:
    """Bars from the top down in the order of the table."""
    names, medians, tails = [], [], []
    for row in rows:
        assert row.milliseconds is not None
        threads = f"{row.threads} thread{'s' * (row.threads != 1)}"
        names.append(f"{row.runtime}, {threads}, batch {row.batch}")
        medians.append(row.milliseconds.median)
        tails.append(row.milliseconds.p95 - row.milliseconds.median)
    places = range(len(rows))
    colours = [COLOURS[row.runtime] for row in rows]
    axis.barh(places, medians, color=colours, height=0.7)
    none = [0.0] * len(rows)
    axis.errorbar(
        medians, places, xerr=[none, tails], fmt="none", ecolor="#222222", capsize=3, linewidth=1
    )
    for place, median, tail, row in zip(places, medians, tails, rows, strict=True):
        ratio = "" if row.ratio is None else f", {row.ratio:.2f}x"
        axis.annotate(
            f"{number(median)} ms{ratio}",
            (median + tail, place),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
        )
    axis.set_yticks(places, names)
    axis.invert_yaxis()
    axis.set_xlim(0, max(m + t for m, t in zip(medians, tails, strict=True)) * 1.22)
    axis.set_xlabel(f"ms a {model.unit}: median, whisker to the 95th percentile")
    axis.set_title(model.name, loc="left", fontweight="bold")
    axis.spines[["right"]].set_visible(False)
    first = medians[0]
    ratios = axis.secondary_xaxis("top", functions=(lambda x: x / first, lambda x: x * first))
    ratios.set_xlabel("time as a multiple of the first row's")
    axis.axvline(first, color="#bbbbbb", linewidth=0.8, linestyle=":", zorder=0)


def _caption(report: Report) -> str:
    machine = report.machine
    where = machine.board or machine.cpu
    busy = ", busy with other work" if machine.is_busy else ""
    return f"{where}, {machine.cores} cores{busy}"

"""A decision as a picture: reliability before and after, scores with both thresholds, the sweep."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np

from dfedge_tools.deciding.calibrate import DecisionNumbers, judged_videos, sweep_of
from dfedge_tools.deciding.platt import BINS, Floats, sigmoid
from dfedge_tools.deciding.promises import HELD
from dfedge_tools.evaluating.scores import Scored

FAKE, GENUINE, STILLS, GREY = "#cc3311", "#4477aa", "#66ccee", "#999999"
"""Colours that colour-blind readers tell apart (Paul Tol's bright scheme)."""
HISTOGRAM_BINS = 40


def draw(found: DecisionNumbers, frames: Sequence[Scored], kind: str) -> bytes:
    """The bytes of a ``png`` or ``svg``; equal decisions give equal pictures."""
    scored = judged_videos(frames)
    with mpl.rc_context({"font.size": 9, "svg.hashsalt": "dfedge"}):
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=(12.0, 4.8), layout="constrained")
        FigureCanvasAgg(figure)
        reliability, histogram, sweep = figure.subplots(1, 3)
        _draw_reliability(reliability, found, scored)
        _draw_scores(histogram, found, scored)
        _draw_sweep(sweep, found, scored)
        figure.suptitle(f"Decision on {found.fitted_on}", fontweight="bold")
        buffer = io.BytesIO()
        metadata = {} if kind == "png" else {"Date": None}
        figure.savefig(buffer, format=kind, dpi=130, metadata=metadata)
    return buffer.getvalue()


def _draw_reliability(axis: Any, found: DecisionNumbers, scored: Sequence[Scored]) -> None:
    """Stated against observed shares of fakes, both classes weighing the same."""
    clips = [v for v in scored if v.split != HELD]
    logits = np.array([v.logit for v in clips])
    labels = np.array([float(v.label) for v in clips])
    axis.plot([0, 1], [0, 1], color="#bbbbbb", lw=0.8)
    for name, stated, colour, marker in (
        ("before", sigmoid(logits), GREY, "s"),
        ("after", sigmoid(logits / found.temperature + found.bias), GENUINE, "o"),
    ):
        mean, observed, mass = _reliability(stated, labels)
        axis.plot(mean, observed, color=colour, lw=1)
        axis.scatter(mean, observed, s=20 + 200 * mass, color=colour, marker=marker, label=name)
    error = found.calibration_error
    axis.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), aspect="equal")
    axis.set_xlabel("P(fake) that is stated")
    axis.set_ylabel("share of fakes, both classes weighing the same")
    axis.set_title(f"Reliability: error {error.cross_validated:.3f} on people left out", loc="left")
    _legend(axis)


def _reliability(stated: Floats, labels: Floats) -> tuple[Floats, Floats, Floats]:
    """Mean statement, share of fakes and mass of each bin that is not empty."""
    weight = np.where(labels > 0.5, 0.5 / labels.sum(), 0.5 / (1 - labels).sum())
    which = np.minimum((stated * BINS).astype(int), BINS - 1)
    mass, said, fakes = (
        np.bincount(which, values, BINS).astype(np.float64)
        for values in (weight, weight * stated, weight * labels)
    )
    full = mass > 0
    return said[full] / mass[full], fakes[full] / mass[full], mass[full]


def _draw_scores(axis: Any, found: DecisionNumbers, scored: Sequence[Scored]) -> None:
    """Shares, not counts, so that few clips can be seen beside many stills."""
    parts = (
        ("genuine stills", STILLS, [v for v in scored if v.split == HELD and v.label == 0]),
        ("genuine clips", GENUINE, [v for v in scored if v.split != HELD and v.label == 0]),
        ("fake clips", FAKE, [v for v in scored if v.split != HELD and v.label == 1]),
    )
    edges = np.linspace(0, 1, HISTOGRAM_BINS + 1)
    for name, colour, members in parts:
        if members:
            stated = sigmoid(np.array([v.logit for v in members]) / found.temperature + found.bias)
            shares = np.full(len(stated), 1 / len(stated))
            label = f"{name} ({len(members)})"
            axis.hist(stated, edges, weights=shares, histtype="step", lw=1.5, color=colour)
            axis.plot([], [], color=colour, lw=1.5, label=label)
    axis.axvspan(found.real.threshold, found.fake.threshold, color="#999933", alpha=0.15, lw=0)
    for threshold in (found.real.threshold, found.fake.threshold):
        axis.axvline(threshold, color="#999933", lw=0.9, ls="--")
    axis.set(xlim=(0, 1), xlabel="P(fake)", ylabel="share of the group")
    axis.set_title("Scores; shaded: UNCERTAIN", loc="left")
    _legend(axis)
    axis.spines[["top", "right"]].set_visible(False)


def _legend(axis: Any) -> None:
    """Under the axis, where it hides no curve."""
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2, fontsize=8, frameon=False)


def _draw_sweep(axis: Any, found: DecisionNumbers, scored: Sequence[Scored]) -> None:
    every = sweep_of(scored, temperature=found.temperature, bias=found.bias)
    for name, values, colour, dashes in (
        ("recall", every.recall, FAKE, "-"),
        ("false alarms, clips", every.false_alarms, GENUINE, "-"),
        ("false alarms, stills", every.still_alarms, STILLS, "-"),
        ("F1", every.f1, "#228833", ":"),
        ("balanced accuracy", every.balanced_accuracy, "#aa3377", "--"),
        ("recall x specificity", every.product, "#222222", "-."),
    ):
        if np.isfinite(values).all():
            axis.step(every.thresholds, values, color=colour, ls=dashes, lw=1.2, label=name)
    for threshold in (found.real.threshold, found.fake.threshold):
        axis.axvline(threshold, color="#999933", lw=0.9, ls="--")
    axis.set(xlim=(0, 1), ylim=(-0.02, 1.02), xlabel="one threshold on P(fake)")
    axis.set_title("What one threshold would give", loc="left")
    _legend(axis)
    axis.spines[["top", "right"]].set_visible(False)

"""A verification as a picture: both probabilities of each input, the errors, the worst faces."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt

from dfedge.bundles.card import WHOLE_FRAME, Decision
from dfedge.faces import open_face_finder
from dfedge.scoring import judge_probability
from dfedge.types import Image
from dfedge_tools.faceset import cut_face, read_image
from dfedge_tools.fidelity import Floats, probabilities
from dfedge_tools.verifying.verification import Disagreement, Verification

WIDTH_INCHES = 11.0
FACES_A_ROW = 8
LEAST_REACH = 1e-6
"""Half the width of the histogram of errors that are all equal, or nearly."""
SAME, OTHER, SHADE = "#4477aa", "#cc3311", "#999933"
"""Colours that colour-blind readers tell apart (Paul Tol's bright and muted schemes)."""


def draw(found: Verification, kind: str, *, faces: int) -> bytes:
    """The bytes of a ``png`` or ``svg``; equal verifications give equal pictures."""
    worst = [entry for entry in found.worst if entry.picture is not None][:faces]
    rows = -(-len(worst) // FACES_A_ROW)
    with mpl.rc_context({"font.size": 9, "svg.hashsalt": "dfedge"}):
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=(WIDTH_INCHES, 5.2 + 2.05 * rows), layout="constrained")
        FigureCanvasAgg(figure)
        top: Any = figure
        if worst:
            subfigures: Any = figure.subfigures(2, 1, height_ratios=[5.0, 2.05 * rows])
            top, below = subfigures
            _draw_faces(below, found, worst, rows)
        scatter, histogram = top.subplots(1, 2)
        _draw_probabilities(scatter, found)
        _draw_errors(histogram, found)
        verdict = "passed" if found.passed else "FAILED"
        figure.suptitle(f"{found.inputs.data}: {verdict}", fontweight="bold")
        buffer = io.BytesIO()
        metadata = {} if kind == "png" else {"Date": None}
        figure.savefig(buffer, format=kind, dpi=130, metadata=metadata)
    return buffer.getvalue()


def _draw_probabilities(axis: Any, found: Verification) -> None:
    """P(fake) of both, with the lines where a verdict changes."""
    decisions = found.reference.card.decision, found.candidate.card.decision
    first, second = (
        probabilities(values, decision)
        for values, decision in zip(found.log_odds, decisions, strict=True)
    )
    agree = _labels(first, decisions[0]) == _labels(second, decisions[1])
    draw_line, draw_band = (axis.axvline, axis.axhline), (axis.axvspan, axis.axhspan)
    for line, band, decision in zip(draw_line, draw_band, decisions, strict=True):
        band(decision.real.threshold, decision.fake.threshold, color=SHADE, alpha=0.12, lw=0)
        for threshold in (decision.real.threshold, decision.fake.threshold):
            line(threshold, color=SHADE, lw=0.8, ls="--")
    axis.plot([0, 1], [0, 1], color="#bbbbbb", lw=0.8, zorder=0)
    axis.scatter(first[agree], second[agree], s=12, alpha=0.5, lw=0, color=SAME, label="same label")
    axis.scatter(
        first[~agree],
        second[~agree],
        s=34,
        marker="x",
        color=OTHER,
        label=f"other label ({(~agree).sum()} of {len(agree)})",
    )
    axis.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    axis.set_xlabel(f"P(fake), reference: {found.reference.name}, {found.reference.runtime}")
    axis.set_ylabel(f"P(fake), candidate: {found.candidate.name}, {found.candidate.runtime}")
    axis.set_title("Each input as both see it; shaded: UNCERTAIN", loc="left")
    axis.legend(loc="lower right", fontsize=8)


def _draw_errors(axis: Any, found: Verification) -> None:
    before, after = found.log_odds
    errors = (after - before)[np.isfinite(after - before)]
    lost = len(before) - len(errors)
    middle = (errors.min() + errors.max()) / 2 if len(errors) else 0.0
    reach = max(np.ptp(errors) / 2, LEAST_REACH) if len(errors) else LEAST_REACH
    axis.hist(errors, bins=40, range=(middle - reach, middle + reach), color=SAME)
    axis.axvline(0, color="#bbbbbb", lw=0.8)
    axis.set_xlabel("logit of the candidate less that of the reference")
    axis.set_ylabel(found.unit)
    agreed = found.inputs
    axis.set_title(
        f"Logit error: largest {agreed.max_logit_error:.3g}, mean {agreed.mean_logit_error:.3g}"
        + (f", {lost} no numbers" if lost else ""),
        loc="left",
    )
    axis.spines[["top", "right"]].set_visible(False)


def _draw_faces(figure: Any, found: Verification, worst: Sequence[Disagreement], rows: int) -> None:
    figure.suptitle(
        "Other labels first, then the largest changes of P(fake), reference to candidate",
        x=0.01,
        ha="left",
    )
    axes = figure.subplots(rows, FACES_A_ROW, squeeze=False).ravel()
    for axis in axes:
        axis.set_axis_off()
    crops = _crops(found, worst)
    for axis, entry, crop in zip(axes, worst, crops, strict=False):
        axis.imshow(crop)
        before, after = entry.fake_probabilities
        first, second = entry.labels
        axis.set_title(
            f"{before:.1%} to {after:.1%}\n{first if first == second else f'{first} to {second}'}",
            fontsize=7,
            color="black" if first == second else OTHER,
        )
        truth = {1: "is fake", 0: "is real", None: ""}[entry.truth]
        axis.text(0.5, -0.02, truth, fontsize=7, ha="center", va="top", transform=axis.transAxes)


def _crops(found: Verification, worst: Sequence[Disagreement]) -> list[Image]:
    """The faces again, as the reference cuts them; nothing was kept of them while scoring."""
    card = found.reference.card
    finder = None if card.crop.box_source == WHOLE_FRAME else open_face_finder()
    crops = []
    try:
        for entry in worst:
            assert entry.picture is not None
            image = read_image(entry.picture)
            crop = cut_face(image, card, finder)
            crops.append(image if crop is None else crop)
    finally:
        if finder is not None:
            finder.close()
    return crops


def _labels(values: Floats, decision: Decision) -> npt.NDArray[np.str_]:
    return np.asarray([judge_probability(float(p), decision).label.value for p in values])

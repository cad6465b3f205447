"""Limits on size, blur and light from data: what was seen, and where errors grow.

Nothing is known of faces outside what was measured, so a limit is never put beyond the outermost
half percent of the frames. It is moved inwards over a band of frames as long as their error is
surely larger than that of the middle half.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dfedge.bundles.card import Quality
from dfedge_tools.deciding.conformal import Floats, Share, measured_share
from dfedge_tools.deciding.platt import sigmoid
from dfedge_tools.deciding.promises import HELD
from dfedge_tools.evaluating.scores import Scored

EDGES = (0.5, 2.0, 10.0, 25.0, 75.0, 90.0, 98.0, 99.5)
"""Percentiles between the bands; the middle half is what the others are compared with."""
MIDDLE = EDGES.index(25.0) + 1
LEAST_FRAMES = 200
"""Under it, half a percent is not even one frame."""


@dataclass(frozen=True, slots=True)
class Band:
    """Frames between two percentiles of a measure.

    Attributes:
        low, high: of the measure.
        error: share on the wrong side of P(fake) = 0.5, each person weighing the same.
    """

    low: float
    high: float
    error: Share


@dataclass(frozen=True, slots=True)
class Measured:
    """One measure of faces: its bands from low to high, and the limits they propose.

    Attributes:
        minimum, maximum: proposed; the maximum is only used for brightness.
    """

    name: str
    bands: tuple[Band, ...]
    minimum: float
    maximum: float


@dataclass(frozen=True, slots=True)
class QualityFound:
    """What the frames of a table propose."""

    frames: int
    measures: tuple[Measured, ...]

    def limits(self) -> Quality:
        """As a card has them."""
        found = {entry.name: entry for entry in self.measures}
        return Quality(
            min_face_pixels=float(np.floor(found["face_pixels"].minimum)),
            min_sharpness=round(found["sharpness"].minimum, 1),
            min_brightness=float(np.floor(found["brightness"].minimum)),
            max_brightness=float(np.ceil(found["brightness"].maximum)),
        )


def measure_quality_limits(
    frames: Sequence[Scored], *, temperature: float, bias: float
) -> QualityFound | None:
    """Bands and limits of frames that were measured; None where too few were.

    Args:
        frames: of clips and stills, also those that today's limits would not count.
    """
    usable = [
        frame
        for frame in frames
        if frame.split != "train"
        and frame.face_pixels is not None
        and frame.sharpness is not None
        and frame.brightness is not None
    ]
    if len(usable) < LEAST_FRAMES:
        return None
    stated = sigmoid(np.array([frame.logit for frame in usable]) / temperature + bias)
    wrong = (stated >= 0.5) != np.array([frame.label == 1 for frame in usable])
    people = np.array([f"{frame.split == HELD}/{frame.group}" for frame in usable])
    measures = tuple(
        _measure(name, np.array([float(getattr(f, name)) for f in usable]), wrong, people)
        for name in ("face_pixels", "sharpness", "brightness")
    )
    return QualityFound(len(usable), measures)


def _measure(
    name: str, values: Floats, wrong: npt.NDArray[np.bool_], people: npt.NDArray[np.str_]
) -> Measured:
    edges = np.percentile(values, EDGES)
    which = np.searchsorted(edges, values, side="right")
    bounds = [float(values.min()), *edges.tolist(), float(values.max())]
    bands: list[Band | None] = []
    for number in range(len(EDGES) + 1):
        inside = which == number
        error = measured_share(wrong[inside], people[inside].tolist()) if inside.any() else None
        bands.append(None if error is None else Band(bounds[number], bounds[number + 1], error))
    middle = bands[MIDDLE]
    usual = 1.0 if middle is None else middle.error.value
    low = _inwards([bands[number] for number in range(1, MIDDLE)], usual)
    high = _inwards([bands[number] for number in range(len(EDGES) - 1, MIDDLE, -1)], usual)
    return Measured(
        name=name,
        bands=tuple(band for band in bands if band is not None),
        minimum=float(edges[low]),
        maximum=float(edges[len(EDGES) - 1 - high]),
    )


def _inwards(bands: Sequence[Band | None], usual: float) -> int:
    """How many bands, from the outside, have an error that is surely larger than usual."""
    for number, band in enumerate(bands):
        if band is None or not band.error.low > usual:
            return number
    return len(bands)

"""What each head of the multi-task detector is to say of a picture, as far as it is known.

A manifest knows method and compression. Whether a blending border can be seen follows from the
method: swapped and reenacted faces are pasted back into their frame. Where a label does not follow
from what is known, the head learns nothing from that picture.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from dfedge_models.multitask import FUSION, QUALITY
from dfedge_tools.data.manifest import Sample

HEADS: Final = tuple(FUSION)
"""The heads of one logit, in the order of targets: real/fake, InSwapper, boundary."""

UNKNOWN_QUALITY: Final = -100
"""No class of quality; the value that torch's cross entropy leaves out."""

PASTED: Final = frozenset(
    (
        "blend",
        "celebsynthesis",
        "deepfacelab",
        "deepfakedetection",
        "deepfakes",
        "dftimithq",
        "dftimitlq",
        "face2face",
        "faceshifter",
        "fsgan",
        "inswapper",
        "uniface",
    )
)
"""Methods that put a generated face back into a genuine frame, by the names of the layouts of
``dfedge data`` without case and signs; besides any name with "swap" in it.

NeuralTextures is not among them: it renders the mouth into the frame without a border of its own.
"""

QUALITY_OF: Final = {"raw": 0, "c0": 0, "c23": 1, "c40": 2}
"""Class of quality by the compression of a manifest (FaceForensics++'s names)."""


@dataclass(frozen=True, slots=True)
class Labels:
    """Of one picture.

    Attributes:
        targets: 1 or 0 for each of :data:`HEADS`; 0 where unknown.
        known: Which of them are to be learned from.
        quality: Index into ``dfedge_models.multitask.QUALITY``, or :data:`UNKNOWN_QUALITY`.
    """

    targets: tuple[float, float, float]
    known: tuple[bool, bool, bool]
    quality: int


def labels_of(sample: Sample) -> Labels:
    """Labels of a stored picture."""
    if sample.label == 0:
        return Labels((0.0, 0.0, 0.0), (True, True, True), quality_of(sample))
    method = re.sub(r"[^a-z0-9]", "", sample.method.lower())
    named = method not in ("", "unknown", "fake")
    swapper, pasted = float("inswapper" in method), float(method in PASTED or "swap" in method)
    return Labels((1.0, swapper, pasted), (True, named, bool(pasted)), quality_of(sample))


def blend_labels(genuine: Sample) -> Labels:
    """Labels of a self-blend of a genuine picture."""
    return Labels((1.0, 0.0, 1.0), (True, True, True), quality_of(genuine))


def quality_of(sample: Sample) -> int:
    """Class of quality as stored: by compression, a still of none is clean."""
    if sample.kind == "still" and not sample.compression:
        return 0
    return QUALITY_OF.get(sample.compression, UNKNOWN_QUALITY)


def worse_quality(stored: int, left: int) -> int:
    """Class of a picture of class `stored` after a compression that leaves class `left`.

    An unknown one stays unknown, unless the compression leaves the worst there is.
    """
    if stored == UNKNOWN_QUALITY and left < len(QUALITY) - 1:
        return UNKNOWN_QUALITY
    return max(stored, left)


def class_weights(shares: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Weights that make both classes of each head count the same: 1 / (2 x share of the class).

    scikit-learn's ``balanced``. A class that never comes has weight 1, which nothing meets.

    Args:
        shares: (heads,), share of positives among what is known, 0 to 1.

    Returns:
        (heads, 2): of negatives and of positives.
    """
    both = np.stack([1 - shares, shares], axis=1)
    weights = np.divide(0.5, both, out=np.ones_like(both), where=both > 0)
    return np.asarray(weights, np.float32)

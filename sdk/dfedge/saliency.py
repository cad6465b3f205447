"""Which parts of a face raise its score: a map for any model that can be asked for scores.

Nothing is known of the model but its answers, so a map is made for every ONNX bundle, without
gradients and without torch. Places of the crop are blurred in patterns with soft edges, as RISE
does (Petsiuk et al., "RISE: Randomized Input Sampling for Explanation of Black-box Models", BMVC
2018), and a linear model is fitted to the scores, as LIME and Kernel SHAP do (Lundberg and Lee,
NeurIPS 2017): how much each place adds to the log-odds of fake. The patterns are those of a
Plackett-Burman design (Biometrika 1946): every place is shown in half of them, and independently
of every other place, so the fit is a difference of means.

The blurred copy, not a grey block, stands for "nothing to see here": a grey block has edges, and
edges are what such models look for. Chosen on 15 fakes of FaceForensics++ and ``dfedge-b0`` by the
mean log-odds of insertion less those of deletion, what is removed being blurred / made noise:
these 64 patterns 4.0 / 2.6, the fit to 64 random ones 4.1 / 2.3 and to 96 of them 4.3 / 2.5,
RISE's averages of 96 3.9 / 1.8, a window slid over 64 places 3.9 / 2.0, over two scales 3.5 / 1.7.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from dfedge.crops import CropBox
from dfedge.types import Image, Tensor

Score: TypeAlias = Callable[[Tensor], npt.NDArray[np.floating]]
"""(N, 3, height, width) inputs to (N,) log-odds of fake."""

CELLS = 7
"""Places a side that are told apart; a map of 7 x 7 costs 64 scores."""
BLUR = 0.1
"""Standard deviation of the blur, in sides of the crop: no eye or mouth is left of a face."""
BATCH = 8
"""Inputs scored at a time."""

_STRONGEST = 0.65
"""Opacity of the heat where the map is highest; the face stays visible below it."""


def occlusion_map(
    score: Score, x: Tensor, *, cells: int = CELLS, seed: int = 0, batch: int = BATCH
) -> Tensor:
    """How much each place of a crop adds to the log-odds of fake, against a blurred copy.

    The same arguments give the same map.

    Args:
        x: one preprocessed crop, (3, height, width).
        cells: places a side that are told apart, at least 1. The map costs as many scores as the
            next power of two above ``cells * cells``.
        seed: which pattern of the design hides which place.
        batch: inputs scored at a time, at least 1.

    Returns:
        (height, width): positive where what is there raises P(fake), in log-odds for the whole of
        a cell, ``height / cells`` times ``width / cells`` pixels.

    Raises:
        ValueError: an argument is out of its range.
    """
    if x.ndim != 3 or min(cells, batch) < 1:
        raise ValueError(
            "a map needs a crop (3, height, width), and cells and batch of at least 1; "
            f"got {x.shape}, {cells}, {batch}"
        )
    height, width = x.shape[1:]
    rows, columns = _soft_cells(height, cells), _soft_cells(width, cells)
    signs = _design(cells * cells, seed)
    blurred = _blurred(x)
    scores = np.empty(len(signs))
    for start in range(0, len(signs), batch):
        shown = (signs[start : start + batch] > 0).reshape(-1, cells, cells)
        masks = np.einsum("ih,nij,jw->nhw", rows, shown, columns, optimize=True)[:, np.newaxis]
        inputs = (blurred + masks * (x - blurred)).astype(np.float32)
        scores[start : start + batch] = score(inputs)
    # The least-squares fit of an orthogonal design: mean score with the place, less without it.
    effects = signs.T @ scores * (2 / len(signs))
    return np.asarray(rows.T @ effects.reshape(cells, cells) @ columns, dtype=np.float32)


def map_to_view(
    heat: Tensor,
    crop: CropBox,
    view: CropBox,
    size: tuple[int, int],
    *,
    resize: Literal["stretch", "letterbox"] = "stretch",
) -> Tensor:
    """Bring a map from the model's input to a picture cut from the frame.

    Args:
        heat: (height, width) of the model's input.
        crop: the part of the frame that the model saw, in pixels of the frame.
        view: the part of the frame that the picture shows, in pixels of the frame.
        size: height and width of the picture, in its own pixels.
        resize: how the crop was brought to the model's input, by its card.

    Returns:
        A map of that size; zero where the model saw nothing.
    """
    import cv2

    height, width = heat.shape
    inner_height, inner_width = float(height), float(width)
    if resize == "letterbox":
        factor = min(height / crop.height, width / crop.width)
        inner_height, inner_width = crop.height * factor, crop.width * factor
    # One picture pixel to the right or down, in map pixels; then where its first pixel lies.
    step_x = view.width / size[1] * inner_width / crop.width
    step_y = view.height / size[0] * inner_height / crop.height
    left = (view.left - crop.left) * inner_width / crop.width + (width - inner_width) / 2
    top = (view.top - crop.top) * inner_height / crop.height + (height - inner_height) / 2
    to_map = np.array(
        [[step_x, 0, left + step_x / 2 - 0.5], [0, step_y, top + step_y / 2 - 0.5]], np.float64
    )
    moved = cv2.warpAffine(
        np.ascontiguousarray(heat, dtype=np.float32),
        to_map,
        (size[1], size[0]),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=0.0,
    )
    return np.asarray(moved, dtype=np.float32)


def overlay(image: Image, heat: Tensor, *, peak: float | None = None) -> Image:
    """The picture with what raises P(fake) coloured, the stronger the more.

    The colours are those of *inferno*, even to the eye and told apart by the colour-blind; what
    lowers P(fake), or does nothing, keeps the picture as it is.

    Args:
        image: RGB ``uint8`` (height, width, 3).
        heat: (height, width), positive where the score is raised.
        peak: the value that gets the last colour, so that several maps can be compared; the
            map's own highest by default.
    """
    import cv2

    top = float(heat.max()) if peak is None else peak
    if not top > 0:
        return image.copy()
    strength = np.clip(heat / top, 0.0, 1.0).astype(np.float32)
    levels = np.rint(255 * strength).astype(np.uint8)
    colours = cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
    opacity = (_STRONGEST * np.sqrt(strength))[..., np.newaxis]
    blended = (1 - opacity) * image + opacity * colours
    return np.asarray(np.rint(blended), dtype=np.uint8)


def _soft_cells(length: int, cells: int) -> npt.NDArray[np.float64]:
    """(cells, length): raised cosines about evenly spaced centres that add up to 1 everywhere."""
    centres = (np.arange(cells) + 0.5) * length / cells
    distance = np.abs(np.arange(length) + 0.5 - centres[:, np.newaxis]) * cells / length
    windows = 0.5 + 0.5 * np.cos(np.pi * np.clip(distance, 0.0, 1.0))
    return np.asarray(windows / windows.sum(axis=0), dtype=np.float64)


def _design(factors: int, seed: int) -> npt.NDArray[np.float64]:
    """(runs, factors) of 1 where a place is shown and -1 where it is blurred.

    Columns of Sylvester's Hadamard matrix, but the first, which is constant: each has as many 1 as
    -1, and any two are orthogonal.
    """
    matrix = np.ones((1, 1))
    while len(matrix) <= factors:
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    columns = 1 + np.random.default_rng(seed).permutation(len(matrix) - 1)[:factors]
    return np.asarray(matrix[:, columns], dtype=np.float64)


def _blurred(x: Tensor) -> Tensor:
    import cv2

    sigma = BLUR * (x.shape[1] + x.shape[2]) / 2
    planes = [cv2.GaussianBlur(plane, (0, 0), sigma) for plane in np.ascontiguousarray(x)]
    return np.stack(planes).astype(np.float32)

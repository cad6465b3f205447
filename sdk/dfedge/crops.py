"""From a face box to the tensor a model takes, by the crop contract of its card.

The integer crop box is the one step that every runtime writes for itself, so its arithmetic is
fixed here to the order of operations and ``tests/golden/crop_boxes.json`` holds vectors for it.
Resize and normalisation are a graph in the bundle, ``preprocess.onnx``, the same everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dfedge.bundles.bundle import Bundle
from dfedge.bundles.card import CropContract
from dfedge.runtime import open_model
from dfedge.signatures import PREPROCESS_INPUT, PREPROCESS_OUTPUT
from dfedge.types import Box, Image, Tensor

QUALITY_SIDE = 112
"""Side, in pixels, at which sharpness and brightness are measured, whatever the crop's size."""

MAX_CROP_SIDE = 1 << 15
"""Pixels; no face of a picture within the media limits needs more."""


@dataclass(frozen=True, slots=True)
class CropBox:
    """A rectangle of whole pixels, half-open; it may reach past the frame's edge."""

    left: int
    top: int
    right: int
    bottom: int

    def __post_init__(self) -> None:
        if not (self.right > self.left and self.bottom > self.top):
            raise ValueError(f"a crop box needs right > left and bottom > top, got {self!r}")

    @property
    def width(self) -> int:
        """Pixels, inside the frame or not."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Pixels, inside the frame or not."""
        return self.bottom - self.top

    def shifted(self, dx: int, dy: int) -> CropBox:
        """The same box moved by (dx, dy) pixels."""
        return CropBox(self.left + dx, self.top + dy, self.right + dx, self.bottom + dy)


@dataclass(frozen=True, slots=True)
class Patch:
    """A part of a frame that was cut out, and where it lies; or the frame itself.

    Boxes given to its methods are in pixels of the frame.

    Attributes:
        image: RGB ``uint8``, (height, width, 3), inside the frame.
        left, top: its first pixel, in pixels of the frame.
        frame_width, frame_height: pixels of the whole frame.
    """

    image: Image
    left: int
    top: int
    frame_width: int
    frame_height: int

    @classmethod
    def whole(cls, image: Image) -> Patch:
        """The whole frame."""
        return cls(image, 0, 0, int(image.shape[1]), int(image.shape[0]))

    @property
    def box(self) -> CropBox:
        """What it shows, in pixels of the frame."""
        height, width = self.image.shape[:2]
        return CropBox(self.left, self.top, self.left + int(width), self.top + int(height))

    @property
    def is_whole(self) -> bool:
        """Whether it is the frame itself."""
        return self.box == CropBox(0, 0, self.frame_width, self.frame_height)

    def shows(self, box: CropBox) -> bool:
        """Whether all of a box that lies inside the frame is here."""
        mine = self.box
        return (
            _clip(box.left, self.frame_width) >= mine.left
            and _clip(box.right, self.frame_width) <= mine.right
            and _clip(box.top, self.frame_height) >= mine.top
            and _clip(box.bottom, self.frame_height) <= mine.bottom
        )

    def cut(self, box: CropBox, pad_value: int = 0) -> Image:
        """As :func:`cut` from the whole frame, where it :meth:`shows` the box."""
        return cut(self.image, box.shifted(-self.left, -self.top), pad_value)

    def visible(self, box: CropBox) -> Image:
        """As :func:`visible` in the whole frame, where it :meth:`shows` the box."""
        return visible(self.image, box.shifted(-self.left, -self.top))


@dataclass(frozen=True, slots=True)
class CropQuality:
    """How well a face can be judged.

    Attributes:
        sharpness: variance of the Laplacian of the grey crop at 112 x 112.
        brightness: mean of the grey crop, 0 to 255.
    """

    sharpness: float
    brightness: float


def crop_box(box: Box, contract: CropContract) -> CropBox:
    """The whole-pixel crop of a face box.

    With ``round(x) = floor(x + 0.5)`` in double precision, in this order: the face's width and
    height (both its longer side when squared); times ``1 + 2 * margin``; the centre is
    ``(left + right) / 2``; ``left = round(centre - size / 2)``; ``right = left + round(size)``, at
    least one pixel. So a squared crop is square to the pixel.

    Raises:
        ValueError: the box is not finite, or its crop is over :data:`MAX_CROP_SIDE`.
    """
    width, height = box.right - box.left, box.bottom - box.top
    if contract.squaring == "longer_side":
        width = height = max(width, height)
    scale = 1 + 2 * contract.margin
    width, height = width * scale, height * scale
    center_x, center_y = (box.left + box.right) / 2, (box.top + box.bottom) / 2
    if not (math.isfinite(center_x + center_y) and max(width, height) <= MAX_CROP_SIDE):
        raise ValueError(f"no crop of more than {MAX_CROP_SIDE} pixels can be cut for {box!r}")
    left, top = _round_half_up(center_x - width / 2), _round_half_up(center_y - height / 2)
    return CropBox(
        left,
        top,
        left + max(1, _round_half_up(width)),
        top + max(1, _round_half_up(height)),
    )


def cut(image: Image, box: CropBox, pad_value: int = 0) -> Image:
    """A copy of the pixels of a box, (box.height, box.width, 3).

    Args:
        image: (height, width, 3).
        pad_value: 0 to 255, for what lies outside the picture.
    """
    crop: Image = np.full((box.height, box.width, 3), pad_value, dtype=np.uint8)
    inside = visible(image, box)
    top, left = max(box.top, 0) - box.top, max(box.left, 0) - box.left
    if inside.size:
        crop[top : top + inside.shape[0], left : left + inside.shape[1]] = inside
    return crop


def visible(image: Image, box: CropBox) -> Image:
    """The part of a box that lies inside the picture: a view, empty when nothing does."""
    height, width = image.shape[:2]
    left, right = _clip(box.left, width), _clip(box.right, width)
    top, bottom = _clip(box.top, height), _clip(box.bottom, height)
    return image[top:bottom, left:right]


def measure_quality(crop: Image) -> CropQuality:
    """Sharpness and brightness of a picture, (height, width, 3), of any size but empty.

    Sharpness follows Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy" (ICPR
    2000), with the kernel 0 1 0 / 1 -4 1 / 0 1 0 at one fixed size, so that faces near and far
    compare. Padding would count as picture: pass the :func:`visible` part of a crop.
    """
    import cv2

    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (QUALITY_SIDE, QUALITY_SIDE), interpolation=cv2.INTER_AREA)
    laplacian = cv2.Laplacian(small, cv2.CV_64F, ksize=1)
    return CropQuality(sharpness=float(np.var(laplacian)), brightness=float(np.mean(grey)))


class Preprocessor:
    """Runs the ``preprocess.onnx`` of a bundle. Safe to call from several threads.

    Raises:
        BundleError: the bundle has no such graph, or one that does not fit its card.
    """

    def __init__(self, bundle: Bundle) -> None:
        # A crop is a millisecond's work: more threads, or a trip to a GPU, would cost more.
        self._model = open_model(bundle, role="preprocess", device="cpu", threads=1)
        self._size = (bundle.card.input.height, bundle.card.input.width)

    def __call__(self, crops: Sequence[Image]) -> Tensor:
        """The model's input for crops (height, width, 3) of any sizes: (N, 3, height, width)."""
        batch = np.empty((len(crops), 3, *self._size), dtype=np.float32)
        for row, crop in zip(batch, crops, strict=True):
            feeds = {PREPROCESS_INPUT: np.ascontiguousarray(crop)}
            row[:] = self._model.run(feeds)[PREPROCESS_OUTPUT][0]
        return batch

    def close(self) -> None:
        """Let go of the graph; closing twice is no error."""
        self._model.close()


def _round_half_up(value: float) -> int:
    return math.floor(value + 0.5)


def _clip(position: int, size: int) -> int:
    return min(max(position, 0), size)

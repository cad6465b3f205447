"""BlazeFace by ONNX Runtime: square views of a frame in, faces in frame pixels out.

The network, its anchors and its decoding are those of MediaPipe (Bazarevsky et al., "BlazeFace:
Sub-millisecond Neural Face Detection on Mobile GPUs", 2019, and the model cards of the short and
full range detectors); every size and threshold comes from the bundle's card. The boxes are the
ones MediaPipe Tasks gives for the same pixels, which the oracle test of this repository checks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt

from dfedge.bundles.card import AnchorLayer, FaceDetectorCard
from dfedge.faces.suppression import weighted_suppression
from dfedge.types import KEYPOINT_NAMES, Box, Face, Image, Tensor

LOGIT_CLIP = 100.0
"""Logits are clipped to this before the sigmoid, as in MediaPipe (``score_clipping_thresh``)."""


class Network(Protocol):
    """What is needed of a :class:``dfedge.runtime.OnnxModel``."""

    def run(self, feeds: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        """Return each output by name for the inputs by name."""

    def close(self) -> None:
        """Free the network."""


@dataclass(frozen=True, slots=True)
class View:
    """A square of a frame, in its pixels, that the detector sees; it may reach past the edges."""

    left: float
    top: float
    side: float

    @classmethod
    def whole(cls, width: int, height: int) -> View:
        """The smallest square that holds a frame, about its centre: MediaPipe's letterbox."""
        side = max(width, height)
        return cls(left=(width - side) / 2, top=(height - side) / 2, side=side)


class BlazeFace:
    """The detector of one bundle. Safe to share between threads when its network is."""

    def __init__(self, card: FaceDetectorCard, network: Network) -> None:
        self._card = card
        self._network = network
        self._size = card.input.width
        self._anchors = anchor_centers(self._size, card.anchors)
        std = np.asarray(card.input.std, np.float32)
        mean = np.asarray(card.input.mean, np.float32)
        self._pixel_scale = (1.0 / (255.0 * std)).astype(np.float32)[:, None, None]
        self._pixel_offset = (-mean / std).astype(np.float32)[:, None, None]

    def detect(self, image: Image) -> tuple[Face, ...]:
        """Return the faces of a picture as MediaPipe's graph does, best first, in its pixels."""
        height, width = image.shape[:2]
        (faces,) = self.detect_views(
            image, [View.whole(width, height)], min_score=self._card.min_score
        )
        return faces

    def detect_views(
        self, image: Image, views: Sequence[View], *, min_score: float
    ) -> list[tuple[Face, ...]]:
        """Return the faces of each view, best first, in pixels of ``image``; one run for all views.

        ``min_score`` in 0 to 1 takes the place of the card's: a caller that looks again at weak
        candidates asks for them with a lower one.
        """
        if not views:
            return []
        batch = np.stack([self._input_tensor(image, view) for view in views])
        outputs = self._network.run({self._card.input.name: batch})
        regressors, logits = outputs[self._card.boxes_output], outputs[self._card.scores_output]
        return [
            self._faces_in(view, regressors[index], logits[index], min_score)
            for index, view in enumerate(views)
        ]

    def close(self) -> None:
        """Free the network; the detector cannot be used afterwards."""
        self._network.close()

    def _input_tensor(self, image: Image, view: View) -> Tensor:
        """Return (3, size, size), normalised."""
        pixels = sample_view(image, view, self._size).transpose(2, 0, 1)
        tensor: Tensor = pixels * self._pixel_scale + self._pixel_offset
        return tensor

    def _faces_in(
        self, view: View, regressors: Tensor, logits: Tensor, min_score: float
    ) -> tuple[Face, ...]:
        coordinates, scores = decode(regressors, logits, self._anchors, min_score=min_score)
        coordinates, scores = weighted_suppression(coordinates, scores, max_iou=self._card.nms_iou)
        points = coordinates.reshape(len(coordinates), 2 + len(KEYPOINT_NAMES), 2)
        points = points * (view.side / self._size) + (view.left, view.top)
        return tuple(
            _face(face_points, float(score))
            for face_points, score in zip(points, scores, strict=True)
        )


def anchor_centers(input_size: int, layers: Sequence[AnchorLayer]) -> Tensor:
    """Return the centres (x, y) of all anchors in input pixels, (anchors, 2).

    BlazeFace's anchors have a fixed size of one input, so only centres matter. Order: layer by
    layer, rows from the top, cells from the left, then the anchors of a cell.
    """
    centers = []
    for layer in layers:
        cells = -(-input_size // layer.stride)
        steps = (np.arange(cells, dtype=np.float32) + np.float32(0.5)) * (input_size / cells)
        rows, columns = np.meshgrid(steps, steps, indexing="ij")
        grid = np.stack([columns, rows], axis=-1).reshape(-1, 2)
        centers.append(np.repeat(grid, layer.anchors_per_cell, axis=0))
    return np.concatenate(centers).astype(np.float32)


def decode(
    regressors: Tensor, logits: Tensor, anchors: Tensor, *, min_score: float
) -> tuple[Tensor, Tensor]:
    """Return what the raw outputs say, in input pixels, for the anchors that reach ``min_score``.

    Takes regressors (anchors, 16), logits (anchors, 1), anchor centres (anchors, 2). Returns
    coordinates (n, 16) as left, top, right, bottom and six (x, y), and scores (n,) in 0 to 1, in
    the order of the anchors. Boxes of no positive size, which the network can give, are left out.
    """
    clipped = np.clip(logits[:, 0].astype(np.float64), -LOGIT_CLIP, LOGIT_CLIP)
    scores = (1.0 / (1.0 + np.exp(-clipped))).astype(np.float32)
    kept = (scores >= min_score) & (regressors[:, 2] > 0.0) & (regressors[:, 3] > 0.0)
    centers = regressors[kept, :2] + anchors[kept]
    half_sizes = regressors[kept, 2:4] / 2
    keypoints = regressors[kept, 4:] + np.tile(anchors[kept], len(KEYPOINT_NAMES))
    coordinates = np.concatenate([centers - half_sizes, centers + half_sizes, keypoints], axis=1)
    return coordinates, scores[kept]


def sample_view(image: Image, view: View, size: int) -> Image:
    """Return the view as (size, size, 3), black outside the frame.

    The sampling is that of MediaPipe's image-to-tensor step: bilinear, corner on corner (output
    pixel i reads frame position i * side / size, with no half-pixel shift), no antialiasing.
    """
    import cv2

    scale = size / view.side
    matrix = np.array([[scale, 0.0, -view.left * scale], [0.0, scale, -view.top * scale]])
    sampled = cv2.warpAffine(image, matrix, (size, size), flags=cv2.INTER_LINEAR)
    return cast("Image", sampled)


def _face(points: Tensor, score: float) -> Face:
    """Build a face from (8, 2): top left, bottom right, six key points."""
    (left, top), (right, bottom), *keypoints = points.tolist()
    return Face(
        box=Box(left, top, right, bottom),
        score=score,
        keypoints=tuple((x, y) for x, y in keypoints),
    )

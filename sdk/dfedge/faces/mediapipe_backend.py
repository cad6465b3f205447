"""Faces by MediaPipe Tasks, for those who want Google's own runtime (extra ``mediapipe``).

It runs the ``.tflite`` of a face detector bundle. There is no second, closer look: what MediaPipe
does not find in the whole frame is not found.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from dfedge.errors import MissingExtraError, RuntimeUnavailableError
from dfedge.types import Box, Face, Image
from dfedge.verdict import ModelInfo


class MediaPipeFinder:
    """A face finder that asks MediaPipe's Face Detector task. Threads take turns.

    Args:
        tflite: a BlazeFace model with normalisation metadata, as the bundles of this project hold.
        info: what is said of the model in a verdict.
        min_score: smallest score of a face, 0 to 1.
        max_iou: detections that overlap more than this are one face.

    Raises:
        MissingExtraError: ``mediapipe`` is not installed.
        RuntimeUnavailableError: it is installed, but does not take the model.
    """

    def __init__(self, tflite: bytes, info: ModelInfo, *, min_score: float, max_iou: float) -> None:
        self._models = (info,)
        self._turn = threading.Lock()
        self._detector, self._wrap = _open(tflite, min_score, max_iou)

    @property
    def models(self) -> tuple[ModelInfo, ...]:
        """The detector's model."""
        return self._models

    def find(self, image: Image) -> tuple[Face, ...]:
        """Return the faces of a picture in its pixels, best first; an empty tuple when none.

        MediaPipe rounds boxes down to whole pixels.
        """
        height, width = image.shape[:2]
        with self._turn:
            if self._detector is None:
                raise RuntimeUnavailableError("the MediaPipe face finder is closed; open it again")
            result = self._detector.detect(self._wrap(np.ascontiguousarray(image)))
        faces = (_face(detection, width, height) for detection in result.detections)
        return tuple(sorted(faces, key=lambda face: -face.score))

    def close(self) -> None:
        """Free MediaPipe's graph; closing twice is no error."""
        with self._turn:
            detector, self._detector = self._detector, None
            if detector is not None:
                detector.close()


def _open(tflite: bytes, min_score: float, max_iou: float) -> tuple[Any, Callable[[Image], Any]]:
    """Return the task and what turns an array into its image type."""
    try:
        mediapipe: Any = importlib.import_module("mediapipe")
        tasks: Any = importlib.import_module("mediapipe.tasks.python")
    except ImportError as error:
        raise MissingExtraError("the face backend 'mediapipe'", "mediapipe") from error
    options = tasks.vision.FaceDetectorOptions(
        base_options=tasks.BaseOptions(model_asset_buffer=tflite),
        min_detection_confidence=min_score,
        min_suppression_threshold=max_iou,
    )
    try:
        detector = tasks.vision.FaceDetector.create_from_options(options)
    except OSError as error:
        raise RuntimeUnavailableError(
            f"MediaPipe lacks a library of the system ({error}); on Debian and Ubuntu: apt-get "
            "install libegl1 libgles2; or use the face backend 'blazeface'"
        ) from error
    except (RuntimeError, ValueError) as error:
        raise RuntimeUnavailableError(
            f"MediaPipe {mediapipe.__version__} cannot use the face model: {error}; "
            "use the face backend 'blazeface'"
        ) from error

    def wrap(image: Image) -> Any:
        return mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=image)

    return detector, wrap


def _face(detection: Any, width: int, height: int) -> Face:
    box = detection.bounding_box
    return Face(
        box=Box(
            float(box.origin_x),
            float(box.origin_y),
            float(box.origin_x + box.width),
            float(box.origin_y + box.height),
        ),
        score=float(detection.categories[0].score),
        keypoints=tuple((point.x * width, point.y * height) for point in detection.keypoints),
    )

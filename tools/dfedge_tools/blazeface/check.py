"""Runs a ``.tflite`` and its ONNX twin on the same images and reports how far they are apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dfedge.bundles.opset import import_onnxruntime
from dfedge_tools.blazeface.litert import open_interpreter
from dfedge_tools.blazeface.onnx_writer import INPUT_NAME, LOGITS_NAME, REGRESSORS_NAME

TOLERANCE = 1e-4
"""Largest difference that is put down to the order of float32 additions."""

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Difference:
    """Largest differences of the raw outputs, as :func:`compare` measures them."""

    images: int
    regressors: float
    logits: float

    @property
    def within_tolerance(self) -> bool:
        """Whether both outputs agree to :data:`TOLERANCE`."""
        return max(self.regressors, self.logits) <= TOLERANCE


def compare(tflite: bytes, onnx: bytes, images: npt.NDArray[np.uint8]) -> Difference:
    """Compare the raw outputs on RGB images (N, side, side, 3) of the model's input size.

    The ONNX graph sees all images as one batch, the interpreter one by one. A difference is
    divided by the largest output of its tensor where that is above 1: regressors reach hundreds
    of pixels, and float32 has seven digits.
    """
    normalised = images.astype(np.float32) * np.float32(2.0 / 255.0) - np.float32(1.0)
    session = import_onnxruntime().InferenceSession(onnx, providers=["CPUExecutionProvider"])
    regressors, logits = session.run(
        [REGRESSORS_NAME, LOGITS_NAME], {INPUT_NAME: normalised.transpose(0, 3, 1, 2)}
    )
    interpreter = open_interpreter(tflite)
    expected = [_run_tflite(interpreter, image) for image in normalised]
    return Difference(
        images=len(images),
        regressors=_distance(np.stack([pair[0] for pair in expected]), regressors),
        logits=_distance(np.stack([pair[1] for pair in expected]), logits),
    )


def random_images(count: int, side: int, *, seed: int) -> npt.NDArray[np.uint8]:
    """Return images (count, side, side, 3): the first half noise, the second coarse squares.

    ``side`` must be divisible by 8.
    """
    generator = np.random.default_rng(seed)
    images = generator.integers(0, 256, (count, side, side, 3), np.uint8)
    coarse = generator.integers(0, 256, (count - count // 2, 8, 8, 3), np.uint8)
    images[count // 2 :] = coarse.repeat(side // 8, axis=1).repeat(side // 8, axis=2)
    return images


def _run_tflite(interpreter: Any, image: Array) -> tuple[Array, Array]:
    """Return regressors (anchors, 16) and logits (anchors, 1) of a normalised (H, W, 3) image."""
    (input_detail,) = interpreter.get_input_details()
    interpreter.set_tensor(input_detail["index"], image[None])
    interpreter.invoke()
    by_size = {
        int(detail["shape"][-1]): interpreter.get_tensor(detail["index"])[0]
        for detail in interpreter.get_output_details()
    }
    return by_size[16], by_size[1]


def _distance(expected: Array, actual: Array) -> float:
    return float(np.abs(expected - actual).max() / max(1.0, float(np.abs(expected).max())))

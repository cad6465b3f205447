"""Whether a bundle does what its card says, by running it once on made-up pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dfedge.bundles.bundle import Bundle
from dfedge.bundles.card import DetectorCard, Input
from dfedge.crops import Preprocessor
from dfedge.errors import BundleFormatError
from dfedge.runtime import open_model
from dfedge.types import Image, Tensor

_COLOUR = (200, 100, 7)
"""RGB; three different numbers, so that a wrong colour order shows."""

_CROP_SIZES = ((53, 37), (400, 640))
"""(height, width) of crops smaller and larger than any usual input."""

_TOLERANCE = 1e-3
"""Of a normalised value; rounding of float32 stays a hundred times below."""

_BATCH = 2


def check_runs(bundle: Bundle) -> None:
    """Open every graph of the bundle on the CPU and run it.

    Names, types and shapes must be those of the card, ``preprocess.onnx`` must turn a plain colour
    into ``(x / 255 - mean) / std`` in the card's colour order, and the model must give finite
    numbers for a batch.

    Raises:
        BundleFormatError: one of these does not hold; the message says which.
        RuntimeUnavailableError: a graph opens but cannot be run.
    """
    if isinstance(bundle.card, DetectorCard):
        _check_preprocess(bundle)
    _check_model(bundle)


def _check_preprocess(bundle: Bundle) -> None:
    preprocess = Preprocessor(bundle)
    crops: list[Image] = [np.full((*size, 3), _COLOUR, np.uint8) for size in _CROP_SIZES]
    expected = _normalised(bundle.card.input)
    if isinstance(bundle.card, DetectorCard) and bundle.card.crop.resize == "letterbox":
        crops = [crop[:37, :37] for crop in crops]  # square: nothing to fill up
    for crop, result in zip(crops, preprocess(crops), strict=True):
        error = float(np.abs(result - expected[:, None, None]).max())
        if not error <= _TOLERANCE:  # also when it is not a number
            raise BundleFormatError(
                f"{bundle.file_path('preprocess')}: for a crop of {crop.shape[1]} x "
                f"{crop.shape[0]} of one colour it gives numbers off by {error:.3g} from the "
                "card's mean, std and colour order; correct the card, or export the bundle again"
            )


def _normalised(model_input: Input) -> Tensor:
    """What the card makes of the test colour: (3,)."""
    colour = np.asarray(_COLOUR, np.float32)
    if model_input.colour_order == "BGR":
        colour = colour[::-1]
    mean, std = (np.asarray(values, np.float32) for values in (model_input.mean, model_input.std))
    normalised: Tensor = (colour / np.float32(255) - mean) / std
    return normalised


def _check_model(bundle: Bundle) -> None:
    model = open_model(bundle, device="cpu", threads=1)
    card_input = bundle.card.input
    shape = [_BATCH, 3, card_input.height, card_input.width]
    if card_input.layout == "NTCHW":
        shape.insert(1, card_input.frames)
    noise = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    for name, output in model.run({card_input.name: noise}).items():
        _check_output(bundle.file_path("model"), name, output)
    model.close()


def _check_output(path: Path, name: str, output: Tensor) -> None:
    if output.shape[:1] != (_BATCH,) or not np.isfinite(output).all():
        raise BundleFormatError(
            f"{path}: for a batch of {_BATCH} its output {name!r} has shape {output.shape}, "
            f"{int(np.isfinite(output).sum())} of {output.size} numbers finite; "
            "export the bundle again"
        )

"""Convert MediaPipe's BlazeFace detectors from TensorFlow Lite to ONNX bundles.

Get the files once, then convert::

    npm pack @mediapipe/face_detection@0.4.1657300184
    tar xzf mediapipe-face_detection-0.4.1657300184.tgz
    python -m dfedge_tools.convert_blazeface --package package --out edge_models/bundles

Every graph is run beside its ``.tflite`` in the LiteRT interpreter before it is written; a bundle
whose outputs differ by more than 1e-4 is not written.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from dfedge.errors import DfedgeError, FidelityError, UsageError
from dfedge_tools.blazeface.bundles import (
    PACKAGE,
    VARIANTS,
    BlazeFaceVariant,
    read_source,
    write_bundle,
)
from dfedge_tools.blazeface.check import TOLERANCE, compare, random_images
from dfedge_tools.blazeface.metadata import with_normalisation
from dfedge_tools.blazeface.onnx_writer import write_onnx
from dfedge_tools.blazeface.tflite_reader import read_tflite

RANDOM_IMAGES = 8
PICTURE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".webp"})


def main(arguments: Sequence[str] | None = None) -> int:
    """Convert both detectors; return 0, or 1 with a message when something does not fit."""
    options = _parser().parse_args(arguments)
    try:
        pictures = _find_pictures(options.images) if options.images else []
        for variant in VARIANTS:
            convert(variant, package=options.package, out=options.out, pictures=pictures)
    except DfedgeError as error:
        print(f"convert_blazeface: {error}", file=sys.stderr)
        return 1
    return 0


def convert(
    variant: BlazeFaceVariant, *, package: Path, out: Path, pictures: Sequence[Path] = ()
) -> None:
    """Convert one detector, check it on random images and ``pictures``, write its bundle.

    Raises:
        UsageError: the package lacks the file, or it is another version's.
        UnsupportedTfliteError: the file holds what the converter does not know.
        FidelityError: the ONNX graph does not give the outputs of the ``.tflite``.
    """
    source = with_normalisation(read_source(package, variant))
    model = write_onnx(read_tflite(source), name=variant.name).SerializeToString()
    images = random_images(RANDOM_IMAGES, variant.input_side, seed=0)
    if pictures:
        images = np.concatenate([images, _load_pictures(pictures, variant.input_side)])
    difference = compare(source, model, images)
    print(
        f"{variant.name}: {difference.images} images ({RANDOM_IMAGES} random, {len(pictures)} "
        f"pictures), largest difference {difference.regressors:.2g} of the regressors, "
        f"{difference.logits:.2g} of the logits; {len(model):,} bytes"
    )
    if not difference.within_tolerance:
        raise FidelityError(
            f"{variant.name}: the ONNX graph differs from the .tflite by more than {TOLERANCE}; "
            "the bundle was not written"
        )
    write_bundle(out / variant.name, variant, model=model, source=source)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dfedge_tools.convert_blazeface",
        description="Convert MediaPipe's BlazeFace detectors to ONNX bundles.",
    )
    parser.add_argument(
        "--package", type=Path, required=True, help=f"folder of the unpacked npm package {PACKAGE}"
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="folder that gets a folder for each bundle"
    )
    parser.add_argument(
        "--images",
        type=Path,
        help="folder of pictures to check the graphs on, beside the random ones",
    )
    return parser


def _find_pictures(folder: Path) -> list[Path]:
    pictures = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURE_SUFFIXES)
    if not pictures:
        raise UsageError(f"{folder}: holds no picture; give --images a folder that does")
    return pictures


def _load_pictures(paths: Sequence[Path], side: int) -> npt.NDArray[np.uint8]:
    """Return the pictures stretched to (count, side, side, 3)."""
    images = []
    for path in paths:
        with Image.open(path) as picture:
            images.append(np.asarray(picture.convert("RGB").resize((side, side)), np.uint8))
    return np.stack(images)


if __name__ == "__main__":
    sys.exit(main())

"""Reading and writing single picture files, and what files made of others are called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Literal, TypeAlias

import cv2
import numpy as np

from dfedge.media import MediaLimits
from dfedge.media.files import display_name, open_regular_file
from dfedge.media.images import PictureFile
from dfedge.types import Image

ImageFormat: TypeAlias = Literal["png", "jpg"]
"""``png`` is lossless; ``jpg`` is quality 95 with full colour resolution (4:4:4)."""

_ENCODING: dict[ImageFormat, list[int]] = {
    "png": [],
    "jpg": [
        cv2.IMWRITE_JPEG_QUALITY,
        95,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    ],
}


def read_image(path: Path) -> Image:
    """RGB picture of a file, upright, (height, width, 3); of an animation the first frame.

    Raises:
        MediaError: It is missing, may not be read, is no picture, or is cut off.
    """
    name = display_name(path)
    file = open_regular_file(path)
    try:
        picture = PictureFile(file, name, MediaLimits())
        try:
            return picture.read(0).image
        finally:
            picture.close()
    finally:
        file.close()


def encode_image(image: Image, form: ImageFormat) -> bytes:
    """The bytes of a picture file."""
    bgr = np.ascontiguousarray(image[:, :, ::-1])
    _, data = cv2.imencode(f".{form}", bgr, _ENCODING[form])
    return data.tobytes()


def names_of_outputs(paths: Sequence[str]) -> dict[str, str]:
    """For each path of a manifest a name that no other has: without suffix where that will do."""
    stems = {path: path.removesuffix(PurePosixPath(path).suffix) for path in paths}
    count = Counter(stems.values())
    return {path: stem if count[stem] == 1 else path for path, stem in stems.items()}

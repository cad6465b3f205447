"""Decoded frame to upright RGB with square pixels."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from dfedge.errors import MediaFormatError, MediaLimitError
from dfedge.media.container import FFMPEG_ERRORS
from dfedge.media.info import MediaLimits
from dfedge.types import Image

_LUMA_WEIGHTS = {1: (0.2126, 0.0722), 9: (0.2627, 0.0593), 10: (0.2627, 0.0593)}
"""(red, blue) weights by FFmpeg's number of the colour matrix: BT.709, BT.2020."""
_BT601 = (0.299, 0.114)
"""Also for frames that do not say, as OpenCV and FFmpeg convert them."""
_FULL_RANGE = 2


class FrameConverter:
    """Converts the frames of one stream; remembers FFmpeg's conversion tables between frames.

    Pixels that are not square (``pixel_aspect`` width/height other than 1) are made square by
    stretching the width, as players do, because a squeezed face is not the face a model knows.
    """

    def __init__(self, name: str, limits: MediaLimits, pixel_aspect: float) -> None:
        self._name = name
        self._limits = limits
        self._aspect = pixel_aspect if 0.2 <= pixel_aspect <= 5.0 else 1.0
        self._reformatter = VideoReformatter()
        self._matrix: npt.NDArray[np.int32] | None = None
        self._matrix_known = False

    def to_rgb(self, frame: VideoFrame) -> Image:
        """RGB (height, width, 3), turned upright.

        Raises MediaLimitError for too large a frame, MediaFormatError for an unknown layout.
        """
        width = round(frame.width * self._aspect) or 1
        if problem := self._limits.size_problem(width, frame.height):
            raise MediaLimitError(self._name, problem)
        try:
            image = self._colours(frame)
        except (*FFMPEG_ERRORS, cv2.error) as error:
            raise MediaFormatError(
                self._name, f"has colours ({frame.format.name}) that cannot be converted to RGB"
            ) from error
        if width != image.shape[1]:
            image = np.asarray(
                cv2.resize(image, (width, frame.height), interpolation=cv2.INTER_LINEAR), np.uint8
            )
        if not self._matrix_known:
            self._matrix, self._matrix_known = _display_matrix(frame), True
        return turn_upright(image, self._matrix)

    def thumbnail(self, frame: VideoFrame, width: int = 128) -> Image:
        """A small RGB picture, neither turned nor stretched, for comparing scenes."""
        height = max(2, min(width * 4, round(frame.height * width / frame.width)))
        small = self._reformatter.reformat(
            frame, width=width, height=height, format="rgb24", interpolation="FAST_BILINEAR"
        )
        return np.asarray(small.to_ndarray(), np.uint8)

    def _colours(self, frame: VideoFrame) -> Image:
        # FFmpeg has no fast path for 4:4:4 (12 ms for 1080p); OpenCV does it in 1 ms, within
        # one grey level.
        if frame.format.name in ("yuv444p", "yuvj444p"):
            full = frame.format.name == "yuvj444p" or frame.color_range == _FULL_RANGE
            return _from_yuv444(frame, _rgb_from_yuv(frame.colorspace, full_range=full))
        rgb = self._reformatter.reformat(frame, format="rgb24")
        return np.asarray(rgb.to_ndarray(), np.uint8)


def turn_upright(image: Image, matrix: npt.NDArray[np.int32] | None) -> Image:
    """Apply a display matrix (3, 3), which maps stored to shown (x, y); quarter turns and mirrors.

    Any other angle is taken to the nearest of those.
    """
    if matrix is None:
        return image
    (a, b), (c, d) = matrix[0, :2].tolist(), matrix[1, :2].tolist()
    if max(abs(a), abs(d)) >= max(abs(b), abs(c)):
        flip_x, flip_y = a < 0, d < 0
    else:
        image = image.swapaxes(0, 1)
        flip_x, flip_y = c < 0, b < 0
    image = image[:, ::-1] if flip_x else image
    image = image[::-1] if flip_y else image
    return np.ascontiguousarray(image)


def _display_matrix(frame: VideoFrame) -> npt.NDArray[np.int32] | None:
    """The matrix of a stream, which is the same for all frames.

    Asked of one frame only: PyAV ties a frame whose side data were looked at into a cycle, and it
    keeps its pixels until the garbage collector comes by.
    """
    entries: Any = frame.side_data  # typed as a mapping by PyAV, but iterates over its values
    for entry in entries:
        if entry.type.name == "DISPLAYMATRIX":
            return np.frombuffer(bytes(entry), np.int32, count=9).reshape(3, 3)
    return None


def _from_yuv444(frame: VideoFrame, matrix: npt.NDArray[np.float32]) -> Image:
    planes = [
        np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[
            : frame.height, : frame.width
        ]
        for plane in frame.planes
    ]
    return np.asarray(cv2.transform(cv2.merge(planes), matrix), np.uint8)


def _rgb_from_yuv(colorspace: int, *, full_range: bool) -> npt.NDArray[np.float32]:
    """(3, 4) matrix from 8-bit Y'CbCr to R'G'B' (ITU-R BT.601, BT.709, BT.2020)."""
    red, blue = _LUMA_WEIGHTS.get(colorspace, _BT601)
    green = 1.0 - red - blue
    black, luma, chroma = (0.0, 1.0, 1.0) if full_range else (16.0, 255 / 219, 255 / 224)
    to_red, to_blue = 2 * (1 - red) * chroma, 2 * (1 - blue) * chroma
    linear = np.array(
        [
            [luma, 0.0, to_red],
            [luma, -to_blue * blue / green, -to_red * red / green],
            [luma, to_blue, 0.0],
        ]
    )
    offset = -linear @ np.array([black, 128.0, 128.0])
    return np.column_stack([linear, offset]).astype(np.float32)

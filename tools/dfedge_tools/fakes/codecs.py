"""Pictures after real encoders: JPEG, WebP, H.264, MPEG-4 Part 2 and VP9.

Every picture of a lot meets the encoder in the same state and with the same quantizer: equal
pictures come out equal, whatever else is in the lot. A rate factor would give the first picture
more bits than the others, and with it a mark to tell them by.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal

import av
import cv2
import numpy as np
from av.video.codeccontext import VideoCodecContext
from PIL import Image as PillowImage

from dfedge.types import Image

VideoCodec = Literal["h264", "mpeg4", "vp9"]


@dataclass(frozen=True, slots=True)
class _Coder:
    encoder: str
    decoder: str
    options: dict[str, str]
    quantizer: tuple[str, ...]
    """Options that hold the quantizer."""


_CODERS: Final[dict[VideoCodec, _Coder]] = {
    "h264": _Coder(
        "libx264",
        "h264",
        {"preset": "veryfast", "tune": "zerolatency", "sc_threshold": "0"},
        ("qp",),
    ),
    "mpeg4": _Coder("mpeg4", "mpeg4", {"sc_threshold": "1000000000"}, ("qmin", "qmax")),
    "vp9": _Coder(
        "libvpx-vp9",
        "vp9",
        {
            "deadline": "realtime",
            "cpu-used": "8",
            "b": "0",
            "lag-in-frames": "0",
        },
        ("crf", "qmin", "qmax"),
    ),
}


def jpeg(image: Image, quality: int) -> Image:
    """The picture after JPEG at a quality of 1 to 100."""
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def webp(image: Image, quality: int) -> Image:
    """The picture after lossy WebP at a quality of 1 to 100, with the encoder's quickest method."""
    data = io.BytesIO()
    PillowImage.fromarray(image).save(data, "WEBP", quality=quality, method=0)
    return np.asarray(PillowImage.open(data).convert("RGB"), np.uint8)


def video(
    images: Sequence[Image],
    codec: VideoCodec,
    *,
    quantizer: int,
    motion: tuple[int, int] | None = None,
) -> list[Image]:
    """The pictures, all of one size, after a video encoder.

    Predicted frames (`motion`) are for H.264 alone: what MPEG-4 makes of one depends a little on
    the frames before its key frame.

    Args:
        images: Any number; odd sides are padded for the encoder and cut again.
        codec: H.264 takes a quantizer of 0 to 51, MPEG-4 of 2 to 31, VP9 of 0 to 63.
        quantizer: The same for every picture.
        motion: None: each picture is a key frame. Else each is predicted from a key frame of
            its own, which shows the same picture this many pixels (right, down) away.
    """
    if not images:
        return []
    height, width = images[0].shape[:2]
    frames: list[Image] = []
    for image in images:
        padded = cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
        if motion is not None:
            frames.append(_shifted(np.asarray(padded, np.uint8), motion))
        frames.append(np.asarray(padded, np.uint8))
    step = 1 if motion is None else 2
    coded = _code(frames, _CODERS[codec], quantizer, group=step)
    return [np.ascontiguousarray(image[:height, :width]) for image in coded[step - 1 :: step]]


def _code(images: Sequence[Image], coder: _Coder, quantizer: int, *, group: int) -> list[Image]:
    """Encode and decode; every `group` pictures begin with a key frame."""
    height, width = images[0].shape[:2]
    encoder = av.CodecContext.create(coder.encoder, "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base = Fraction(1, 25)
    encoder.thread_count = 1
    chosen = {name: str(quantizer) for name in coder.quantizer}
    encoder.options = {**coder.options, **chosen, "g": str(group)}
    decoder = av.CodecContext.create(coder.decoder, "r")
    assert isinstance(decoder, VideoCodecContext)
    decoder.thread_count = 1
    packets = []
    for number, image in enumerate(images):
        planes = cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420)
        frame = av.VideoFrame.from_ndarray(np.asarray(planes, np.uint8), format="yuv420p")
        frame.pts = number
        packets.extend(encoder.encode(frame))
    packets.extend(encoder.encode(None))
    frames = [frame for packet in packets for frame in decoder.decode(packet)]
    frames.extend(decoder.decode(None))
    return [
        np.asarray(cv2.cvtColor(frame.to_ndarray(), cv2.COLOR_YUV2RGB_I420), np.uint8)
        for frame in frames
    ]


def _shifted(image: Image, motion: tuple[int, int]) -> Image:
    right, down = motion
    matrix = np.array([[1, 0, right], [0, 1, down]], np.float32)
    height, width = image.shape[:2]
    return np.asarray(
        cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE), np.uint8
    )

"""What happens to a picture between the camera and the detector, the same to real and fake.

A list of pictures goes through one chain with one set of random numbers: if the chain differed
between a fake and its genuine twin, the detector would learn the chain.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import av
import cv2
import numpy as np

from dfedge.types import Image
from dfedge_tools.fakes.blending import add_noise, jpeg


def degrade_together(
    images: Sequence[Image], *, rng: np.random.Generator, strength: float
) -> list[Image]:
    """Resize chain, blur, noise and light changes; each drawn once for all `images`.

    `strength` runs from 0 (nothing) to 1.
    """
    out = list(images)
    if rng.random() < 0.5:
        gain, offset = _draw_tone(rng, strength)
        out = [_tone(i, gain, offset) for i in out]
    if rng.random() < 0.45 * strength:
        factor = rng.uniform(0.45, 0.95)
        down = _pick(rng, (cv2.INTER_AREA, cv2.INTER_LINEAR))
        up = _pick(rng, (cv2.INTER_LINEAR, cv2.INTER_CUBIC))
        out = [_resize_chain(i, factor, down, up) for i in out]
    if rng.random() < 0.25 * strength:
        sigma = rng.uniform(0.3, 1.3)
        out = [np.asarray(cv2.GaussianBlur(i, (0, 0), sigma), np.uint8) for i in out]
    if rng.random() < 0.20 * strength:
        sigma, seed = rng.uniform(1, 5), int(rng.integers(2**32))
        out = [add_noise(i, sigma, np.random.default_rng((seed, n))) for n, i in enumerate(out)]
    return out


def compress_together(
    images: Sequence[Image], *, rng: np.random.Generator, strength: float
) -> list[Image]:
    """JPEG at one quality for all, or H.264 at one rate factor, or nothing."""
    kind = rng.random()
    if kind < 0.38 * strength:
        return h264(images, quantizer=int(rng.integers(18, 26 + round(14 * strength))))
    if kind < 0.80 * strength:
        quality = int(rng.integers(95 - round(55 * strength) - 5, 97))
        return [jpeg(i, quality) for i in images]
    return list(images)


def h264(images: Sequence[Image], *, quantizer: int) -> list[Image]:
    """The pictures after H.264, each as a key frame of its own; all must have one even size.

    The quantizer is constant: a rate factor would give the first picture of a lot more bits than
    the others, and with it a mark to tell them by.
    """
    height, width = images[0].shape[:2]
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base = Fraction(1, 25)
    encoder.thread_count = 1
    encoder.options = {"preset": "veryfast", "tune": "zerolatency", "qp": str(quantizer), "g": "1"}
    decoder = av.CodecContext.create("h264", "r")
    decoder.thread_count = 1
    packets = []
    for number, image in enumerate(images):
        planes = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2YUV_I420)
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


def _draw_tone(rng: np.random.Generator, strength: float) -> tuple[float, float]:
    gain = 1 + rng.uniform(-0.25, 0.25) * (0.4 + 0.6 * strength)
    return gain, rng.uniform(-25, 25) * (0.4 + 0.6 * strength)


def _tone(image: Image, gain: float, offset: float) -> Image:
    levels = np.arange(256, dtype=np.float32)
    table = np.clip((levels - 128) * gain + 128 + offset, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(image, table), np.uint8)


def _resize_chain(image: Image, factor: float, down: int, up: int) -> Image:
    height, width = image.shape[:2]
    size = (max(8, round(width * factor)), max(8, round(height * factor)))
    small = cv2.resize(image, size, interpolation=down)
    return np.asarray(cv2.resize(small, (width, height), interpolation=up), np.uint8)


def _pick(rng: np.random.Generator, choices: Sequence[int]) -> int:
    return int(choices[int(rng.integers(len(choices)))])

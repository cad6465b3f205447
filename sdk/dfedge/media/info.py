"""What a caller says about a source (limits) and what a source says about itself (info)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from dfedge.errors import UsageError
from dfedge.types import Image

Sampling: TypeAlias = Literal["even", "scene", "fast", "live"]
"""``even``: N frames spread over the source by time. ``scene``: up to six a scene. ``fast``: short
bursts after keyframes. ``live``: the newest frame, a few times a second."""

Source: TypeAlias = str | os.PathLike[str] | Image | npt.NDArray[np.uint8] | Sequence[Image]
"""A path or http(s) address; one RGB picture (H, W, 3); pictures (N, H, W, 3) or a sequence."""

MediaKind: TypeAlias = Literal["video", "image", "frames", "array", "stream"]


@dataclass(frozen=True, kw_only=True)
class MediaLimits:
    """How much a source may cost before it is refused with a ``MediaLimitError``.

    Attributes:
        max_bytes: size of a download.
        max_seconds: time a download may take, connecting and redirects included.
        max_redirects: redirects followed; each target is checked like the first address.
        max_pixels: width times height of one frame. The default leaves room for 8K video (33
            million) and 64-megapixel photographs and bounds one RGB frame to 240 MB.
        max_side: longest side of one frame, in pixels.
        stall_seconds: longest wait for the next packet, frame or bytes of an answer.
        allow_private_addresses: whether an http(s) address may lead to this machine or a private
            network. True, because the user typed the address; a server that fetches for others
            sets it to False.
    """

    max_bytes: int = 2 * 1024**3
    max_seconds: float = 300.0
    max_redirects: int = 5
    max_pixels: int = 80_000_000
    max_side: int = 16_384
    stall_seconds: float = 30.0
    allow_private_addresses: bool = True

    def __post_init__(self) -> None:
        for option in ("max_bytes", "max_seconds", "max_pixels", "max_side", "stall_seconds"):
            if not getattr(self, option) > 0:
                raise UsageError(f"{option} must be positive, got {getattr(self, option)!r}")
        if self.max_redirects < 0:
            raise UsageError(f"max_redirects must not be negative, got {self.max_redirects!r}")

    def size_problem(self, width: int, height: int) -> str | None:
        """Why a frame of width x height pixels is refused, or None when it is not."""
        if width > self.max_side or height > self.max_side:
            limit = f"{self.max_side} pixels a side (max_side)"
        elif width * height > self.max_pixels:
            limit = f"{self.max_pixels} pixels (max_pixels)"
        else:
            return None
        return f"a picture of {width}x{height} is over the limit of {limit}; make it smaller first"


@dataclass(frozen=True)
class MediaInfo:
    """What is known of an open source.

    Attributes:
        name: path or address as text fit for a terminal, without credentials.
        width, height: pixels of a frame; from the file's header until the first frame has come,
            then of that frame, upright and with square pixels.
        duration_seconds: None where there is none or it is not known.
    """

    name: str
    kind: MediaKind
    width: int
    height: int
    duration_seconds: float | None

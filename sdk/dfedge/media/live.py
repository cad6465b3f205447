"""Sources without an end: cameras and RTSP. Only the newest frame waits for the caller."""

from __future__ import annotations

import math
import stat
import sys
import time
from pathlib import Path
from typing import Any

import av
import av.container
import av.error
import cv2
import numpy as np

from dfedge.errors import (
    MediaAccessError,
    MediaError,
    MediaFetchError,
    MediaFormatError,
    MediaLimitError,
    MediaNotFoundError,
)
from dfedge.media.convert import FrameConverter
from dfedge.media.info import MediaInfo, MediaLimits
from dfedge.media.reader import Feed
from dfedge.media.remote import redact
from dfedge.types import Frame

LIVE_STALL_SECONDS = 5.0
"""A stream that is silent for so long is taken to be gone; also how long closing may wait."""

RTSP_PROTOCOLS = "rtsp,rtsps,rtp,srtp,udp,tcp,tls,crypto"


class RtspStream:
    """An open RTSP address, over TCP. Raises MediaFetchError or MediaFormatError."""

    def __init__(self, url: str, limits: MediaLimits) -> None:
        name = redact(url)
        self._patience = min(limits.stall_seconds, LIVE_STALL_SECONDS)
        try:
            self._container = av.open(
                url,
                "r",
                options={
                    "rtsp_transport": "tcp",
                    "protocol_whitelist": RTSP_PROTOCOLS,
                    "format_whitelist": "rtsp",
                    "max_pixels": str(limits.max_pixels),
                    "fflags": "nobuffer",
                },
                metadata_errors="replace",
                timeout=(self._patience, self._patience),
            )
        except (av.error.FFmpegError, ValueError, OSError) as error:
            raise MediaFetchError(name, f"cannot be opened ({_reason(error)})") from error
        try:
            if not self._container.streams.video:
                raise MediaFormatError(name, "sends no video")
            self._stream = self._container.streams.video[0]
            context = self._stream.codec_context
            if context is None:
                raise MediaFormatError(name, "is coded in a way that cannot be decoded here")
            if problem := limits.size_problem(context.width, context.height):
                raise MediaLimitError(name, problem)
        except BaseException:
            self._container.close()
            raise
        aspect = float(self._stream.sample_aspect_ratio or 1)
        self._converter = FrameConverter(name, limits, aspect)
        self.info = MediaInfo(name, "stream", context.width, context.height, None)

    def close(self) -> None:
        """Leave the stream."""
        self._container.close()

    def produce(self, feed: Feed, fps: float) -> None:
        """Decode all, convert the newest frame ``fps`` times a second; ends with the stream."""
        gate = _Gate(fps)
        number = 0
        try:
            for packet in self._container.demux(self._stream):
                feed.beat()
                for picture in _decode(packet):
                    seconds = picture.time if picture.time is not None else gate.now()
                    if (moment := gate.moment(seconds)) is not None:
                        feed.put(Frame(self._converter.to_rgb(picture), number, moment))
                    number += 1
        except (av.error.FFmpegError, OSError) as error:
            if isinstance(error, EOFError):
                return
            raise MediaFetchError(
                self.info.name,
                f"the stream broke off or was silent for {self._patience:g} seconds; "
                "check the camera and start again",
            ) from error


class Camera:
    """A camera of this machine, by number or device path.

    Raises MediaNotFoundError or MediaAccessError.
    """

    def __init__(self, source: int | str, limits: MediaLimits) -> None:
        name = f"camera {source}" if isinstance(source, int) else source
        _check_device(source, name)
        self._limits = limits
        self._capture = cv2.VideoCapture(source)
        if not self._capture.isOpened():
            self._capture.release()
            raise MediaAccessError(name, "cannot be opened: in use by a program or not permitted")
        width = int(self._capture.get(cv2.CAP_PROP_FRAME_WIDTH))
        height = int(self._capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
        self.info = MediaInfo(name, "stream", width, height, None)

    def close(self) -> None:
        """Free the camera."""
        self._capture.release()

    def produce(self, feed: Feed, fps: float) -> None:
        """Take every frame, so that none grows old in the driver; keep ``fps`` a second."""
        gate = _Gate(fps)
        number = 0
        while self._capture.grab():
            feed.beat()
            if (moment := gate.moment(gate.now())) is not None:
                there, picture = self._capture.retrieve()
                if there:
                    feed.put(Frame(self._to_rgb(picture), number, moment))
            number += 1
        raise MediaAccessError(self.info.name, "stopped giving pictures; was it unplugged?")

    def _to_rgb(self, picture: Any) -> np.ndarray[Any, np.dtype[np.uint8]]:
        height, width = picture.shape[:2]
        if problem := self._limits.size_problem(width, height):
            raise MediaLimitError(self.info.name, problem)
        return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


def camera_source(source: str | int) -> int | str | None:
    """The camera that a source means (a number, ``/dev/video0``), or None."""
    if isinstance(source, int):
        return source
    if source.isascii() and source.isdecimal() and len(source) <= 3:
        return int(source)
    return source if source.startswith("/dev/video") else None


class _Gate:
    """Lets ``fps`` moments a second through; times count from the first frame."""

    def __init__(self, fps: float) -> None:
        self._fps = fps
        self._first: float | None = None
        self._due = 0.0
        self._opened = time.monotonic()

    def now(self) -> float:
        return time.monotonic() - self._opened

    def moment(self, seconds: float) -> float | None:
        """Seconds since the first frame if the frame is due, else None."""
        if self._first is None:
            self._first = seconds
        moment = max(0.0, seconds - self._first)
        if moment < self._due:
            return None
        self._due = (math.floor(moment * self._fps + 1e-6) + 1) / self._fps
        return moment


def _decode(packet: Any) -> list[Any]:
    try:
        return list(packet.decode())
    except av.error.InvalidDataError:  # packets are lost on a network; the next keyframe heals
        return []


def _check_device(source: int | str, name: str) -> None:
    if isinstance(source, int) and source < 0:
        raise MediaNotFoundError(name, "cameras are numbered from 0")
    if not sys.platform.startswith("linux"):
        return
    path = Path(f"/dev/video{source}" if isinstance(source, int) else source)
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise MediaNotFoundError(name, "there is no such camera on this machine") from error
    if not stat.S_ISCHR(mode):
        raise MediaNotFoundError(name, "is not a camera")


def _reason(error: Exception) -> str:
    if isinstance(error, MediaError):
        return error.problem
    text = getattr(error, "strerror", None) or type(error).__name__
    return str(text).lower()

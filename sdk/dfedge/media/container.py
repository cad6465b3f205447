"""Opening a video file with FFmpeg in a cage: chosen formats, no other file, no network."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import BinaryIO

import av
import av.container
import av.error
import av.video
from av.packet import Packet
from av.video.stream import VideoStream

from dfedge.errors import MediaAccessError, MediaFormatError, MediaLimitError
from dfedge.media.files import describe_content, read_head
from dfedge.media.info import MediaLimits

DEMUXERS = (
    "mov,matroska,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,ivf,h264,hevc,m4v,mxf,dv,nut,obu,mjpeg,rm"
)
"""FFmpeg formats a file may have. Playlists and scripts (hls, dash, concat, sdp, image patterns),
which make FFmpeg open further files or addresses, are not among them."""

FFMPEG_ERRORS = (av.error.FFmpegError, OSError, ValueError, IndexError)
"""What PyAV raises on damaged files: FFmpeg's errors, those of our file object (a seek before its
start), and an IndexError when new streams appear at the end."""

BUFFER_BYTES = 128 * 1024
DECODE_THREADS = min(4, os.cpu_count() or 1)
"""Each holds one more decoded frame; the models want the other cores."""
MAX_STREAMS = 100


class VideoContainer:
    """An open file with one video stream. The file stays the caller's, who closes it.

    Attributes:
        container, stream: PyAV's; new ones after ``reopen``.
        first_packet: the first packet that was read, for :meth:`prime`.
    """

    def __init__(self, file: BinaryIO, name: str, limits: MediaLimits) -> None:
        self.name = name
        self._file = file
        self._limits = limits
        self.single_threaded = False
        self.first_packet: Packet[VideoStream] | None = None
        self._open()

    def reopen(self, *, single_threaded: bool | None = None) -> None:
        """Start again at the first packet, with one decoding thread or several (None: as now)."""
        self.close()
        if single_threaded is not None:
            self.single_threaded = single_threaded
        self._open()

    def prime(self, start: Packet[VideoStream]) -> None:
        """Show a fresh decoder the first packet of the file, before it starts at another.

        Some streams say there, and only there, what the rest needs: x264 names its version, and
        FFmpeg decodes 4:4:4 of old versions to green garbage without it.
        """
        context = self.stream.codec_context
        first = self.first_packet
        if not context.is_open and first is not None and first.pts != start.pts:
            with suppress(*FFMPEG_ERRORS):
                context.decode(first)
        context.flush_buffers()

    def close(self) -> None:
        """Give FFmpeg's memory back."""
        self.container.close()

    def _open(self) -> None:
        self.container = _open_caged(self._file, self.name, self._limits)
        try:
            self.stream = _choose_stream(self.container, self.name)
            self._check()
        except BaseException:
            self.container.close()
            raise
        self.stream.thread_type = "AUTO"
        self.stream.codec_context.thread_count = 1 if self.single_threaded else DECODE_THREADS

    def _check(self) -> None:
        width, height = self.stream.codec_context.width, self.stream.codec_context.height
        if width and height and (problem := self._limits.size_problem(width, height)):
            raise MediaLimitError(self.name, problem)


class _Unclosable:
    """Lends a file to PyAV, which must not close it."""

    def __init__(self, file: BinaryIO) -> None:
        self.read = file.read
        self.seek = file.seek
        self.tell = file.tell


def _open_caged(file: BinaryIO, name: str, limits: MediaLimits) -> av.container.InputContainer:
    head = read_head(file)
    known = describe_content(head)
    if known is not None:
        raise MediaFormatError(name, f"holds no picture: it is {known}")
    options = {
        "format_whitelist": DEMUXERS,
        "protocol_whitelist": "none",
        "max_pixels": str(limits.max_pixels),
        "max_streams": str(MAX_STREAMS),
    }
    try:
        return av.open(
            _Unclosable(file),
            "r",
            options=options,
            metadata_errors="replace",
            buffer_size=BUFFER_BYTES,
        )
    except FFMPEG_ERRORS as error:
        raise MediaFormatError(
            name, "is not a picture or video that can be read, or it is damaged at its start"
        ) from error


def _choose_stream(container: av.container.InputContainer, name: str) -> av.video.VideoStream:
    streams = [s for s in container.streams.video if not _is_cover(s)]
    if not streams:
        kinds = {stream.type for stream in container.streams}
        found = "only sound" if "audio" in kinds or container.streams.video else "no video"
        raise MediaFormatError(name, f"holds {found}, no picture to look at")
    # A file with several (screen and camera, two qualities): the largest, then the first.
    stream = max(streams, key=_area)
    if stream.codec_context is None or stream.codec is None:
        raise MediaFormatError(name, "is coded in a way this installation cannot decode")
    if stream.codec_context.codec_tag in ("encv", "drmi"):
        raise MediaAccessError(name, ENCRYPTED)
    return stream


ENCRYPTED = "is encrypted (DRM); only the service that sells it can play it"


def _is_cover(stream: av.video.VideoStream) -> bool:
    """Whether it is the cover picture of a song or a row of thumbnails."""
    kind = av.stream.Disposition
    return bool(stream.disposition & (kind.attached_pic | kind.timed_thumbnails))


def _area(stream: av.video.VideoStream) -> int:
    context = stream.codec_context
    return 0 if context is None else context.width * context.height

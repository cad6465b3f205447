"""What the packets of a video tell before anything is decoded: times, keyframes, where to start.

Demuxing costs about 5 microseconds a packet, so files up to :data:`SCAN_BYTES` are read through
once (:class:`FullIndex`): their times are exact even when the header is wrong. Of larger files only
the surroundings of the wanted moments are read (:class:`SeekIndex`).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from av.packet import Packet
from av.video.stream import VideoStream

from dfedge.errors import MediaAccessError, MediaFormatError
from dfedge.media.container import ENCRYPTED, FFMPEG_ERRORS, VideoContainer

SCAN_BYTES = 64 * 1024**2
FALLBACK_RATE = 25.0
"""Frames a second when neither times nor a rate are stored (a bare H.264 stream)."""

Beat: TypeAlias = Callable[[], None]
"""Called for each packet; may raise to stop the work."""

VideoPacket: TypeAlias = "Packet[VideoStream]"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A frame to decode: its time, and that of the keyframe to start from, in stream ticks."""

    pts: int
    key: int


@dataclass(frozen=True)
class FullIndex:
    """All packets.

    Attributes:
        pts: time of every frame that is shown, increasing.
        keys: times of the keyframes, increasing; one may lie before the first frame shown.
        count: number of packets that hold a frame.
        timed: False when packets have no usable presentation times; then only ``count`` is good.
    """

    pts: npt.NDArray[np.int64]
    keys: npt.NDArray[np.int64]
    count: int
    start: int
    end: int
    tick_seconds: float
    timed: bool

    def locate(self, tick: int) -> Wanted | None:
        """The frame shown at a tick."""
        place = max(0, int(np.searchsorted(self.pts, tick, side="right")) - 1)
        pts = int(self.pts[place])
        return Wanted(pts, self.key_before(pts))

    def key_before(self, pts: int) -> int:
        """The last keyframe at or before a time; the first when there is none before."""
        return int(self.keys[max(0, int(np.searchsorted(self.keys, pts, side="right")) - 1)])

    def number(self, pts: int) -> int:
        """Number of the frame in presentation order."""
        return max(0, int(np.searchsorted(self.pts, pts, side="right")) - 1)


def video_packets(source: VideoContainer, beat: Beat) -> Iterator[VideoPacket]:
    """Packets with content, from where the file stands; a damaged end counts as the end.

    Raises MediaAccessError when the first of them is encrypted.
    """
    first = True
    try:
        for packet in source.container.demux(source.stream):
            beat()
            if packet.size == 0:
                continue
            if first and packet.has_sidedata("encryption_info"):
                raise MediaAccessError(source.name, ENCRYPTED)
            first = False
            if source.first_packet is None:
                source.first_packet = packet
            yield packet
    except FFMPEG_ERRORS:
        return


def scan(source: VideoContainer, beat: Beat) -> FullIndex:
    """Read all packets of a file that stands at its start."""
    stream = source.stream
    tick_seconds = float(stream.time_base or 1 / FALLBACK_RATE)
    times: list[int] = []
    keys: list[int] = []
    count = hidden = 0
    end = -(2**62)
    for packet in video_packets(source, beat):
        if packet.is_corrupt:
            continue
        pts = packet.pts
        if pts is not None and packet.is_keyframe:
            keys.append(pts)
        if packet.is_discard:
            hidden += 1
            continue
        count += 1
        if pts is not None:
            times.append(pts)
            end = max(end, pts + max(1, packet.duration or 0))
    if count == 0:
        raise MediaFormatError(source.name, "is cut off before its first frame")
    timed = len(times) == count and bool(keys) and not _stores_coding_order(source)
    if not timed:
        seconds = count / frame_rate(stream)
        nothing = np.empty(0, np.int64)
        ticks = max(1, round(seconds / tick_seconds))
        return FullIndex(nothing, nothing, count, 0, ticks, tick_seconds, timed=False)
    shown = np.unique(np.array(times, np.int64))
    return FullIndex(
        pts=shown,
        keys=np.unique(np.array(keys, np.int64)),
        count=count,
        start=int(shown[0]),
        end=end,
        tick_seconds=tick_seconds,
        timed=True,
    )


def frame_rate(stream: VideoStream) -> float:
    """Frames a second that the file states, or the fallback."""
    for rate in (stream.average_rate, stream.guessed_rate):
        if rate is not None and 0 < rate < 1000:
            return float(rate)
    return FALLBACK_RATE


def _stores_coding_order(source: VideoContainer) -> bool:
    """AVI has no presentation times: with reordered frames FFmpeg's guesses are wrong."""
    return source.container.format.name == "avi" and bool(source.stream.codec_context.has_b_frames)


class SeekIndex:
    """A large file: packets are read only around the moments asked for.

    Numbers of frames are computed from the average rate, exact for a constant rate.
    """

    BACK_SECONDS = (0.0, 2.0, 15.0)
    """How far before a moment to seek, one after the other, while seeks land behind it."""

    def __init__(self, source: VideoContainer, duration: float, beat: Beat) -> None:
        self._source = source
        self._beat = beat
        stream = source.stream
        self.tick_seconds = float(stream.time_base or 1 / FALLBACK_RATE)
        self._rate = frame_rate(stream)
        first = self._packets_from(None)
        times = [
            packet.pts
            for packet in itertools.islice(first, 32)
            if packet.pts is not None and not packet.is_discard
        ]
        if not times:
            raise MediaFormatError(source.name, "has no times to seek by")
        self.start = min(times)
        self.end = self.start + round(duration / self.tick_seconds)
        self.end = self._measure_end()

    def locate(self, tick: int) -> Wanted | None:
        """The frame shown at a tick."""
        for back in self.BACK_SECONDS:
            found = self._walk(tick - round(back / self.tick_seconds), tick)
            if found is not None:
                return found
        return self._walk(None, tick)

    def number(self, pts: int) -> int:
        """Number of the frame in presentation order."""
        return max(0, round((pts - self.start) * self.tick_seconds * self._rate))

    def _walk(self, seek_to: int | None, tick: int) -> Wanted | None:
        """Read on from a seek until no later packet can be shown at or before ``tick``."""
        key: int | None = None
        best: int | None = None
        for packet in self._packets_from(seek_to):
            pts = packet.pts
            if pts is not None and pts <= tick:
                if packet.is_keyframe:
                    key = pts if key is None else max(key, pts)
                if key is not None and not (packet.is_discard or packet.is_corrupt):
                    best = pts if best is None else max(best, pts)
            decode_time = packet.dts if packet.dts is not None else pts
            if decode_time is not None and decode_time > tick:
                break
        return None if key is None or best is None else Wanted(best, key)

    def _measure_end(self) -> int:
        """One tick after the last frame, wherever the header says that is."""
        last = self.locate(self.end)
        if last is None:
            return self.end
        end = self.start
        for packet in self._packets_from(last.key):
            if packet.pts is not None:
                end = max(end, packet.pts + max(1, packet.duration or 0))
        return end

    def _packets_from(self, tick: int | None) -> Iterator[VideoPacket]:
        """Packets after a seek; from the very first, which no seek may reach, for None."""
        try:
            if tick is not None:
                self._source.container.seek(tick, stream=self._source.stream)
        except FFMPEG_ERRORS:
            tick = None
        if tick is None:
            self._source.reopen()
        return video_packets(self._source, self._beat)

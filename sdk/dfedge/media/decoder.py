"""Decoding only what wanted frames need: from their keyframe, without frames nothing refers to."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Iterator

from av.video.frame import VideoFrame

from dfedge.media.container import FFMPEG_ERRORS, VideoContainer
from dfedge.media.packets import Beat, VideoPacket, Wanted, video_packets

SKIP_SECONDS = 5.0
"""A keyframe no further ahead is reached by reading on, one beyond by seeking."""

SEEK_BACK_SECONDS = (0.0, 2.0, 15.0)
"""How far before a keyframe to seek, one after the other, while seeks land behind it."""


class Decoder:
    """Moves through a file and decodes.

    Attributes:
        damaged: number of packets that the codec refused.
    """

    def __init__(self, source: VideoContainer, beat: Beat) -> None:
        self._source = source
        self._beat = beat
        self._packets: Iterator[VideoPacket] | None = None
        self._last: VideoPacket | None = None
        self.damaged = 0

    def decode_run(self, key: int, run: list[Wanted]) -> Iterator[tuple[VideoFrame, Wanted]]:
        """The wanted frames that follow one keyframe, in order of time.

        Frames that no other frame refers to are skipped unless wanted: half the work of a full
        decode, and the same pictures.
        """
        pending = deque(run)
        yield from self._decode_pending(key, pending)
        if pending and not self._source.single_threaded:
            # Decoding threads lose good pictures near a damaged packet; one thread does not.
            self._source.reopen(single_threaded=True)
            self._packets = self._last = None
            yield from self._decode_pending(key, pending)

    def decode_burst(self, start: int, key: int, stop: int, count: int) -> Iterator[VideoFrame]:
        """Up to ``count`` reference frames from a keyframe on, with times in ``[start, stop)``."""
        given = 0
        packets = itertools.chain(self._from_key(key), [None])
        for packet in packets:
            for picture in self._decode(packet, "NONREF"):
                if picture.pts is None or picture.pts < start:
                    continue
                if picture.pts >= stop or given == count:
                    return
                given += 1
                yield picture
            if given == count:
                return

    def decode_overview(self, key: int, *, keys_only: bool) -> Iterator[VideoFrame]:
        """Reference frames, or keyframes only, from a keyframe to the end."""
        for packet in self._from_key(key):
            if not keys_only or packet.is_keyframe:
                yield from self._decode(packet, "NONREF")
        yield from self._decode(None, "NONREF")

    def decode_all(self) -> Iterator[VideoFrame]:
        """Every frame, in order, of a file that stands at its start."""
        for packet in video_packets(self._source, self._beat):
            yield from self._decode(packet, "DEFAULT")
        yield from self._decode(None, "DEFAULT")

    def _decode_pending(
        self, key: int, pending: deque[Wanted]
    ) -> Iterator[tuple[VideoFrame, Wanted]]:
        times = {wanted.pts for wanted in pending}
        last = pending[-1].pts
        for packet in self._from_key(key):
            skip = "DEFAULT" if packet.pts in times or packet.pts is None else "NONREF"
            yield from _match(self._decode(packet, skip), pending)
            if not pending:
                return
            if packet.dts is not None and packet.dts > last:
                break
        yield from _match(self._decode(None, "DEFAULT"), pending)

    def _from_key(self, key: int) -> Iterator[VideoPacket]:
        """Packets from the keyframe at time ``key`` on, with a fresh decoder."""
        first = self._go_to(key)
        if first is None:
            return
        self._source.prime(first)
        yield first
        yield from self._read()

    def _go_to(self, key: int) -> VideoPacket | None:
        tick_seconds = float(self._source.stream.time_base or 1)
        last = self._last
        if last is not None and last.is_keyframe and last.pts == key:
            return last
        if last is not None and last.pts is not None:
            ahead = (key - last.pts) * tick_seconds
            if 0 < ahead <= SKIP_SECONDS and (found := self._skip_to(key)):
                return found
        for back in SEEK_BACK_SECONDS:
            self._seek(key - round(back / tick_seconds))
            if found := self._skip_to(key):
                return found
        self._source.reopen()
        self._packets = None
        return self._skip_to(key)

    def _skip_to(self, key: int) -> VideoPacket | None:
        for packet in self._read():
            if packet.is_keyframe and packet.pts is not None and packet.pts >= key:
                return packet if packet.pts == key else None
        return None

    def _read(self) -> Iterator[VideoPacket]:
        if self._packets is None:
            self._packets = video_packets(self._source, self._beat)
        for packet in self._packets:
            self._last = packet
            yield packet

    def _seek(self, tick: int) -> None:
        try:
            self._source.container.seek(tick, stream=self._source.stream)
        except FFMPEG_ERRORS:
            self._source.reopen()
        self._packets = None

    def _decode(self, packet: VideoPacket | None, skip: str) -> list[VideoFrame]:
        """Pictures that come out when a packet goes in; None takes out all that are left."""
        context = self._source.stream.codec_context
        context.skip_frame = skip  # type: ignore[assignment]
        try:
            pictures = context.decode(packet)
        except FFMPEG_ERRORS:
            self.damaged += 1
            return []
        return [picture for picture in pictures if not picture.is_corrupt]


def _match(
    pictures: Iterable[VideoFrame], pending: deque[Wanted]
) -> Iterator[tuple[VideoFrame, Wanted]]:
    """Pair pictures with what is wanted; a missing one is replaced by the next that came out."""
    for picture in pictures:
        hit = None
        while pending and picture.pts is not None and picture.pts >= pending[0].pts:
            hit = pending.popleft()
        if hit is not None:
            yield picture, hit

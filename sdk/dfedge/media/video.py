"""Video files: choosing frames by their packets, then decoding only what those frames need."""

from __future__ import annotations

import itertools
import os
from collections import deque
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import av.error
from av.video.frame import VideoFrame

from dfedge.errors import MediaFormatError
from dfedge.media.container import VideoContainer
from dfedge.media.convert import FrameConverter
from dfedge.media.info import MediaInfo, MediaLimits, Sampling
from dfedge.media.packets import (
    SCAN_BYTES,
    Beat,
    FullIndex,
    SeekIndex,
    VideoPacket,
    Wanted,
    frame_rate,
    scan,
    video_packets,
)
from dfedge.media.reader import Feed, Pace
from dfedge.media.sampling import Pick, SceneCutter, even_indices, even_times, pick_scenes
from dfedge.types import Frame

SKIP_SECONDS = 5.0
"""A keyframe no further ahead is reached by reading on, one beyond by seeking."""

SCENE_STEP_SECONDS = 0.1
"""Pictures this far apart are compared when cuts are looked for."""

SCENE_LONG_FRAMES = 18_000
"""From ten minutes of 30 frames a second on, cuts are looked for at keyframes only, which encoders
place at cuts."""


class VideoFile:
    """An open video file and how to sample it. Takes over ``file`` and closes it.

    Raises MediaFormatError, MediaAccessError or MediaLimitError when it cannot be used.
    """

    def __init__(
        self, file: BinaryIO, name: str, limits: MediaLimits, *, scan_bytes: int = SCAN_BYTES
    ) -> None:
        self._file = file
        self._limits = limits
        size = file.seek(0, os.SEEK_END)
        self._source = VideoContainer(file, name, limits)
        try:
            self._index = self._read_index(by_seeking=size > scan_bytes)
        except BaseException:
            self._source.close()
            raise
        context = self._source.stream.codec_context
        aspect = float(self._source.stream.sample_aspect_ratio or 1)
        self._converter = FrameConverter(name, limits, aspect)
        self.duration = (self._index.end - self._index.start) * self._index.tick_seconds
        self.info = MediaInfo(name, "video", context.width, context.height, self.duration)
        self.problems = tuple(self._missing_end())

    def close(self) -> None:
        """Free the decoder and close the file."""
        self._source.close()
        self._file.close()

    def expected_frames(self, sampling: Sampling, frames: int) -> int | None:
        """How many frames a sampling will give if nothing is damaged; None when not yet known."""
        if sampling == "scene":
            return None
        if isinstance(self._index, FullIndex):
            return min(frames, self._index.count)
        return frames

    def produce(self, feed: Feed, sampling: Sampling, frames: int) -> None:
        """Decode a sampling into a feed."""
        if isinstance(self._index, FullIndex) and not self._index.timed:
            shown = self._produce_untimed(feed, sampling, frames)
        elif sampling == "fast":
            shown = self._produce_fast(feed, frames)
        elif sampling == "scene":
            shown = self._produce_picks(feed, pick_scenes(*self._find_scenes(feed), frames))
        else:
            picks = [Pick(seconds, 0) for seconds in even_times(frames, self.duration)]
            shown = self._produce_picks(feed, picks)
        if shown == 0:
            raise MediaFormatError(self.info.name, "is damaged: no frame of it could be decoded")

    def play(self, feed: Feed, fps: float) -> None:
        """All of it in real time, at most ``fps`` frames a second."""
        self._source.reopen()
        pace = Pace(feed, fps)
        rate = frame_rate(self._source.stream)
        timed = not isinstance(self._index, FullIndex) or self._index.timed
        shown = 0
        for number, picture in enumerate(_Decoder(self._source, feed.beat).decode_all()):
            if not timed:
                seconds = number / rate
            elif picture.pts is None or picture.pts < self._index.start:
                continue
            else:
                seconds = (picture.pts - self._index.start) * self._index.tick_seconds
            if pace.is_due(seconds):
                feed.put(Frame(self._converter.to_rgb(picture), number, seconds))
                shown += 1
        if shown == 0:
            raise MediaFormatError(self.info.name, "is damaged: no frame of it could be decoded")

    def _read_index(self, *, by_seeking: bool) -> FullIndex | SeekIndex:
        duration = self._source.container.duration
        if by_seeking and duration and self._source.container.format.name != "avi":
            try:
                return SeekIndex(self._source, duration / 1e6, _no_beat)
            except MediaFormatError:
                self._source.reopen()
        return scan(self._source, _no_beat)

    def _missing_end(self) -> Iterator[str]:
        """A sentence when the file holds clearly less than its header says."""
        stream, index = self._source.stream, self._index
        if isinstance(index, FullIndex) and 0 < index.count < 0.95 * stream.frames:
            hidden = stream.frames - index.count
            if stream.duration is None or self.duration < 0.95 * stream.duration * float(
                stream.time_base or 0
            ):
                yield (
                    f"the file ends early: {index.count} of {stream.frames} frames are there, "
                    f"{hidden} are missing"
                )
                return
        stated = (self._source.container.duration or 0) / 1e6
        if stated > 1.0 and self.duration < 0.9 * stated - 1.0:
            yield f"the file ends early: {self.duration:.1f} of {stated:.1f} seconds are there"

    def _produce_picks(self, feed: Feed, picks: list[Pick]) -> int:
        """Frames shown at the picked moments; in a damaged part the next good one."""
        index = self._index
        scenes: dict[int, int] = {}
        targets: dict[int, Wanted] = {}
        for pick in picks:
            feed.beat()
            wanted = index.locate(index.start + int(pick.seconds / index.tick_seconds + 1e-6))
            if wanted is not None and wanted.pts not in targets:
                targets[wanted.pts] = wanted
                scenes[wanted.pts] = pick.scene
        feed.expected = len(targets)
        decoder = _Decoder(self._source, feed.beat)
        shown = 0
        ordered = sorted(targets.values(), key=lambda wanted: wanted.pts)
        for key, run in itertools.groupby(ordered, key=lambda wanted: wanted.key):
            for picture, wanted in decoder.decode_run(key, list(run)):
                feed.put(self._frame(picture, scenes[wanted.pts]))
                shown += 1
        self._report_lost(feed, len(targets) - shown, decoder.damaged)
        return shown

    def _produce_fast(self, feed: Feed, frames: int) -> int:
        """A burst after each of the keyframes nearest before evenly spread moments."""
        index = self._index
        keys: list[int] = []
        for seconds in even_times(frames, self.duration):
            feed.beat()
            wanted = index.locate(index.start + int(seconds / index.tick_seconds + 1e-6))
            if wanted is not None and wanted.key not in keys:
                keys.append(wanted.key)
        decoder = _Decoder(self._source, feed.beat)
        shown = 0
        for place, key in enumerate(keys):
            burst = -(-(frames - shown) // (len(keys) - place))
            stop = keys[place + 1] if place + 1 < len(keys) else index.end
            for picture in decoder.decode_burst(max(key, index.start), key, stop, burst):
                feed.put(self._frame(picture, 0))
                shown += 1
        self._report_lost(feed, 0, decoder.damaged)
        return shown

    def _produce_untimed(self, feed: Feed, sampling: Sampling, frames: int) -> int:
        """Frames by their number, decoding all: for files without presentation times."""
        assert isinstance(self._index, FullIndex)
        count, rate = self._index.count, frame_rate(self._source.stream)
        scenes = dict.fromkeys(even_indices(count, frames), 0)
        if sampling == "scene":
            cutter = SceneCutter()
            for number, picture in enumerate(self._decode_untimed(feed)):
                cutter.add(self._converter.thumbnail(picture), number / rate)
            picks = pick_scenes(cutter.starts, count / rate, frames) if cutter.starts else []
            scenes = {int(pick.seconds * rate + 1e-6): pick.scene for pick in picks}
        feed.expected = len(scenes)
        shown = 0
        for number, picture in enumerate(self._decode_untimed(feed)):
            if number in scenes:
                image = self._converter.to_rgb(picture)
                feed.put(Frame(image, number, number / rate, scenes[number]))
                shown += 1
        self._report_lost(feed, len(scenes) - shown, 0)
        return shown

    def _decode_untimed(self, feed: Feed) -> Iterator[VideoFrame]:
        self._source.reopen()
        return _Decoder(self._source, feed.beat).decode_all()

    def _find_scenes(self, feed: Feed) -> tuple[list[float], float]:
        """Seconds at which scenes start, and the end of the last."""
        index = self._index
        if not isinstance(index, FullIndex):
            self._source.reopen()
            index = self._index = scan(self._source, feed.beat)
        cutter, due = SceneCutter(), 0.0
        decoder = _Decoder(self._source, feed.beat)
        keys_only = index.count > SCENE_LONG_FRAMES
        for picture in decoder.decode_overview(int(index.keys[0]), keys_only=keys_only):
            if picture.pts is None or picture.pts < index.start:
                continue
            seconds = (picture.pts - index.start) * index.tick_seconds
            if seconds >= due:
                cutter.add(self._converter.thumbnail(picture), seconds)
                due = seconds + SCENE_STEP_SECONDS
        if not cutter.starts:
            cutter.starts.append(0.0)
        return [0.0, *cutter.starts[1:]], self.duration

    def _frame(self, picture: VideoFrame, scene: int) -> Frame:
        index = self._index
        pts = picture.pts if picture.pts is not None else index.start
        seconds = (pts - index.start) * index.tick_seconds
        return Frame(self._converter.to_rgb(picture), index.number(pts), seconds, scene)

    def _report_lost(self, feed: Feed, lost: int, damaged: int) -> None:
        if lost > 0:
            feed.problems.append(
                f"the file is damaged: {lost} of the wanted frames could not be decoded"
            )
        elif damaged > 0:
            feed.problems.append(f"the file is damaged: {damaged} packets could not be decoded")


class _Decoder:
    """Moves through a file and decodes; ``damaged`` counts packets the codec refused."""

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
        times = {wanted.pts for wanted in run}
        for packet in self._from_key(key):
            skip = "DEFAULT" if packet.pts in times or packet.pts is None else "NONREF"
            yield from _match(self._decode(packet, skip), pending)
            if not pending:
                return
            if packet.dts is not None and packet.dts > run[-1].pts:
                break
        yield from _match(self._decode(None, "DEFAULT"), pending)

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

    def _from_key(self, key: int) -> Iterator[VideoPacket]:
        """Packets from the keyframe at time ``key`` on, with a fresh decoder."""
        first = self._go_to(key)
        self._source.stream.codec_context.flush_buffers()
        if first is None:
            return
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
        for back in (0.0, 2.0, 15.0):
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
        except av.error.FFmpegError:
            self._source.reopen()
        self._packets = None

    def _decode(self, packet: VideoPacket | None, skip: str) -> list[VideoFrame]:
        context = self._source.stream.codec_context
        context.skip_frame = skip  # type: ignore[assignment]
        try:
            pictures = context.decode(packet)
        except (av.error.FFmpegError, ValueError):
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


def _no_beat() -> None:
    """While a file is being opened nobody waits for a sign of life."""

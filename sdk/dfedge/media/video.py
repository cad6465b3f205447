"""Video files: choosing frames by their packets, then decoding only what those frames need."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from typing import BinaryIO

from av.video.frame import VideoFrame

from dfedge.errors import MediaFormatError
from dfedge.media.container import VideoContainer
from dfedge.media.convert import FrameConverter
from dfedge.media.decoder import Decoder
from dfedge.media.info import MediaInfo, MediaLimits, Sampling
from dfedge.media.packets import (
    SCAN_BYTES,
    FullIndex,
    SeekIndex,
    Wanted,
    frame_rate,
    scan,
)
from dfedge.media.reader import Feed, Pace
from dfedge.media.sampling import (
    FRAMES_A_SCENE,
    Pick,
    SceneCutter,
    even_indices,
    even_times,
    pick_scenes,
)
from dfedge.types import Frame

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
        self._newest: int | None = None

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

    def produce(
        self, feed: Feed, sampling: Sampling, frames: int, per_scene: int = FRAMES_A_SCENE
    ) -> None:
        """Decode a sampling into a feed."""
        if sampling == "scene" and not isinstance(self._index, FullIndex):
            self._source.reopen()
            self._index = scan(self._source, feed.beat)
        if isinstance(self._index, FullIndex) and not self._index.timed:
            shown = self._produce_untimed(feed, sampling, frames, per_scene)
        elif sampling == "fast":
            shown = self._produce_fast(feed, frames)
        elif sampling == "scene":
            picks = pick_scenes(*self._find_scenes(feed), frames, per_scene)
            shown = self._produce_picks(feed, picks)
        else:
            shown = self._produce_picks(feed, self._even_picks(frames))
        if shown == 0:
            raise MediaFormatError(self.info.name, "is damaged: no frame of it could be decoded")

    def play(self, feed: Feed, fps: float) -> None:
        """All of it in real time, at most ``fps`` frames a second."""
        self._source.reopen()
        pace = Pace(feed, fps)
        rate = frame_rate(self._source.stream)
        timed = not isinstance(self._index, FullIndex) or self._index.timed
        shown = 0
        for number, picture in enumerate(Decoder(self._source, feed.beat).decode_all()):
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
        # Some formats count from the first frame, some (Matroska) from zero.
        there = max(self.duration, index.end * index.tick_seconds)
        if stated > 1.0 and there < 0.9 * stated - 1.0:
            yield f"the file ends early: {self.duration:.1f} of {stated:.1f} seconds are there"

    def _even_picks(self, frames: int) -> list[Pick]:
        """Evenly spread moments, or all frames where there are no more than wanted."""
        index = self._index
        if isinstance(index, FullIndex) and len(index.pts) <= frames:
            ticks = (index.pts - index.start).tolist()
            return [Pick(tick * index.tick_seconds, 0) for tick in ticks]
        return [Pick(seconds, 0) for seconds in even_times(frames, self.duration)]

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
        decoder = Decoder(self._source, feed.beat)
        shown = 0
        ordered = sorted(targets.values(), key=lambda wanted: wanted.pts)
        for key, run in itertools.groupby(ordered, key=lambda wanted: wanted.key):
            for picture, wanted in decoder.decode_run(key, list(run)):
                shown += self._put(feed, picture, scenes[wanted.pts])
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
        decoder = Decoder(self._source, feed.beat)
        shown = 0
        for place, key in enumerate(keys):
            burst = -(-(frames - shown) // (len(keys) - place))
            stop = keys[place + 1] if place + 1 < len(keys) else index.end
            for picture in decoder.decode_burst(max(key, index.start), key, stop, burst):
                shown += self._put(feed, picture, 0)
        self._report_lost(feed, 0, decoder.damaged)
        return shown

    def _produce_untimed(self, feed: Feed, sampling: Sampling, frames: int, per_scene: int) -> int:
        """Frames by their number, decoding all: for files without presentation times."""
        assert isinstance(self._index, FullIndex)
        count, rate = self._index.count, frame_rate(self._source.stream)
        scenes = dict.fromkeys(even_indices(count, frames), 0)
        if sampling == "scene":
            cutter = SceneCutter()
            for number, picture in enumerate(self._decode_untimed(feed)):
                cutter.add(self._converter.thumbnail(picture), number / rate)
            starts, end = cutter.starts, count / rate
            picks = pick_scenes(starts, end, frames, per_scene) if starts else []
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
        return Decoder(self._source, feed.beat).decode_all()

    def _find_scenes(self, feed: Feed) -> tuple[list[float], float]:
        """Seconds at which scenes start, and the end of the last."""
        index = self._index
        assert isinstance(index, FullIndex)
        cutter, due = SceneCutter(), 0.0
        decoder = Decoder(self._source, feed.beat)
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

    def _put(self, feed: Feed, picture: VideoFrame, scene: int) -> int:
        """Hand a picture over; returns how many: 0 when a damaged file goes back in time."""
        index = self._index
        pts = picture.pts if picture.pts is not None else index.start
        if self._newest is not None and pts <= self._newest:
            return 0
        self._newest = pts
        seconds = (pts - index.start) * index.tick_seconds
        feed.put(Frame(self._converter.to_rgb(picture), index.number(pts), seconds, scene))
        return 1

    def _report_lost(self, feed: Feed, lost: int, damaged: int) -> None:
        if lost > 0:
            feed.problems.append(
                f"the file is damaged: {lost} of the wanted frames could not be decoded"
            )
        elif damaged > 0:
            feed.problems.append(f"the file is damaged: {damaged} packets could not be decoded")


def _no_beat() -> None:
    """While a file is being opened nobody waits for a sign of life."""

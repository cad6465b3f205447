"""The decode thread and its bounded queue: decoding overlaps with what the caller does.

The thread sees only a :class:`Feed`, never the reader, so a forgotten reader is collected and stops
its thread.
"""

from __future__ import annotations

import math
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import TracebackType
from typing import Self, TypeAlias

from dfedge.errors import MediaFormatError, MediaLimitError, UsageError
from dfedge.media.info import MediaInfo, Sampling
from dfedge.types import Frame

QUEUE_BYTES = 48 * 1024**2
"""Pixels that may wait for the caller: seven frames of 1080p."""
QUEUE_FRAMES = 8
POLL_SECONDS = 0.2
JOIN_SECONDS = 10.0
"""A thread stuck in the operating system (a dead network disk) is left behind after this."""


class Stopped(Exception):  # noqa: N818 - not an error: it unwinds the decode thread
    """The reader was closed."""


class Feed:
    """What passes between the decode thread (``put`` and the like) and the caller (``take``)."""

    def __init__(
        self, name: str, *, stall_seconds: float, newest_only: bool = False, expected: int | None
    ) -> None:
        self.name = name
        self.expected = expected
        self.problems: list[str] = []
        self.busy_seconds = 0.0
        self._stall_seconds = stall_seconds
        self._newest_only = newest_only
        self._frames: deque[Frame] = deque()
        self._changed = threading.Condition()
        self._stopped = threading.Event()
        self._finished = False
        self._error: BaseException | None = None
        self._resumed_at = self._alive_at = time.monotonic()

    def beat(self) -> None:
        """Say that work goes on; raises Stopped once the reader is closed."""
        if self._stopped.is_set():
            raise Stopped
        self._alive_at = time.monotonic()

    def put(self, frame: Frame) -> None:
        """Hand over a frame; waits while the queue is full, or replaces an unread live frame."""
        self.beat()
        self.busy_seconds += self._alive_at - self._resumed_at
        with self._changed:
            if self._newest_only:
                self._frames.clear()
            while self._full(frame) and not self._stopped.is_set():
                self._alive_at = time.monotonic()
                self._changed.wait(POLL_SECONDS)
            self._frames.append(frame)
            self._changed.notify_all()
        self._resumed_at = time.monotonic()
        self.beat()

    def pause(self, seconds: float) -> None:
        """Sleep until the time is up or the reader is closed (raises Stopped)."""
        self.busy_seconds += time.monotonic() - self._resumed_at
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._stopped.wait(min(left, 1.0))
            self.beat()
        self._resumed_at = time.monotonic()

    def finish(self, error: BaseException | None) -> None:
        """Called once by the thread when it ends."""
        with self._changed:
            self.busy_seconds += time.monotonic() - self._resumed_at
            self._error = error
            self._finished = True
            self._changed.notify_all()

    def stop(self) -> None:
        """Make the thread unwind at its next packet or frame."""
        self._stopped.set()
        with self._changed:
            self._changed.notify_all()

    def take(self) -> Frame | None:
        """The next frame; None at the end; raises what ended the thread."""
        with self._changed:
            while not self._frames:
                if self._finished:
                    error, self._error = self._error, None
                    if error is not None:
                        raise error
                    return None
                self._check_alive()
                self._changed.wait(POLL_SECONDS)
            frame = self._frames.popleft()
            self._changed.notify_all()
            return frame

    def _full(self, frame: Frame) -> bool:
        held = len(self._frames)
        return held > 0 and (held >= QUEUE_FRAMES or (held + 1) * frame.image.nbytes > QUEUE_BYTES)

    def _check_alive(self) -> None:
        silent = time.monotonic() - self._alive_at
        if silent > self._stall_seconds:
            raise MediaLimitError(
                self.name,
                f"gave nothing for {silent:.0f} seconds (stall_seconds); try again or copy it "
                "to this machine first",
            )


class Pace:
    """Plays a source in real time: lets through what is due and waits until it is."""

    def __init__(self, feed: Feed, fps: float) -> None:
        self._feed = feed
        self._fps = fps
        self._due = 0.0
        self._started = time.monotonic()

    def is_due(self, seconds: float) -> bool:
        """Whether the frame shown at ``seconds`` is wanted; returns when it is time to show it."""
        if seconds < self._due:
            return False
        self._due = (math.floor(seconds * self._fps + 1e-6) + 1) / self._fps
        self._feed.pause(self._started + seconds - time.monotonic())
        return True


Produce: TypeAlias = Callable[[Feed], None]
"""Decodes a source into a feed, calling ``beat`` at least once a packet; ends with the source."""


class MediaReader:
    """An open source: a context manager and an iterator of frames, in one pass.

    Iterating raises ``MediaError`` when the source turns out to be unusable.

    Attributes:
        info: see :class:`MediaInfo`.
        sampling: the sampling in force.
    """

    def __init__(
        self,
        info: MediaInfo,
        sampling: Sampling,
        produce: Produce,
        *,
        expected_frames: int | None,
        stall_seconds: float,
        newest_only: bool = False,
        problems: tuple[str, ...] = (),
        release: Callable[[], None] | None = None,
    ) -> None:
        self.info = info
        self.sampling: Sampling = sampling
        self._produce = produce
        self._release = release or _nothing
        self._feed = Feed(
            info.name,
            stall_seconds=stall_seconds,
            newest_only=newest_only,
            expected=expected_frames,
        )
        self._feed.problems.extend(problems)
        self._thread: threading.Thread | None = None
        self._shutdown: weakref.finalize[..., MediaReader] = weakref.finalize(self, self._release)
        self._closed = False
        self._frames_given = 0

    @property
    def expected_frames(self) -> int | None:
        """How many frames will come, for a progress bar; None while that is not known."""
        return self._feed.expected

    @property
    def decode_seconds(self) -> float:
        """Seconds the decode thread has worked so far, waiting for the caller not counted."""
        return self._feed.busy_seconds

    @property
    def problems(self) -> list[str]:
        """Sentences on what could not be read although other frames could."""
        return list(self._feed.problems)

    def __iter__(self) -> Iterator[Frame]:
        if self._closed:
            raise UsageError(f"{self.info.name}: the reader is closed; open the source again")
        self._start()
        while not self._closed and (frame := self._feed.take()) is not None:
            if self._frames_given == 0:
                self.info = replace(self.info, width=frame.width, height=frame.height)
            self._frames_given += 1
            yield frame
        if self._frames_given == 0 and not self._closed:
            raise MediaFormatError(self.info.name, "no frame of it could be decoded")

    def close(self) -> None:
        """Stop and join the decode thread, close files, remove temporary ones. May be repeated."""
        self._closed = True
        self._shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"MediaReader({self.info!r}, sampling={self.sampling!r})"

    def _start(self) -> None:
        if self._thread is not None:
            return
        self._shutdown.detach()
        self._thread = threading.Thread(
            target=_decode,
            args=(self._feed, self._produce, self._release),
            name="dfedge-decode",
            daemon=True,
        )
        self._shutdown = weakref.finalize(self, _stop_and_join, self._feed, self._thread)
        self._thread.start()


def _decode(feed: Feed, produce: Produce, release: Callable[[], None]) -> None:
    """Body of the decode thread: whatever happens, resources go and the caller hears of it."""
    problem: BaseException | None = None
    try:
        produce(feed)
    except Stopped:
        pass
    except MemoryError:
        problem = MediaLimitError(feed.name, "needs more memory to decode than there is")
    except Exception as error:
        problem = error
    finally:
        release()
        feed.finish(problem)


def _stop_and_join(feed: Feed, thread: threading.Thread) -> None:
    feed.stop()
    if thread is not threading.current_thread():
        thread.join(JOIN_SECONDS)


def _nothing() -> None:
    """Release of a source that holds nothing."""

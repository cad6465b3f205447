"""The decode thread: it overlaps, is bounded, stops when told, and leaves nothing behind."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import numpy as np
import pytest

from dfedge.errors import MediaFormatError, MediaLimitError, UsageError
from dfedge.media import MediaInfo, MediaLimits, MediaReader, open_media
from dfedge.media.reader import Feed
from dfedge.types import Frame

INFO = MediaInfo("made", "video", 8, 8, None)


def reader_of(produce: Any, **options: Any) -> MediaReader:
    """A reader of a source that a function makes."""
    settings: dict[str, Any] = {"expected_frames": None, "stall_seconds": 5.0, **options}
    return MediaReader(INFO, "even", produce, **settings)


def frame(number: int, side: int = 8) -> Frame:
    """A small black frame."""
    return Frame(np.zeros((side, side, 3), np.uint8), number, number / 10)


def decode_threads() -> list[threading.Thread]:
    """The decode threads that live now."""
    return [thread for thread in threading.enumerate() if thread.name == "dfedge-decode"]


def test_frames_come_in_order() -> None:
    """All frames, in order, and the count of seconds worked."""

    def produce(feed: Feed) -> None:
        for number in range(30):
            feed.put(frame(number))

    with reader_of(produce) as reader:
        assert [f.index for f in reader] == list(range(30))
        assert 0 <= reader.decode_seconds < 2
    assert decode_threads() == []


def test_decoding_goes_on_while_the_caller_works() -> None:
    """The thread decodes further frames while the caller still looks at the first."""
    ahead = threading.Event()

    def produce(feed: Feed) -> None:
        for number in range(3):
            feed.put(frame(number))
        ahead.set()

    with reader_of(produce) as reader:
        assert next(iter(reader)).index == 0
        assert ahead.wait(10)


def test_waiting_for_the_caller_is_not_decoding() -> None:
    """A slow caller does not make decode_seconds grow."""

    def produce(feed: Feed) -> None:
        for number in range(30):
            feed.put(frame(number))

    with reader_of(produce) as reader:
        for _ in reader:
            time.sleep(0.02)
        assert reader.decode_seconds < 0.3


def test_the_queue_is_bounded() -> None:
    """A caller that does not take frames stops the decoder after a few; large ones after fewer."""
    for side, most in ((8, 10), (4000, 3)):
        made: list[int] = []

        def produce(feed: Feed, side: int = side, made: list[int] = made) -> None:
            for number in range(100):
                made.append(number)
                feed.put(frame(number, side))

        with reader_of(produce) as reader:
            next(iter(reader))
            time.sleep(0.3)
            assert len(made) <= most


def test_close_in_the_middle_joins_the_thread(make: Any) -> None:
    """Leaving after one frame of many is prompt and leaves no thread."""
    path = make.video(frames=400)
    started = time.monotonic()
    with open_media(path, frames=400) as reader:
        for _ in reader:
            break
    assert time.monotonic() - started < 5
    assert decode_threads() == []


def test_close_before_the_first_frame_and_twice(make: Any) -> None:
    """Closing needs no iteration and may be repeated; a closed reader says so."""
    reader = open_media(make.video())
    reader.close()
    reader.close()
    with pytest.raises(UsageError, match="closed"):
        next(iter(reader))


def test_a_forgotten_reader_stops_its_thread(make: Any) -> None:
    """Without close the thread ends when the reader is collected."""
    reader = open_media(make.video(frames=200), frames=200)
    next(iter(reader))
    assert len(decode_threads()) == 1
    del reader
    gc.collect()
    assert decode_threads() == []


def test_an_error_of_the_thread_reaches_the_caller() -> None:
    """Frames that were ready come first, then the error, and the thread is gone."""

    def produce(feed: Feed) -> None:
        feed.put(frame(0))
        raise MediaFormatError("made", "breaks")

    with reader_of(produce) as reader:
        seen: list[Frame] = []
        with pytest.raises(MediaFormatError, match="breaks"):
            seen.extend(frame for frame in reader)
    assert [f.index for f in seen] == [0]
    assert decode_threads() == []


def test_no_frame_at_all_is_an_error() -> None:
    """A source that gives nothing raises instead of looking like an empty success."""
    with reader_of(lambda feed: None) as reader, pytest.raises(MediaFormatError):
        list(reader)


def test_a_silent_source_is_given_up() -> None:
    """Nothing for stall_seconds: a typed error, not an endless wait."""

    def produce(feed: Feed) -> None:
        time.sleep(1.5)
        feed.put(frame(0))

    with reader_of(produce, stall_seconds=0.3) as reader, pytest.raises(MediaLimitError):
        list(reader)


def test_out_of_memory_is_a_limit() -> None:
    """A MemoryError while decoding is told as a limit of this machine."""

    def produce(feed: Feed) -> None:
        raise MemoryError

    with reader_of(produce) as reader, pytest.raises(MediaLimitError, match="memory"):
        list(reader)


def test_the_source_is_released_once() -> None:
    """Files are closed whether the thread ran or not, exactly once."""
    for take in (False, True):
        released: list[bool] = []
        reader = reader_of(
            lambda feed: feed.put(frame(0)),
            release=lambda released=released: released.append(True),  # type: ignore[misc]
        )
        if take:
            list(reader)
        reader.close()
        reader.close()
        assert released == [True]


def test_two_readers_at_once(make: Any) -> None:
    """Readers do not share anything."""
    path = make.video()
    with open_media(path, frames=5) as one, open_media(path, frames=5) as other:
        assert [a.index for a in one] == [b.index for b in other] == [5, 15, 25, 35, 45]


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_control_c_ends_promptly(make: Any) -> None:
    """SIGINT while frames are awaited: the program ends with the usual exit, without hanging."""
    path = make.video(frames=100)
    program = (
        "import sys, time\n"
        "from dfedge.media import open_live\n"
        "with open_live(sys.argv[1], fps=5) as reader:\n"
        "    for frame in reader:\n"
        "        print('frame', flush=True)\n"
        "        time.sleep(0.01)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "frame\n"
    started = time.monotonic()
    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert time.monotonic() - started < 10
    assert process.returncode == -signal.SIGINT
    assert "KeyboardInterrupt" in errors


@pytest.mark.parametrize(
    "options",
    [{"frames": 0}, {"frames": -3}, {"frames": 2.5}, {"frames": True}, {"sampling": "random"}],
)
def test_options_that_cannot_work(make: Any, options: dict[str, Any]) -> None:
    """Wrong numbers of frames and unknown samplings are usage errors that name the option."""
    with pytest.raises(UsageError, match=next(iter(options))):
        open_media(make.picture(), **options)


@pytest.mark.parametrize(
    "options", [{"max_bytes": 0}, {"stall_seconds": -1}, {"max_redirects": -1}]
)
def test_limits_that_cannot_work(options: dict[str, Any]) -> None:
    """Limits are positive."""
    with pytest.raises(UsageError, match=next(iter(options))):
        MediaLimits(**options)

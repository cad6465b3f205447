"""The process that opens media: what it may do, how it ends, and that the worker lives."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pictures

from dfedge.bundles import store
from dfedge.errors import MediaError, MediaFormatError, MediaLimitError, RuntimeUnavailableError
from dfedge_server.heavy.exchange import Answer, End, FrameSeen, OpenClip, OpenPictures, PictureSeen
from dfedge_server.heavy.sandbox import Conversation, Sandbox

from .conftest import MIB, open_sandbox

PNG_START, PNG_END = b"\x89PNG\r\n\x1a\n", b"\0\0\0\0IEND\xaeB`\x82"


def clip(path: Path, **fields: Any) -> OpenClip:
    """A request to look at a clip."""
    wanted = {"frames": 6, "sampling": "even", "scale": 2.0, "whole": False, "max_seconds": 60.0}
    return OpenClip(path=str(path), **{**wanted, **fields})


def answers(talk: Conversation) -> Iterator[Answer]:
    """All that is said, pixels taken and left."""
    while True:
        answer = talk.next()
        yield answer
        if isinstance(answer, End):
            return
        parts = answer.regions if isinstance(answer, FrameSeen) else [answer]
        for part in parts:
            talk.pixels(part.width, part.height)  # type: ignore[union-attr]


def look(
    sandbox: Sandbox,
    request: OpenClip | OpenPictures,
    after_first: Callable[[], None] = lambda: None,
) -> list[Answer]:
    """All that is said of a source."""
    with sandbox.open(request, name="the source", cancelled=lambda: False) as talk:
        said = answers(talk)
        first = next(said)
        after_first()
        return [first, *said]


def children(parent: int) -> list[int]:
    """The processes that have a source open."""
    text = Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="ascii")
    return [int(number) for number in text.split()]


def png(width: int, height: int, rows: bytes) -> bytes:
    """A grey PNG that claims a size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return PNG_START + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + PNG_END


def test_it_may_do_next_to_nothing(sandbox: Sandbox, portrait_clip: Path) -> None:
    """A fresh one for each source: no files, no rights to gain, an empty environment, limits."""
    seen = []
    for _ in range(2):
        with sandbox.open(clip(portrait_clip), name="x", cancelled=lambda: False) as talk:
            talk.next()
            (child,) = children(sandbox.process_id)
            seen.append(child)
            limits = Path(f"/proc/{child}/limits").read_text(encoding="ascii")
            status = Path(f"/proc/{child}/status").read_text(encoding="ascii")
            environment = Path(f"/proc/{child}/environ").read_bytes()
        assert [] == children(sandbox.process_id)
    assert 2 == len(set(seen))
    told = {line[:26].strip(): line[26:].split()[0] for line in limits.splitlines()}
    assert ("0", "0", "64") == (
        told["Max file size"],
        told["Max core file size"],
        told["Max open files"],
    )
    assert str(1024 * MIB) == told["Max address space"]
    assert "NoNewPrivs:\t1" in status
    assert b"OMP_NUM_THREADS=1\0OPENBLAS_NUM_THREADS=1\0" == environment


def test_a_source_that_takes_too_long_is_given_up(portrait_clip: Path) -> None:
    """By the time that is waited for it; the next source gets its own."""
    short = open_sandbox(seconds=0.001)
    try:
        for _ in range(2):
            with pytest.raises(MediaLimitError, match="the source: takes longer than"):
                look(short, clip(portrait_clip))
            assert [] == children(short.process_id)
    finally:
        short.close()


def test_a_clip_that_is_too_long_is_refused(sandbox: Sandbox, portrait_clip: Path) -> None:
    """Before it is decoded."""
    with pytest.raises(MediaLimitError, match="longer than 1 seconds"):
        look(sandbox, clip(portrait_clip, max_seconds=1.0))


@pytest.mark.parametrize(
    ("how", "error"),
    [(signal.SIGSEGV, MediaFormatError), (signal.SIGKILL, MediaLimitError)],
)
def test_one_that_dies_fails_its_source_alone(
    sandbox: Sandbox, portrait_clip: Path, how: signal.Signals, error: type[MediaError]
) -> None:
    """The error names the source; another is opened after it."""
    request = clip(portrait_clip, frames=50, whole=True)
    with pytest.raises(error, match="the source: "):
        look(sandbox, request, after_first=lambda: os.kill(children(sandbox.process_id)[0], how))
    assert 7 == len(look(sandbox, clip(portrait_clip)))


def test_the_process_is_started_anew_when_it_is_gone(portrait_clip: Path) -> None:
    """Whoever killed it; a closed one is not."""
    opened = open_sandbox()
    os.kill(opened.process_id, signal.SIGKILL)
    assert 7 == len(look(opened, clip(portrait_clip)))
    opened.close()
    opened.close()
    with pytest.raises(RuntimeUnavailableError, match="closed"):
        look(opened, clip(portrait_clip))


def test_too_little_memory_to_start_is_told() -> None:
    """With the setting that helps."""
    with pytest.raises(RuntimeUnavailableError, match="sandbox_memory_bytes"):
        open_sandbox(memory_bytes=64 * MIB)


def test_what_needs_too_much_memory_is_refused(sandbox: Sandbox, tmp_path: Path) -> None:
    """A picture within the limits of pixels, whose process has less than it takes."""
    path = tmp_path / "large.png"
    Pictures.new("RGB", (8900, 8900)).save(path)
    small = open_sandbox(memory_bytes=900 * MIB)
    try:
        with pytest.raises(MediaLimitError, match="the source: needs more memory"):
            look(small, clip(path))
    finally:
        small.close()


WORKER = """
import sys, time
from pathlib import Path
from dfedge_server.heavy.exchange import OpenClip
from dfedge_server.heavy.sandbox import Sandbox
sandbox = Sandbox(Path(sys.argv[1]), memory_bytes=1024**3, seconds=60.0)
clip = OpenClip(
    path=sys.argv[2], frames=50, sampling="even", scale=2.0, whole=True, max_seconds=60.0
)
with sandbox.open(clip, name="x", cancelled=lambda: False) as talk:
    talk.next()
    print(sandbox.process_id, flush=True)
    time.sleep(60)
"""


def test_nothing_outlives_a_worker_that_is_killed(portrait_clip: Path) -> None:
    """Neither the process nor its child, in the middle of a clip."""
    bundle, _ = store.resolve_face_detector(store.FACE_MODEL)
    command = [sys.executable, "-c", WORKER, str(bundle.path), str(portrait_clip)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        opener = int(worker.stdout.readline())
        numbers = [opener, *children(opener)]
        assert 2 == len(numbers)
        worker.kill()
    for _ in range(600):
        if not any(map(_lives, numbers)):
            return
        time.sleep(0.05)
    pytest.fail("something lives on")


def _lives(number: int) -> bool:
    """Whether a process runs; one that only waits to be counted does not."""
    try:
        text = Path(f"/proc/{number}/stat").read_text(encoding="ascii")
    except FileNotFoundError:
        return False
    return text.rsplit(")", 1)[1].split()[0] != "Z"


HOSTILE: dict[str, bytes] = {
    "empty": b"",
    "text": b"no media at all\n" * 10,
    "50,000 x 50,000": png(50_000, 50_000, bytes(1000)),
    "a bomb of a gigabyte": png(16_000, 16_000, bytes(64 * MIB)),
    "cut off": png(400, 400, bytes(401 * 400))[:80],
    "gif without end": b"GIF89a\xff\xff\xff\xff\x80\0\0"
    + bytes(6)
    + (b"\x21\xf9\x04\0\x01\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0" * 3000),
    "jpeg of 65,500 x 65,500": b"\xff\xd8\xff\xc0\0\x11\x08"
    + struct.pack(">HH", 65500, 65500)
    + b"\x03\x01\x22\0\x02\x11\x01\x03\x11\x01"
    + b"\xff\xda\0\x0c\x03\x01\0\x02\x11\x03\x11\0?\0\xff\xd9",
    "a playlist": b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
    "a concatenation": b"ffconcat version 1.0\nfile /etc/passwd\n",
    "zip after png": png(50_000, 50_000, b"")[:33] + b"PK\x03\x04" + bytes(200),
    "avi of nothing": b"RIFF\xff\xff\xff\x7fAVI LIST" + bytes(400),
    "mp4 of nothing": b"\0\0\0\x18ftypisom\0\0\0\0isommp42\x7f\xff\xff\xffmoov" + bytes(400),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused(sandbox: Sandbox, tmp_path: Path, name: str) -> None:
    """As a clip and as a crop, by an error that names the source."""
    path = tmp_path / "hostile"
    path.write_bytes(HOSTILE[name])
    for request in (clip(path), OpenPictures(files=((str(path), 16384, 16384),))):
        with pytest.raises((MediaFormatError, MediaLimitError), match="the source: "):
            look(sandbox, request)


def test_a_crop_is_one_picture_of_the_size_it_may_have(sandbox: Sandbox, tmp_path: Path) -> None:
    """PNG, WebP and JPEG; no animation, nothing larger, no other format."""
    picture = Pictures.fromarray(np.full((20, 30, 3), 90, np.uint8))
    for form in ("png", "webp", "jpeg"):
        path = tmp_path / form
        picture.save(path, form)
        (told, _) = look(sandbox, OpenPictures(files=((str(path), 30, 20),)))
        assert PictureSeen(width=30, height=20) == told
        with pytest.raises(MediaFormatError, match="past the edge"):
            look(sandbox, OpenPictures(files=((str(path), 29, 20),)))
    still, moving = tmp_path / "still.bmp", tmp_path / "moving.png"
    picture.save(still, "bmp")
    picture.save(moving, "png", save_all=True, append_images=[Pictures.new("RGB", (30, 20))])
    for path, problem in ((still, "no PNG, WebP or JPEG"), (moving, "animation")):
        with pytest.raises(MediaFormatError, match=problem):
            look(sandbox, OpenPictures(files=((str(path), 30, 20),)))

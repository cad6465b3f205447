"""The worker's side of the process that opens media: start it, ask it, distrust it, end it.

See :mod:`dfedge_server.heavy.sandbox_main` for what the process is, and
:mod:`dfedge_server.heavy.exchange` for what passes.
"""

from __future__ import annotations

import math
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from dfedge.errors import (
    MediaAccessError,
    MediaError,
    MediaFormatError,
    MediaLimitError,
    RuntimeUnavailableError,
)
from dfedge.types import Image
from dfedge_server.heavy.exchange import Answer, Failed, Request, pack, read_answer
from dfedge_server.heavy.result import Cancelled
from dfedge_server.heavy.sandbox_main import END, FORK, NUMBER_BYTES, READY, Config

START_SECONDS: Final = 60.0
"""Time to load the libraries, on a machine that is busy."""
LOOK_SECONDS: Final = 0.25
"""Between two looks at whether the work is still wanted."""
BUFFER_BYTES: Final = 1024**2

_ERRORS: Final = {
    "format": MediaFormatError,
    "limit": MediaLimitError,
    "access": MediaAccessError,
}


class Sandbox:
    """Opens media in processes with few rights, one a source. Safe to use from several threads.

    Args:
        face_bundle: folder of the face detector.
        memory_bytes: address space of the process for one source.
        seconds: time that may be waited for it, in all.

    Raises:
        RuntimeUnavailableError: the process does not start.
    """

    def __init__(self, face_bundle: Path, *, memory_bytes: int, seconds: float) -> None:
        self._config = Config(
            face_bundle=str(face_bundle.resolve()),
            memory_bytes=memory_bytes,
            # All threads of it count; the deadline comes first unless nobody is left to keep it.
            cpu_seconds=math.ceil(seconds) * (os.cpu_count() or 1),
        )
        self._seconds = seconds
        self._lock = threading.Lock()
        self._closed = False
        self._start()

    @property
    def process_id(self) -> int:
        """Of the process, for who watches over machines."""
        return self._process.pid

    @contextmanager
    def open(
        self, request: Request, *, name: str, cancelled: Callable[[], bool]
    ) -> Iterator[Conversation]:
        """Ask a fresh process to open something; it has ended when the block has.

        Args:
            name: what errors call the source.
            cancelled: asked while waiting.

        Raises:
            RuntimeUnavailableError: no process can be started.
        """
        mine, other = socket.socketpair()
        with mine:
            with other:
                child = self._fork(other)
            talk = Conversation(mine, name=name, seconds=self._seconds, cancelled=cancelled)
            try:
                talk.ask(request)
                yield talk
            except _Gone:
                raise _death(name, self._end(child), self._config) from None
            finally:
                self._end(child)

    def close(self) -> None:
        """End the process and its children; closing twice is no error."""
        with self._lock:
            self._closed = True
            self._stop()

    def _fork(self, talk: socket.socket) -> int:
        with self._lock:
            if self._closed:
                raise RuntimeUnavailableError("the process that opens media: is closed")
            for last in (False, True):
                try:
                    socket.send_fds(self._control, [FORK + bytes(NUMBER_BYTES)], [talk.fileno()])
                    return self._answer()
                except OSError:
                    self._stop()
                    if last:
                        raise RuntimeUnavailableError(
                            "the process that opens media: does not answer; see the memory of "
                            "this machine"
                        ) from None
                    self._start()
        raise AssertionError("it answers or not")

    def _end(self, child: int) -> int | None:
        """End a child; how it ended, None where that is not known (any more)."""
        with self._lock:
            try:
                self._control.sendall(END + child.to_bytes(NUMBER_BYTES, "big"))
                return self._answer()
            except OSError:  # an answer that came late would be taken for another's
                self._stop()
                return None

    def _answer(self) -> int:
        data = self._control.recv(NUMBER_BYTES, socket.MSG_WAITALL)
        if len(data) < NUMBER_BYTES:
            raise ConnectionError
        return int.from_bytes(data, "big")

    def _start(self) -> None:
        self._control, other = socket.socketpair()
        self._control.settimeout(START_SECONDS)
        with other:
            self._process = subprocess.Popen(  # noqa: S603 - nothing of it is a caller's
                [
                    *(sys.executable, "-I", "-B", "-m", "dfedge_server.heavy.sandbox_main"),
                    msgspec.json.encode(self._config).decode(),
                ],
                stdin=other.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
                start_new_session=True,  # the terminal's Ctrl-C is for the worker
            )
        with suppress(OSError):
            if self._control.recv(1) == READY:
                return
        self._stop()
        raise RuntimeUnavailableError(
            "the process that opens media: does not start; give it more memory "
            f"(sandbox_memory_bytes, now {self._config.memory_bytes})"
        )

    def _stop(self) -> None:
        self._control.close()
        try:
            self._process.wait(LOOK_SECONDS * 8)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Conversation:
    """One source as the process tells of it."""

    def __init__(
        self, talk: socket.socket, *, name: str, seconds: float, cancelled: Callable[[], bool]
    ) -> None:
        talk.settimeout(LOOK_SECONDS)
        with suppress(OSError):
            talk.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        self._talk = talk
        self._name = name
        self._seconds = self._left = seconds
        self._cancelled = cancelled

    def ask(self, request: Request) -> None:
        """Say what is wanted."""
        with suppress(BrokenPipeError):  # its death is noticed by who listens
            self._talk.sendall(pack(request))

    def next(self) -> Answer:
        """The next answer, of which :meth:`pixels` gives the pictures.

        Raises:
            Cancelled: the work is not wanted any more.
            MediaError: the source cannot be used, or took too long.
        """
        try:
            answer = read_answer(self._read)
        except ValueError:
            raise MediaFormatError(
                self._name, "made the process that opens it say nonsense"
            ) from None
        if isinstance(answer, Failed):
            raise _ERRORS[answer.kind](self._name, answer.problem)
        return answer

    def pixels(self, width: int, height: int) -> Image:
        """The next picture, (height, width, 3)."""
        data = self._read(width * height * 3)
        return np.frombuffer(data, np.uint8).reshape(height, width, 3)

    def _read(self, count: int) -> bytearray:
        data = bytearray(count)
        view = memoryview(data)
        while view:
            started = time.monotonic()
            try:
                got = self._talk.recv_into(view)
                if got == 0:
                    raise _Gone
                view = view[got:]
            except TimeoutError:
                pass
            except ConnectionError:
                raise _Gone from None
            self._left -= time.monotonic() - started
            if self._left <= 0:
                raise MediaLimitError(
                    self._name,
                    f"takes longer than {self._seconds:g} seconds to open (sandbox_seconds)",
                )
            if self._cancelled():
                raise Cancelled
        return data


class _Gone(Exception):  # noqa: N818 - not an error yet: how it ended is asked for
    """The process has ended before it had told all."""


def _death(name: str, status: int | None, config: Config) -> MediaError:
    """What to say of a source that ended the process."""
    number = 0 if status is None else status & 0x7F
    if number in (signal.SIGXCPU, signal.SIGKILL):
        return MediaLimitError(
            name,
            f"takes more than {config.cpu_seconds} seconds of processor time, or more memory "
            "than this machine has",
        )
    if number == signal.SIGABRT:  # how C++ ends when memory does
        return MediaLimitError(name, "needs more memory to open than it may have")
    return MediaFormatError(
        name, "ended the process that opened it; it is damaged, or made to harm"
    )

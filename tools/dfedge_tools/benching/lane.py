"""This side of a measurement: a child process with one model, told when to run."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import msgspec

from dfedge.errors import DfedgeError
from dfedge_tools.benching.messages import (
    Answer,
    Failed,
    Go,
    Job,
    Loaded,
    Measure,
    Peak,
    Prepared,
    Slice,
)

WORKER = (sys.executable, "-m", "dfedge_tools.benching.worker")

_THREAD_VARIABLES = (
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
"""Read by libraries when they are imported, so they are set before the child starts."""

T = TypeVar("T")


class LaneError(DfedgeError):
    """A cell cannot be measured; the message says why."""


class Lane:
    """A child process that holds one model; a context manager that ends it.

    Ctrl-C in a terminal does not reach it: the parent does what is to be done.

    Attributes:
        folder: for its files; removed when it is closed.
    """

    def __init__(self, job: Job, *, command: Sequence[str] = WORKER) -> None:
        self._job = job
        self._process: subprocess.Popen[bytes] | None = None
        self.folder = Path(tempfile.gettempdir()) / f"dfedge-bench-{secrets.token_hex(8)}"
        try:
            with _interrupts_held():  # else Ctrl-C could leave a process that nobody knows of
                self.folder.mkdir(mode=0o700)
                self._start(command)
        except BaseException:
            self.close()
            raise

    def load(self) -> Loaded:
        """Wait until the model is in memory and has answered once.

        Raises:
            LaneError: it cannot be loaded, or the process died.
        """
        return self._ask(self._job, Loaded)

    def prepare(self) -> Prepared:
        """Wait until what will be measured is ready.

        Raises:
            LaneError: it cannot be made ready, or the process died.
        """
        return self._ask(self._job, Prepared)

    def go(self, order: Go) -> Slice:
        """Let it run for one turn.

        Raises:
            LaneError: a run failed, or the process died.
        """
        return self._ask(order, Slice)

    def close(self) -> None:
        """End the process at once, with any it started, and remove its files."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if sys.platform == "win32":
                    self._process.kill()
                else:
                    os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            for stream in (self._process.stdin, self._process.stdout):
                assert stream is not None
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _start(self, command: Sequence[str]) -> None:
        with (self.folder / "stderr").open("wb") as stderr:
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter, no shell
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=_environment(self._job, self.folder),
                start_new_session=True,
            )

    def _ask(self, message: Job | Go, wanted: type[T]) -> T:
        assert self._process is not None
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            stdin.write(msgspec.json.encode(message) + b"\n")
            stdin.flush()
        except BrokenPipeError:
            pass  # it has died; there may be an answer all the same
        line = stdout.readline()
        if not line:
            raise LaneError(self._death())
        answer = msgspec.json.decode(line, type=Answer)
        if isinstance(answer, Failed):
            raise LaneError(answer.problem)
        assert isinstance(answer, wanted)
        return answer

    def _death(self) -> str:
        """How the process ended, in words."""
        assert self._process is not None
        code = self._process.wait()
        if sys.platform != "win32" and code == -signal.SIGKILL:
            return "its process was killed (SIGKILL): most likely the machine ran out of memory"
        lines = (self.folder / "stderr").read_text(errors="replace").strip().splitlines()
        said = f": {lines[-1][:300]}" if lines else ""
        if code < 0:
            return f"its process crashed ({_signal_name(-code)}){said}"
        return f"its process ended with code {code}{said}"


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Let Ctrl-C wait until the block is done."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Ctrl-C comes to the main thread only
        return
    waiting: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: waiting.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if waiting:
        raise KeyboardInterrupt


def _environment(job: Job, scratch: Path) -> dict[str, str]:
    environment = dict(os.environ)
    if isinstance(job, (Measure, Peak)):
        environment |= dict.fromkeys(_THREAD_VARIABLES, str(job.threads))
    # What torch compiles is neither taken from an earlier run nor left behind.
    environment["TORCHINDUCTOR_CACHE_DIR"] = str(scratch / "compiled")
    return environment


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"

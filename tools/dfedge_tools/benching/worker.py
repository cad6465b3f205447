"""The measured side: a process that loads one model and runs it when told.

``python -m dfedge_tools.benching.worker`` reads a job from standard input, as
:mod:`dfedge_tools.benching.messages` describes, and ends when that input does, so it never outlives
the process that started it by more than a turn. Nothing is imported that the job does not need: its
memory is that of the model and its runtime.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import BinaryIO

import msgspec

from dfedge.errors import DfedgeError
from dfedge_tools.benching.memory import peak_resident_bytes, resident_bytes
from dfedge_tools.benching.messages import (
    Answer,
    Failed,
    Go,
    Job,
    Loaded,
    Measure,
    Peak,
    Prepare,
    Slice,
)

WARM_UP_SECONDS = 0.3
"""After the first answer, before anything is measured."""

Run = Callable[[], object]


def main() -> int:
    """Do one job; 0 also when it failed, for that is an answer."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print must not mix with the answers
    try:
        job = msgspec.json.decode(sys.stdin.buffer.readline(), type=Job)
        if isinstance(job, Prepare):
            from dfedge_tools.benching.prepare import prepare

            _say(answers, prepare(job))
        else:
            _measure(job, answers)
    except MemoryError:
        _say(answers, Failed(problem="out of memory"))
    except DfedgeError as error:
        _say(answers, Failed(problem=str(error)))
    except Exception as error:  # whatever a runtime raises: the others are still to be measured
        _say(answers, Failed(problem=_in_one_line(error)))
    return 0


def _measure(job: Measure | Peak, answers: BinaryIO) -> None:
    from dfedge_tools.benching.runners import open_peak, open_runtime

    prepare_model = open_peak(job) if isinstance(job, Peak) else open_runtime(job)
    before = resident_bytes()
    start = time.perf_counter()
    run, ran_on = prepare_model()
    run()
    seconds = time.perf_counter() - start
    loaded = Loaded(
        seconds=seconds, runtime_bytes=before, loaded_bytes=resident_bytes(), ran_on=ran_on
    )
    _repeat(run, Go(seconds=WARM_UP_SECONDS))
    _say(answers, loaded)
    for line in sys.stdin.buffer:
        run()  # others have had the caches meanwhile
        _say(answers, _repeat(run, msgspec.json.decode(line, type=Go)))


def _repeat(run: Run, go: Go) -> Slice:
    seconds: list[float] = []
    started, cpu_started = time.monotonic(), time.process_time()
    while True:
        before = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - before)
        ended = time.monotonic()
        if go.runs is not None and len(seconds) >= go.runs:
            break
        if go.seconds is not None and ended - started >= go.seconds:
            break
    return Slice(
        seconds=tuple(seconds),
        started=started,
        ended=ended,
        cpu_seconds=time.process_time() - cpu_started,
        peak_bytes=peak_resident_bytes(),
    )


def _say(answers: BinaryIO, answer: Answer) -> None:
    try:
        answers.write(msgspec.json.encode(answer) + b"\n")
        answers.flush()
    except BrokenPipeError:
        sys.exit(1)  # nobody listens any more


def _in_one_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:300]}" if lines else type(error).__name__


if __name__ == "__main__":
    sys.exit(main())

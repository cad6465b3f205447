"""The figures of a run, as ``dfedge.bench/1``, and how they come from what was measured.

Times are of one input (a crop, a clip or a frame): a run over a batch divided by the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import msgspec
import numpy as np

from dfedge_tools.benching.machine import Machine
from dfedge_tools.benching.measure import Entry
from dfedge_tools.benching.messages import Peak, Runtime, Weights

BENCH_SCHEMA: Final = "dfedge.bench/1"


class _Part(msgspec.Struct, frozen=True, kw_only=True):
    """Base of the parts of a result."""


class Milliseconds(_Part, frozen=True, kw_only=True):
    """Of one input, over all runs.

    Attributes:
        median: half the runs took no longer; of an even number the mean of the middle two.
        p95: 95% took no longer; between two runs by linear interpolation, as numpy does by default.
        min: of the quickest run: what the machine can do when nothing disturbs it.
    """

    median: float
    p95: float
    min: float


class Memory(_Part, frozen=True, kw_only=True):
    """Resident memory of the process that ran this cell and nothing else, bytes.

    Attributes:
        runtime: once the runtime was imported, before the model was loaded.
        loaded: once the model had answered.
        peak: the most at any moment, loading included.
    """

    runtime: int | None
    loaded: int | None
    peak: int | None


class Row(_Part, frozen=True, kw_only=True):
    """One cell.

    Attributes:
        weights: the bundle's, or seeded random ones, on which speed does not depend.
        ran_on: what ran it, such as ``CPUExecutionProvider``.
        runs: how many the figures are of; fewer than wanted where ``problem`` says so.
        per_second: inputs a second over all the time that was measured.
        cpu_milliseconds: processor time of one input, all threads together, on average. Others who
            take the cores away add little to it; threads that wait by spinning add much.
        ratio: speed as a multiple of the first row of this model: in each round the first row's
            median time divided by this row's, and of those the median.
        peak_fraction: operations a second, at the median, of the machine's own with as many
            threads; None where either is not known.
        load_seconds: from the file to the first answer; imports are not counted, compiling is.
        joules: of one input, above idle; None where the machine does not report energy.
        problem: why there are no figures, or why they are of fewer runs; None if all went well.
    """

    runtime: Runtime
    device: str
    threads: int
    batch: int
    weights: Weights
    ran_on: str | None = None
    runs: int = 0
    milliseconds: Milliseconds | None = None
    per_second: float | None = None
    cpu_milliseconds: float | None = None
    ratio: float | None = None
    peak_fraction: float | None = None
    load_seconds: float | None = None
    memory: Memory | None = None
    joules: float | None = None
    problem: str | None = None


class Absent(_Part, frozen=True, kw_only=True):
    """A runtime that was wanted and is not here, or cannot run this model."""

    runtime: Runtime
    reason: str


class ModelResult(_Part, frozen=True, kw_only=True):
    """All rows of a model.

    Attributes:
        sha256: of the bundle's model file; None for an architecture, as are the next two.
        unit: what one input is: a crop, a clip, a frame.
        input_shape: of one input.
        gflop: of one input: twice the multiply-adds of convolutions and matrix products, in 1e9;
            None where they cannot be counted.
        absent: runtimes that are here and cannot run it.
        problem: why nothing could be measured; None if something could.
    """

    name: str
    kind: Literal["bundle", "architecture"]
    architecture: str
    version: str | None
    sha256: str | None
    file_bytes: int | None
    unit: str
    input_shape: tuple[int, ...] | None = None
    gflop: float | None = None
    rows: tuple[Row, ...] = ()
    absent: tuple[Absent, ...] = ()
    problem: str | None = None


class PeakResult(_Part, frozen=True, kw_only=True):
    """The best a large product of matrices did in ONNX Runtime with so many threads."""

    threads: int
    gflop_per_second: float


class Energy(_Part, frozen=True, kw_only=True):
    """Where joules come from, or why there are none.

    Attributes:
        idle_watts: before anything was measured; taken off every row.
    """

    source: str | None = None
    idle_watts: float | None = None
    problem: str | None = None


class Settings(_Part, frozen=True, kw_only=True):
    """What was asked for; seconds and runs are of a cell, one of them None."""

    device: str
    runtimes: tuple[Runtime, ...]
    threads: tuple[int, ...]
    batches: tuple[int, ...]
    seconds: float | None
    runs: int | None
    rounds: int


class Report(_Part, frozen=True, kw_only=True):
    """A whole run.

    Attributes:
        complete: False when it was interrupted: what there is then is of fewer runs.
        absent: runtimes that are not here, and how to get them.
    """

    schema: Literal["dfedge.bench/1"] = BENCH_SCHEMA
    complete: bool
    machine: Machine
    settings: Settings
    energy: Energy
    peaks: tuple[PeakResult, ...]
    models: tuple[ModelResult, ...]
    absent: tuple[Absent, ...] = ()


def summarize(seconds: Sequence[float], batch: int) -> Milliseconds:
    """Of runs over a batch each."""
    milliseconds = np.asarray(seconds) * 1000 / batch
    median, p95 = np.percentile(milliseconds, (50, 95))
    return Milliseconds(median=float(median), p95=float(p95), min=float(milliseconds.min()))


def speed_ratio(entry: Entry, batch: int, first: Entry, first_batch: int) -> float | None:
    """How many times as fast per input ``entry`` is as ``first``; None if never side by side."""
    ratios = [
        (np.median(first.turns[number].seconds) / first_batch)
        / (np.median(entry.turns[number].seconds) / batch)
        for number in entry.turns
        if number in first.turns
    ]
    return float(np.median(ratios)) if ratios else None


def peak_result(entry: Entry) -> PeakResult | None:
    """Of a product of matrices; None where it could not be measured."""
    assert isinstance(entry.job, Peak)
    if not entry.turns:
        return None
    best = min(entry.seconds)
    pace = 2 * entry.job.side**3 / best / 1e9
    return PeakResult(threads=entry.job.threads, gflop_per_second=pace)

"""A whole run: from the names of models to a report, which can be asked for at any moment."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from dfedge.errors import UsageError
from dfedge_tools.benching.energy import Meter, find_source
from dfedge_tools.benching.lane import Lane, LaneError
from dfedge_tools.benching.machine import Machine, describe_machine
from dfedge_tools.benching.measure import Entry, Measurement, Power, Progress
from dfedge_tools.benching.messages import Go, Prepared, Runtime
from dfedge_tools.benching.plan import (
    Cell,
    Subject,
    absence,
    make_cells,
    make_peaks,
    obstacle,
    read_models,
)
from dfedge_tools.benching.results import (
    Absent,
    Energy,
    Memory,
    ModelResult,
    PeakResult,
    Report,
    Row,
    Settings,
    peak_result,
    speed_ratio,
    summarize,
)

ROUNDS = 5
"""Turns of each cell."""
IDLE_SECONDS = 2.0
"""How long the machine's idle power is watched, where it reports one."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be measured.

    Attributes:
        models: bundles (name, folder or zip) and ``torch:`` architectures.
        device: for all runtimes, as ``dfedge detect --device`` but for ``auto``.
        seconds: of each cell, over all rounds; or
        runs: of each cell, at least.
    """

    models: Sequence[str]
    runtimes: Sequence[Runtime]
    device: str
    threads: Sequence[int]
    batches: Sequence[int]
    seconds: float | None = None
    runs: int | None = None

    @property
    def rounds(self) -> int:
        """Five, or fewer where fewer runs are wanted."""
        return ROUNDS if self.runs is None else min(ROUNDS, self.runs)

    @property
    def order(self) -> Go:
        """What one turn is."""
        if self.runs is not None:
            return Go(runs=-(-self.runs // self.rounds))
        assert self.seconds is not None
        return Go(seconds=self.seconds / self.rounds)


class Bench:
    """One run.

    Raises:
        UsageError: a model is named twice or does not exist, or no wanted runtime is here.
        BundleError: a bundle is not sound.
    """

    def __init__(self, request: Request) -> None:
        self.request = request
        self._machine: Machine = describe_machine()
        self._subjects = read_models(request.models)
        reasons = {runtime: absence(runtime, request.device) for runtime in request.runtimes}
        self._absent = [
            Absent(runtime=runtime, reason=reason) for runtime, reason in reasons.items() if reason
        ]
        self._runtimes = [runtime for runtime, reason in reasons.items() if reason is None]
        if not self._runtimes:
            told = "; ".join(f"{item.runtime}: {item.reason}" for item in self._absent)
            raise UsageError(f"--runtime: none of them can be measured here. {told}")
        self._prepared: dict[str, Prepared | str] = {}
        self._obstacles: dict[str, list[Absent]] = {}
        self._cells: list[Cell] = []
        self._peaks: list[Entry] = []
        self._energy = Energy()
        self._complete = False

    @property
    def steps(self) -> int:
        """Calls for progress to expect at most."""
        rows = len(self._runtimes) * len(self.request.threads) * len(self.request.batches)
        entries = len(self._subjects) * rows + len(self.request.threads)
        return len(self._subjects) + entries * (1 + self.request.rounds)

    def run(self, progress: Progress = lambda name, steps: None) -> None:
        """Measure everything; whatever happens, no process and no file is left behind."""
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dfedge-bench-")))
            for number, subject in enumerate(self._subjects):
                progress(f"{subject.label}: preparing", 0)
                self._prepare(subject, folder / str(number))
                progress(subject.label, 1)
            power = self._watch_power(stack)
            if self.request.device == "cpu":
                self._peaks = make_peaks(self.request.threads)
            measurement = Measurement(
                self.request.order, rounds=self.request.rounds, power=power, progress=progress
            )
            measurement.run([*self._peaks, *(cell.entry for cell in self._cells)])
        self._complete = True

    def report(self) -> Report:
        """All figures there are by now."""
        peaks = [result for entry in self._peaks if (result := peak_result(entry)) is not None]
        request = self.request
        return Report(
            complete=self._complete,
            machine=self._machine,
            settings=Settings(
                device=request.device,
                runtimes=tuple(request.runtimes),
                threads=tuple(request.threads),
                batches=tuple(request.batches),
                seconds=request.seconds,
                runs=request.runs,
                rounds=request.rounds,
            ),
            energy=self._energy,
            peaks=tuple(peaks),
            models=tuple(self._model_result(subject, peaks) for subject in self._subjects),
            absent=tuple(self._absent),
        )

    def _prepare(self, subject: Subject, folder: Path) -> None:
        folder.mkdir()
        try:
            with Lane(subject.preparation(folder, self._runtimes)) as lane:
                prepared = lane.prepare()
        except LaneError as error:
            self._prepared[subject.label] = str(error)
            return
        self._prepared[subject.label] = prepared
        reasons = {name: obstacle(subject, prepared, name) for name in self._runtimes}
        self._obstacles[subject.label] = [
            Absent(runtime=name, reason=reason) for name, reason in reasons.items() if reason
        ]
        self._cells += make_cells(
            subject,
            prepared,
            [name for name, reason in reasons.items() if reason is None],
            device=self.request.device,
            threads=self.request.threads,
            batches=self.request.batches,
        )

    def _watch_power(self, stack: ExitStack) -> Power | None:
        source = find_source()
        if isinstance(source, str):
            self._energy = Energy(problem=source)
            return None
        meter = stack.enter_context(Meter(source))
        power = Power(meter, meter.idle_watts(IDLE_SECONDS))
        self._energy = Energy(source=meter.name, idle_watts=power.idle_watts)
        return power

    def _model_result(self, subject: Subject, peaks: Sequence[PeakResult]) -> ModelResult:
        bundle = subject.bundle
        prepared = self._prepared.get(subject.label)
        ready = prepared if isinstance(prepared, Prepared) else None
        cells = [cell for cell in self._cells if cell.subject is subject]
        first = next((cell for cell in cells if cell.entry.turns), None)
        flops = None if ready is None else ready.flops
        return ModelResult(
            name=subject.label,
            kind="architecture" if bundle is None else "bundle",
            architecture=subject.architecture,
            version=None if bundle is None else bundle.card.version,
            sha256=None if bundle is None else bundle.sha256,
            file_bytes=subject.file_bytes,
            unit=subject.unit,
            input_shape=None if ready is None else ready.input_shape,
            gflop=None if flops is None else flops / 1e9,
            rows=tuple(_row(cell, first, flops, peaks, self.request.device) for cell in cells),
            absent=tuple(self._obstacles.get(subject.label, ())),
            problem=prepared if isinstance(prepared, str) else None,
        )


def _row(
    cell: Cell, first: Cell | None, flops: float | None, peaks: Sequence[PeakResult], device: str
) -> Row:
    entry, loaded = cell.entry, cell.entry.loaded
    row = Row(
        runtime=cell.runtime,
        device=device,
        threads=cell.threads,
        batch=cell.batch,
        weights=cell.weights,
        problem=entry.problem,
    )
    if loaded is None or first is None or not entry.turns:
        return row
    times = summarize(entry.seconds, cell.batch)
    inputs = len(entry.seconds) * cell.batch
    return replace(
        row,
        ran_on=loaded.ran_on,
        runs=len(entry.seconds),
        milliseconds=times,
        per_second=inputs / sum(entry.seconds),
        cpu_milliseconds=1000 * sum(turn.cpu_seconds for turn in entry.turns.values()) / inputs,
        ratio=speed_ratio(entry, cell.batch, first.entry, first.batch),
        peak_fraction=_peak_fraction(flops, times.median, cell.threads, peaks),
        load_seconds=loaded.seconds,
        memory=Memory(
            runtime=loaded.runtime_bytes,
            loaded=loaded.loaded_bytes,
            peak=max(turn.peak_bytes or 0 for turn in entry.turns.values()) or None,
        ),
        joules=None if entry.joules is None else entry.joules / inputs,
    )


def _peak_fraction(
    flops: float | None, milliseconds: float, threads: int, peaks: Sequence[PeakResult]
) -> float | None:
    peak = next((peak.gflop_per_second for peak in peaks if peak.threads == threads), None)
    return None if flops is None or peak is None else flops / 1e6 / milliseconds / peak

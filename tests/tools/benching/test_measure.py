"""Cells take turns, share the memory there is, and fail alone."""

from __future__ import annotations

from typing import Any

import pytest

from dfedge_tools.benching.lane import LaneError
from dfedge_tools.benching.measure import Entry, Measurement, Power
from dfedge_tools.benching.messages import Go, Loaded, Peak, Slice
from dfedge_tools.benching.results import speed_ratio


class FakeLane:
    """Answers at once; writes down what it is told in a log that all share."""

    log: list[str] = []
    open: set[str] = set()
    dies: dict[str, int] = {}

    def __init__(self, job: Peak) -> None:
        self.name = str(job.side)
        self.turns = 0
        self.open.add(self.name)

    def load(self) -> Loaded:
        """Or die."""
        self.log.append(f"load {self.name}")
        if self.dies.get(self.name) == 0:
            raise LaneError("did not load")
        return Loaded(seconds=0.5, runtime_bytes=10, loaded_bytes=30, ran_on="CPU")

    def go(self, order: Go) -> Slice:
        """Takes as many seconds as its name says, or dies."""
        self.log.append(self.name)
        self.turns += 1
        if self.dies.get(self.name) == self.turns:
            raise LaneError("crashed")
        return Slice(
            seconds=(float(self.name),), started=0.0, ended=2.0, cpu_seconds=1.0, peak_bytes=40
        )

    def close(self) -> None:
        """Once."""
        self.open.remove(self.name)


@pytest.fixture
def lanes() -> type[FakeLane]:
    """A fresh log."""

    class Fresh(FakeLane):
        log: list[str] = []
        open: set[str] = set()
        dies: dict[str, int] = {}

    return Fresh


def entry(side: int, family: str = "a", needs_bytes: int = 1) -> Entry:
    """A cell that takes ``side`` seconds a run."""
    return Entry(str(side), family, Peak(threads=1, side=side), needs_bytes)


def measurement(lanes: type[FakeLane], **options: Any) -> Measurement:
    """Of two rounds."""
    options = {"rounds": 2, "available": lambda: 100, **options}
    return Measurement(Go(runs=1), open_lane=lanes, **options)  # type: ignore[arg-type]


def test_cells_take_turns_forth_and_back(lanes: type[FakeLane]) -> None:
    """A B, B A: a machine that slows down does not favour the first."""
    measurement(lanes).run([entry(1), entry(2)])
    assert ["load 1", "load 2", "1", "2", "2", "1"] == lanes.log
    assert lanes.open == set()


def test_cells_that_do_not_fit_wait_and_meet_the_first_again(lanes: type[FakeLane]) -> None:
    """Ratios are between cells that ran side by side, also over groups."""
    entries = [entry(4, "a", 50), entry(2, "a", 90), entry(1, "b", 90)]
    measurement(lanes).run(entries)
    assert ["load 4", "4", "4", "load 2", "4", "2", "2", "4", "load 1", "1", "1"] == lanes.log
    assert [0, 1, 2, 3] == sorted(entries[0].turns)
    assert speed_ratio(entries[1], 1, entries[0], 1) == 2.0
    assert speed_ratio(entries[2], 1, entries[0], 1) is None


def test_half_of_the_memory_is_left_to_others(lanes: type[FakeLane]) -> None:
    """Of what was there at the start, whoever took it meanwhile."""
    free = iter([100, 80, 60])  # at the start, and before the second and the third cell
    entries = [entry(side, needs_bytes=20) for side in (1, 2, 3)]
    measurement(lanes, rounds=1, available=lambda: next(free)).run(entries)
    assert ["load 1", "load 2", "1", "2", "load 3", "3", "1"] == lanes.log


def test_a_cell_that_does_not_load_fails_alone(lanes: type[FakeLane]) -> None:
    """And says why."""
    lanes.dies = {"1": 0}
    entries = [entry(1), entry(2)]
    measurement(lanes).run(entries)
    assert ["did not load", None] == [item.problem for item in entries]
    assert [0, 2] == [len(item.turns) for item in entries]
    assert lanes.open == set()


def test_a_cell_that_crashes_later_keeps_what_it_gave(lanes: type[FakeLane]) -> None:
    """The first round counts; the others go on."""
    lanes.dies = {"1": 2}
    entries = [entry(1), entry(2)]
    measurement(lanes).run(entries)
    assert ["crashed", None] == [item.problem for item in entries]
    assert [1, 2] == [len(item.turns) for item in entries]


def test_ctrl_c_ends_every_process_and_keeps_what_is_done(lanes: type[FakeLane]) -> None:
    """In the second round here."""
    entries = [entry(1), entry(2)]

    def interrupt(name: str, steps: int) -> None:
        if len(lanes.log) == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measurement(lanes, progress=interrupt).run(entries)
    assert lanes.open == set()
    assert [1, 2] == sorted(len(item.turns) for item in entries)


def test_progress_comes_to_an_end(lanes: type[FakeLane]) -> None:
    """One step to load and one a round for each cell, also for those that fail or wait."""
    lanes.dies = {"1": 0, "2": 1}
    entries = [entry(1), entry(2), entry(3, "b", 99), entry(4, "b", 99)]
    steps: list[int] = []
    measurement(lanes, progress=lambda name, count: steps.append(count)).run(entries)
    assert sum(steps) <= len(entries) * 3
    assert sum(steps) >= len(entries) * 3 - 1


def test_idle_power_is_taken_off(lanes: type[FakeLane]) -> None:
    """Two rounds of 2 s at 10 W, 3 of them idle: 28 J are the model's."""

    class Meter:
        def between(self, start: float, end: float) -> float:
            return 10.0 * (end - start)

    item = entry(1)
    power = Power(Meter(), idle_watts=3.0)  # type: ignore[arg-type]
    measurement(lanes, power=power).run([item])
    assert item.joules == 28.0

"""Measure many cells in turns: A B C, C B A, A B C, each in a process that keeps its model.

A shared machine is now fast, now slow. Cells that take turns a second apart meet the same weather,
so their ratios hold where their milliseconds do not.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from dfedge_tools.benching.energy import Meter
from dfedge_tools.benching.lane import Lane, LaneError
from dfedge_tools.benching.memory import available_bytes
from dfedge_tools.benching.messages import Go, Loaded, Measure, Peak, Slice

KEPT_FREE = 0.5
"""Of the memory that is available at the start: others on the machine may come to need it."""

Progress = Callable[[str, int], None]
"""Told what is done now, and how many steps were done since the last call."""


@dataclass(slots=True, eq=False)
class Entry:
    """One cell and what was measured of it.

    Attributes:
        name: for the progress bar.
        family: cells of one family are compared with its first.
        needs_bytes: a guess at its memory, to decide how many are held at a time.
        turns: by the number of the round, which all cells that ran side by side share.
        joules: over all turns and above the machine's idle power; None where none are counted.
        problem: why it could not be measured, or not to the end.
    """

    name: str
    family: str
    job: Measure | Peak
    needs_bytes: int
    loaded: Loaded | None = None
    turns: dict[int, Slice] = field(default_factory=dict)
    joules: float | None = None
    problem: str | None = None

    @property
    def seconds(self) -> list[float]:
        """Of every run."""
        return [second for turn in self.turns.values() for second in turn.seconds]


@dataclass(frozen=True, slots=True)
class Power:
    """A running meter and what the machine takes when idle."""

    meter: Meter
    idle_watts: float


class Measurement:
    """Runs entries side by side, as many at a time as the memory holds.

    Args:
        open_lane: how to start a child; tests give another.
    """

    def __init__(
        self,
        order: Go,
        *,
        rounds: int,
        power: Power | None = None,
        progress: Progress = lambda name, steps: None,
        open_lane: Callable[[Measure | Peak], Lane] = Lane,
        available: Callable[[], int | None] = available_bytes,
    ) -> None:
        self._order = order
        self._rounds = rounds
        self._power = power
        self._progress = progress
        self._open_lane = open_lane
        self._available = available
        self._lanes: dict[Entry, Lane] = {}
        self._kept_free = KEPT_FREE * (available() or 0)
        self._round = 0

    def run(self, entries: Sequence[Entry]) -> None:
        """Fill in what the entries measure; an entry that fails says so and the rest goes on."""
        pending = deque(entries)
        try:
            while pending:
                self._open_some(pending)
                fresh = [entry for entry in self._lanes if not entry.turns]
                for _ in range(self._rounds):
                    self._take_turns(fresh)
                self._close(self._no_longer_needed(pending))
        finally:
            self._close(list(self._lanes))

    def _open_some(self, pending: deque[Entry]) -> None:
        """Load what comes next while there is memory, and at least one."""
        opened = 0
        while pending and (not opened or self._fits(pending[0])):
            entry = pending.popleft()
            self._progress(f"{entry.name}: loading", 0)
            lane = self._open_lane(entry.job)
            self._lanes[entry] = lane
            try:
                entry.loaded = lane.load()
            except LaneError as error:
                self._fail(entry, error)
                self._progress(entry.name, self._rounds)
            else:
                opened += 1
            self._progress(entry.name, 1)

    def _fits(self, entry: Entry) -> bool:
        available = self._available()
        return available is None or available - entry.needs_bytes >= self._kept_free

    def _take_turns(self, fresh: Iterable[Entry]) -> None:
        """One round: every second one backwards, so that a drift does not favour the first."""
        entries = list(self._lanes)
        for entry in entries if self._round % 2 == 0 else reversed(entries):
            self._progress(entry.name, 0)
            try:
                self._take_turn(entry)
            except LaneError as error:
                self._fail(entry, error)
            self._progress(entry.name, int(entry in fresh))
        self._round += 1

    def _take_turn(self, entry: Entry) -> None:
        turn = self._lanes[entry].go(self._order)
        entry.turns[self._round] = turn
        if self._power is not None:
            joules = self._power.meter.between(turn.started, turn.ended)
            joules -= self._power.idle_watts * (turn.ended - turn.started)
            entry.joules = joules + (entry.joules or 0.0)

    def _no_longer_needed(self, pending: Iterable[Entry]) -> list[Entry]:
        """All but the first of each family that has cells to come: they are compared with it."""
        to_come = {entry.family for entry in pending}
        kept: dict[str, Entry] = {}
        for entry in self._lanes:
            if entry.family in to_come:
                kept.setdefault(entry.family, entry)
        return [entry for entry in self._lanes if entry not in kept.values()]

    def _fail(self, entry: Entry, error: LaneError) -> None:
        entry.problem = str(error)
        self._close([entry])

    def _close(self, entries: Iterable[Entry]) -> None:
        with contextlib.ExitStack() as stack:  # all are closed, also when one close is interrupted
            for entry in entries:
                stack.callback(self._lanes.pop(entry).close)

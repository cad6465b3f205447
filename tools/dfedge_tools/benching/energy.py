"""Energy, where the machine reports it: RAPL counters, or a Jetson's INA3221 sensors.

Both are files under ``/sys``; nothing is installed for them. RAPL, of Intel and AMD, counts the
microjoules of each processor package (https://docs.kernel.org/power/powercap/powercap.html). A
Jetson tells the volts and amperes of its power rails, by hwmon since JetPack 5
(https://docs.kernel.org/hwmon/ina3221.html) and by iio before; they are summed over time here.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import numpy as np

SYS = Path("/sys")
NOT_REPORTED = "not reported by this machine"
INTERVAL_SECONDS = 0.05
"""Between two samples; a turn of measuring takes a second or so."""

WHOLE_BOARD = frozenset({"VDD_IN", "POM_5V_IN", "5V_IN"})
"""Rails that feed all others: TX2, Nano, Xavier NX, Orin Nano and NX have one of them."""
WITHIN_ANOTHER = frozenset({"VDDQ_VDD2_1V8AO", "NC", "sum of shunt voltages"})
"""Of the AGX Orin, fed by its VIN_SYS_5V0; an input that is not connected; no rail at all."""


class Source(Protocol):
    """Something that counts energy."""

    name: str
    """For people."""

    def joules(self) -> float:
        """Since some moment, never falling."""


@dataclass(slots=True)
class _Counter:
    """One RAPL counter, which starts again from 0 at its range."""

    path: Path
    range_microjoules: int
    last: int | None = None
    wraps: int = 0

    def joules(self) -> float:
        now = int(self.path.read_text(encoding="ascii"))
        if self.last is not None and now < self.last:
            self.wraps += 1
        self.last = now
        return (now + self.wraps * self.range_microjoules) / 1e6


class Rapl:
    """The processor packages of the machine, cores and caches; memory where they count it."""

    def __init__(self, counters: list[_Counter]) -> None:
        self.name = f"RAPL, {len(counters)} package{'s' * (len(counters) != 1)}"
        self._counters = counters

    @classmethod
    def find(cls, root: Path = SYS) -> Self | None:
        """None where there is none.

        Raises:
            PermissionError: there is, and only root may read it.
        """
        counters = []
        for zone in sorted((root / "class/powercap").glob("*-rapl:*")):
            if zone.name.count(":") != 1 or not _text(zone / "name").startswith("package"):
                continue  # a part of a package, or the same counted a second time
            counter = _Counter(zone / "energy_uj", int(_text(zone / "max_energy_range_uj")))
            counter.joules()
            counters.append(counter)
        return cls(counters) if counters else None

    def joules(self) -> float:
        """Of all packages."""
        return sum(counter.joules() for counter in self._counters)


@dataclass(frozen=True, slots=True)
class _Rail:
    """One channel of a sensor: files of millivolts and milliamperes, or of milliwatts."""

    name: str
    factors: tuple[Path, ...]

    def watts(self) -> float:
        numbers = [float(path.read_text(encoding="ascii")) / 1000 for path in self.factors]
        return float(np.prod(numbers))


@dataclass(slots=True)
class Ina:
    """The power rails of a Jetson: the one that feeds the board, else the sum of all."""

    rails: list[_Rail]
    name: str = field(init=False)
    _joules: float = 0.0
    _last: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        self.name = f"INA3221, {', '.join(rail.name for rail in self.rails)}"

    @classmethod
    def find(cls, root: Path = SYS) -> Self | None:
        """None where there is none."""
        rails = [*_hwmon_rails(root), *_iio_rails(root)]
        whole = [rail for rail in rails if rail.name in WHOLE_BOARD]
        rails = whole[:1] or [rail for rail in rails if rail.name not in WITHIN_ANOTHER]
        return cls(rails) if rails else None

    def watts(self) -> float:
        """Now."""
        return sum(rail.watts() for rail in self.rails)

    def joules(self) -> float:
        """Since the first call, by the trapezoidal rule between calls."""
        now, watts = time.monotonic(), self.watts()
        if self._last is not None:
            before, watts_before = self._last
            self._joules += (now - before) * (watts + watts_before) / 2
        self._last = (now, watts)
        return self._joules


class Meter:
    """Samples a source in a thread of its own, so that any stretch of time can be asked for."""

    def __init__(self, source: Source) -> None:
        self.name = source.name
        self._source = source
        self._samples: list[tuple[float, float]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="energy", daemon=True)

    def between(self, start: float, end: float) -> float:
        """Joules between two moments of ``time.monotonic`` that have passed."""
        while self._thread.is_alive() and (not self._samples or self._samples[-1][0] < end):
            time.sleep(INTERVAL_SECONDS)
        times, joules = np.asarray(self._samples).T
        return float(np.interp(end, times, joules) - np.interp(start, times, joules))

    def idle_watts(self, seconds: float) -> float:
        """Power over the next seconds, during which the caller does nothing."""
        start = time.monotonic()
        time.sleep(seconds)
        return self.between(start, start + seconds) / seconds

    def __enter__(self) -> Self:
        self._sample()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(INTERVAL_SECONDS):
            self._sample()

    def _sample(self) -> None:
        self._samples.append((time.monotonic(), self._source.joules()))


def find_source(root: Path = SYS) -> Source | str:
    """What this machine reports; else why it does not, in words."""
    try:
        return Ina.find(root) or Rapl.find(root) or NOT_REPORTED
    except PermissionError as error:
        return (
            f"only root may read {error.filename}: run as root, or let others read it "
            "(sudo chmod a+r of that file, until the next start)"
        )
    except (OSError, ValueError) as error:
        return f"{NOT_REPORTED} in a way this reads ({error})"


def _hwmon_rails(root: Path) -> list[_Rail]:
    rails = []
    for label in sorted((root / "bus/i2c/drivers").glob("ina3221*/*/hwmon/hwmon*/in*_label")):
        channel = label.name.removeprefix("in").removesuffix("_label")
        volts, amperes = label.parent / f"in{channel}_input", label.parent / f"curr{channel}_input"
        if volts.is_file() and amperes.is_file():
            rails.append(_Rail(_text(label), (volts, amperes)))
    return rails


def _iio_rails(root: Path) -> list[_Rail]:
    rails = []
    for label in sorted((root / "bus/i2c/drivers").glob("ina3221*/*/iio[:_]device*/rail_name_*")):
        power = label.parent / f"in_power{label.name.rpartition('_')[2]}_input"
        if power.is_file():
            rails.append(_Rail(_text(label), (power,)))
    return rails


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace").strip()

"""What processes hold over time: memory and descriptors from /proc (Linux), and their slope."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import mean

BARS = "▁▂▃▄▅▆▇█"


def resident_mb(pid: int) -> float:
    """Resident memory of a process and all its children, in MB; 0 once it has ended."""
    return sum(_resident_kb(one) for one in family(pid)) / 1024


def descriptors(pid: int) -> int:
    """Open files, sockets and pipes of a process and all its children."""
    return sum(_count(Path(f"/proc/{one}/fd")) for one in family(pid))


def processor_seconds(pid: int) -> float:
    """What a process and all its children have used of the processor."""
    ticks = sum(map(_ticks, family(pid)))
    return ticks / os.sysconf("SC_CLK_TCK")


def family(pid: int) -> list[int]:
    """A process and all its children's children that live now."""
    found = [pid]
    for parent in found:
        try:
            tasks = list(Path(f"/proc/{parent}/task").iterdir())
            for task in tasks:
                found += map(int, (task / "children").read_text().split())
        except OSError:
            continue
    return found


def file_sizes(folder: Path) -> list[int]:
    """Bytes of each file below a folder that others write to and delete from."""
    found = []
    for path in folder.rglob("*"):
        try:
            if path.is_file():
                found.append(path.stat().st_size)
        except FileNotFoundError:
            continue
    return found


def slope(points: Iterable[tuple[int, float, float]]) -> float:
    """Least-squares slope of value over time, with a level of its own for each run.

    Args:
        points: run, time, value.
    """
    runs: dict[int, list[tuple[float, float]]] = {}
    for run, time, value in points:
        runs.setdefault(run, []).append((time, value))
    above = below = 0.0
    for found in runs.values():
        middle = mean(time for time, _ in found)
        level = mean(value for _, value in found)
        above += sum((time - middle) * (value - level) for time, value in found)
        below += sum((time - middle) ** 2 for time, _ in found)
    return above / below if below else 0.0


def sparkline(values: Sequence[float], width: int = 60) -> str:
    """A line of bars from the least to the greatest of the means of ``width`` parts."""
    size = max(1, len(values) // width)
    parts = [mean(values[start : start + size]) for start in range(0, len(values), size)]
    low, high = min(parts), max(parts)
    step = (high - low) / (len(BARS) - 1) or 1.0
    return "".join(BARS[round((part - low) / step)] for part in parts)


def _resident_kb(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmRSS:")), 0)


def _ticks(pid: int) -> int:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return int(fields[11]) + int(fields[12])


def _count(folder: Path) -> int:
    try:
        return sum(1 for _ in folder.iterdir())
    except OSError:
        return 0

"""Resident memory of this process, and what the machine has left."""

from __future__ import annotations

import sys
from pathlib import Path

_SELF = Path("/proc/self/status")
_MACHINE = Path("/proc/meminfo")


def resident_bytes() -> int | None:
    """Of this process now; None where the system does not tell."""
    return _kilobytes(_SELF, "VmRSS")


def peak_resident_bytes() -> int | None:
    """The most this process has had; None where the system does not tell.

    On Linux from ``VmHWM``: ``getrusage`` there starts from the parent's peak.
    """
    peak = _kilobytes(_SELF, "VmHWM")
    if peak is not None or sys.platform == "win32":
        return peak
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else used * 1024


def available_bytes() -> int | None:
    """What new processes may take without swapping; None where the system does not tell."""
    return _kilobytes(_MACHINE, "MemAvailable")


def total_bytes() -> int | None:
    """Of the machine; None where the system does not tell."""
    return _kilobytes(_MACHINE, "MemTotal")


def _kilobytes(path: Path, field: str) -> int | None:
    try:
        lines = path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    for line in lines:
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) * 1024
    return None

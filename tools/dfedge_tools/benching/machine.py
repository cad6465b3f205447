"""What a reader must know of the machine; not whose it is: no host name, no user, no path."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec

from dfedge_tools.benching.memory import total_bytes

PACKAGES = ("dfedge", "onnxruntime", "onnxruntime-gpu", "torch", "openvino", "numpy")

_CPU_INFO = Path("/proc/cpuinfo")
_BOARD = Path("/proc/device-tree/model")


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Facts that a figure depends on.

    Attributes:
        cpu: as the system calls it.
        board: of a single-board computer, such as a Jetson; None elsewhere.
        cores: logical ones this process may use.
        memory_bytes: of the machine; None where the system does not tell.
        load: jobs that were waiting for a core in the minute before, on average; near 0 is quiet.
        versions: of the packages that are installed.
    """

    cpu: str
    board: str | None
    cores: int
    memory_bytes: int | None
    system: str
    python: str
    load: float | None
    versions: dict[str, str]

    @property
    def is_busy(self) -> bool:
        """Whether others were using it, so that times are worth less than ratios."""
        return self.load is not None and self.load > 0.5


def describe_machine() -> Machine:
    """This one, now."""
    return Machine(
        cpu=_cpu_name(),
        board=_board_name(),
        cores=_usable_cores(),
        memory_bytes=total_bytes(),
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        load=round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        versions=_versions(PACKAGES),
    )


def _cpu_name() -> str:
    if sys.platform == "darwin":
        command = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        return done.stdout.strip() or platform.machine()
    try:
        lines = _CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()


def _board_name() -> str | None:
    try:
        return _BOARD.read_text(encoding="utf-8", errors="replace").strip("\0 \n") or None
    except OSError:
        return None


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _versions(packages: Sequence[str]) -> dict[str, str]:
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found

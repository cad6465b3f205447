"""Peak memory of `dfedge detect` on a short clip, and on the same clip looped to an hour.

The command runs as a process of its own; its peak resident memory is read from /proc (Linux only).
Flat means: the hour costs no more than the seconds do.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.clips import loop_clip, measured_clips

HOUR = 3600.0


def watch(command: list[str]) -> dict[str, float]:
    """Run a command; its wall seconds and its peak resident memory in MB."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    peak = 0.0
    while process.poll() is None:
        try:
            status = Path(f"/proc/{process.pid}/status").read_text()
        except FileNotFoundError:
            break
        fields = dict(line.split(":", 1) for line in status.splitlines())
        if "VmHWM" in fields:
            peak = max(peak, int(fields["VmHWM"].split()[0]) / 1024)
        time.sleep(0.05)
    if process.wait() != 0:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return {"seconds": time.perf_counter() - started, "peak_mb": peak}


def main() -> None:
    """Print a row a file and sampling; ``--json`` prints the whole result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    results: dict[str, dict[str, float]] = {}
    with measured_clips() as clips, TemporaryDirectory(prefix="dfedge-bench-") as folder:
        hour = Path(folder) / "hour.mp4"
        loop_clip(clips["1080p"], hour, HOUR)
        for sampling in ("even", "scene", "fast"):
            for name, path in (("short clip", clips["1080p"]), ("one hour", hour)):
                command = [sys.executable, "-m", "dfedge", "detect", str(path), "--json"]
                results[f"{name}, {sampling}"] = watch([*command, "--sampling", sampling])
    if arguments.json:
        print(json.dumps(results, indent=2))
        return
    print("1080p                seconds  peak MB")
    for name, row in results.items():
        print(f"{name:20} {row['seconds']:7.1f}  {row['peak_mb']:7.0f}")


if __name__ == "__main__":
    main()

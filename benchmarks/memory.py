"""Peak memory of `dfedge detect` on a short clip, and on the same clip looped to an hour.

The command runs as a process of its own; its resident memory is read from /proc ten times a second
(Linux only). Flat means: the hour costs about what the seconds cost.
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
    """Run a command; its wall seconds and its peak and late memory in MB.

    ``late_over_early`` compares the mean of the last quarter of the readings with the second
    quarter's: 1 means flat.
    """
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    readings: list[float] = []
    peak = 0.0
    while process.poll() is None:
        try:
            status = Path(f"/proc/{process.pid}/status").read_text()
        except FileNotFoundError:
            break
        fields = dict(line.split(":", 1) for line in status.splitlines())
        if "VmRSS" in fields:
            readings.append(int(fields["VmRSS"].split()[0]) / 1024)
            peak = max(peak, int(fields["VmHWM"].split()[0]) / 1024)
        time.sleep(0.1)
    if process.wait() != 0:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    quarter = max(1, len(readings) // 4)
    early, late = readings[quarter : 2 * quarter] or readings, readings[-quarter:]
    return {
        "seconds": time.perf_counter() - started,
        "peak_mb": peak,
        "late_over_early": (sum(late) / len(late)) / (sum(early) / len(early)),
    }


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
    print("1080p                  seconds  peak MB  late/early")
    for name, row in results.items():
        seconds, peak, flatness = row["seconds"], row["peak_mb"], row["late_over_early"]
        print(f"{name:22} {seconds:7.1f}  {peak:7.0f}  {flatness:10.2f}")


if __name__ == "__main__":
    main()

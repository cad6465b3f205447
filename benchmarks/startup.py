"""What starting costs: importing the SDK, and `dfedge detect` on one picture from cold."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from PIL import Image
from skimage import data

IMPORT = "import time; {before}; t = time.perf_counter(); {what}; print(time.perf_counter() - t)"
LIBRARIES = "import numpy, cv2, onnxruntime"


def timed_import(what: str, before: str = "pass") -> float:
    """Seconds an import takes in a fresh interpreter, after ``before``."""
    code = IMPORT.format(before=before, what=what)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout)


def timed_command(command: list[str]) -> float:
    """Wall seconds of a whole process."""
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def main() -> None:
    """Print medians; ``--json`` prints them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    use = "from dfedge import Detector"
    with TemporaryDirectory(prefix="dfedge-bench-") as folder:
        picture = Path(folder) / "portrait.png"
        Image.fromarray(data.astronaut()).save(picture)
        detect = [sys.executable, "-m", "dfedge", "detect", str(picture), "--json"]
        rounds = [
            {
                "import dfedge": timed_import("import dfedge"),
                "import numpy, cv2, onnxruntime": timed_import(LIBRARIES),
                f"{use}, those already imported": timed_import(use, LIBRARIES),
                "dfedge detect portrait.png": timed_command(detect),
            }
            for _ in range(arguments.rounds)
        ]
    results = {name: median(row[name] for row in rounds) for name in rounds[0]}
    if arguments.json:
        print(json.dumps(results, indent=2))
        return
    print(f"seconds, medians of {arguments.rounds} rounds")
    for name, seconds in results.items():
        print(f"{seconds:7.3f}  {name}")


if __name__ == "__main__":
    main()

"""The shipped bundles in onnxruntime-web (WASM, one thread) against ONNX Runtime on one thread.

Both take turns. Needs Node and, in tests/e2e/web, ``npm ci`` (``make test`` does it).
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.clips import REPOSITORY
from dfedge.bundles.bundle import Bundle, load_bundle
from dfedge.bundles.store import builtin_folder
from dfedge.runtime import open_model

SCRIPT = Path(__file__).with_suffix(".mjs")
PACKAGES = REPOSITORY / "tests" / "e2e" / "web"


def measure(bundle: Bundle, rounds: int, seconds: float) -> dict[str, float]:
    """Medians: milliseconds of one input in each runtime, and their ratio round by round."""
    rows = []
    with TemporaryDirectory(prefix="dfedge-bench-") as folder:
        model = Path(folder) / "model"
        model.write_bytes(bundle.read("model"))
        for _ in range(rounds):
            rows.append(
                (web_milliseconds(bundle, model, seconds), native_milliseconds(bundle, seconds))
            )
    return {
        "web_ms": median(web for web, _ in rows),
        "native_ms": median(native for _, native in rows),
        "web_to_native": median(web / native for web, native in rows),
    }


def web_milliseconds(bundle: Bundle, model: Path, seconds: float) -> float:
    """Median of one input in Node."""
    shape = ",".join(map(str, input_shape(bundle)))
    command = ["node", str(SCRIPT), str(PACKAGES), str(model), bundle.card.input.name, shape]
    done = subprocess.run([*command, str(seconds)], check=True, capture_output=True, text=True)
    return median(json.loads(done.stdout))


def native_milliseconds(bundle: Bundle, seconds: float) -> float:
    """Median of one input here."""
    model = open_model(bundle, device="cpu", threads=1)
    noise = np.random.default_rng(0).standard_normal(input_shape(bundle), dtype=np.float32)
    feeds = {bundle.card.input.name: noise}
    for _ in range(5):
        model.run(feeds)
    times = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        before = time.perf_counter()
        model.run(feeds)
        times.append(time.perf_counter() - before)
    model.close()
    return median(times) * 1000


def input_shape(bundle: Bundle) -> tuple[int, ...]:
    """Of a batch of one."""
    return (1, 3, bundle.card.input.height, bundle.card.input.width)


def main() -> None:
    """Print a row a bundle; ``--json`` prints the whole result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5, help="of each turn")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if shutil.which("node") is None or not (PACKAGES / "node_modules" / "onnxruntime-web").is_dir():
        print("not measured: needs Node and, in tests/e2e/web, npm ci")
        return
    results = {
        folder.name: measure(load_bundle(folder), arguments.rounds, arguments.seconds)
        for folder in sorted(builtin_folder().iterdir())
        if (folder / "card.json").is_file()
    }
    if arguments.json:
        print(json.dumps(results, indent=2))
        return
    print(f"milliseconds of one input, one thread; medians of {arguments.rounds} rounds")
    print("bundle                     web  native  web/native")
    for name, row in results.items():
        ratio = row["web_to_native"]
        print(f"{name:22} {row['web_ms']:7.1f} {row['native_ms']:7.1f}  {ratio:10.2f}")


if __name__ == "__main__":
    main()

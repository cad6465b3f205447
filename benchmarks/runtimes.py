"""ONNX Runtime against torch eager, side by side: the heavy tier, and the edge model.

The heavy tier is GenConViT's two networks on 15 faces, in float32 and with int8 products (recipe
``dynamic-int8``); the edge model scores one. Weights are random (speed does not depend on them),
threads are equal on both sides, faces are scored one by one or all in one run, whichever is quicker
on that side, and each row is a process of its own that takes turns with the others, as in ``dfedge
bench``. Exporting the larger network has taken more than 9.5 GB of memory.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from tqdm import tqdm

from dfedge_tools.benching.bench import Bench, Request
from dfedge_tools.benching.lane import Lane
from dfedge_tools.benching.messages import Prepare
from dfedge_tools.benching.results import ModelResult, Report
from dfedge_tools.benching.table import render

FACES = 15
"""What GenConViT's publishers score of a clip."""
HEAVY = ("genconvit_ed", "genconvit_vae")


@dataclass(frozen=True, slots=True)
class Comparison:
    """What must be how many times as fast as in torch eager.

    Attributes:
        models: bundles, or architectures, which are exported first.
        recipe: of ``dfedge quantize``, for the form that ONNX Runtime runs; None for float32.
    """

    title: str
    models: tuple[str, ...]
    batches: tuple[int, ...]
    wanted: float
    recipe: str | None = None


COMPARISONS = {
    "edge": Comparison("edge model, one face", ("dfedge-b0",), (1,), 2.5),
    "edge-224": Comparison("edge model at 224 px, one face", ("ms_eff_gcvit_b0",), (1,), 2.5),
    "heavy": Comparison(f"heavy tier, {FACES} faces", HEAVY, (1, FACES), 2.0),
    "heavy-int8": Comparison(
        f"heavy tier in int8, {FACES} faces", HEAVY, (1, FACES), 2.0, "dynamic-int8"
    ),
}


def measure(
    comparison: Comparison, folder: Path, *, threads: Sequence[int], seconds: float
) -> Report:
    """All models of a comparison in both runtimes."""
    bench = Bench(
        Request(
            models=[make_bundle(name, comparison.recipe, folder) for name in comparison.models],
            runtimes=("torch", "ort"),
            device="cpu",
            threads=threads,
            batches=comparison.batches,
            seconds=seconds,
        )
    )
    with tqdm(total=bench.steps, desc=comparison.title, leave=False, disable=None) as bar:

        def progress(name: str, steps: int) -> None:
            bar.update(steps)

        bench.run(progress)
    return bench.report()


def make_bundle(name: str, recipe: str | None, folder: Path) -> str:
    """The bundle of an architecture in a form; one that exists already is not made again."""
    if "-" in name:
        return name
    plain = folder / name / "bundle"
    if not plain.is_dir():
        (folder / name).mkdir(exist_ok=True)
        job = Prepare(
            bundle=None, architecture=name, folder=str(plain.parent), torch=False, export=True
        )
        with Lane(job) as lane:  # in a process whose memory ends with it
            lane.prepare()
    if recipe is None:
        return str(plain)
    form = plain.parent / recipe
    if not form.is_dir():
        command = [sys.executable, "-m", "dfedge", "quantize", str(plain), "--recipe", recipe]
        command += ["--out", str(form), "--force"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return str(form)


def ratios(report: Report, threads: Sequence[int]) -> list[str]:
    """What torch takes for all models together over what ONNX Runtime takes, in words."""
    told = []
    for count in threads:
        sums = {"torch": 0.0, "ort": 0.0}
        for model, runtime in product(report.models, sums):
            sums[runtime] += _milliseconds(model, runtime, count)
        told.append(f"{sums['torch'] / sums['ort']:.2f} with threads {count}")
    return told


def main() -> None:
    """Print a table a comparison and the ratio; ``--json`` prints the reports as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each row")
    parser.add_argument("--threads", type=int, nargs="+", default=(1, 2))
    parser.add_argument(
        "--only",
        choices=COMPARISONS,
        nargs="+",
        default=("edge", "edge-224"),
        help="what to compare (default: edge edge-224; the heavy tier takes 10 GB and minutes)",
    )
    parser.add_argument("--folder", type=Path, help="keep the exported bundles here")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    comparisons = [c for name, c in COMPARISONS.items() if name in arguments.only]
    with TemporaryDirectory(prefix="dfedge-bench-") as scratch:
        folder = arguments.folder or Path(scratch)
        options = {"threads": arguments.threads, "seconds": arguments.seconds}
        reports = {c.title: measure(c, folder, **options) for c in comparisons}
    if arguments.json:
        print(msgspec.json.format(msgspec.json.encode(reports), indent=2).decode())
        return
    for comparison in comparisons:
        report = reports[comparison.title]
        told = ", ".join(ratios(report, report.settings.threads))
        print(f"## {comparison.title}\n\n{render(report)}")
        print(f"times as fast as torch eager: {told}; wanted {comparison.wanted}\n")


def _milliseconds(model: ModelResult, runtime: str, threads: int) -> float:
    """Of one input in the better batch; not a number where it was not measured."""
    times = [
        row.milliseconds.median
        for row in model.rows
        if (row.runtime, row.threads) == (runtime, threads) and row.milliseconds is not None
    ]
    return min(times, default=float("nan"))


if __name__ == "__main__":
    main()

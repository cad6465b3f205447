"""ONNX Runtime against torch eager, side by side: the heavy tier, and the edge model.

The heavy tier is GenConViT's two networks on 15 faces; the edge model scores one. Weights are
random (speed does not depend on them), threads are equal on both sides, and each row is a process
of its own that takes turns with the others, as in ``dfedge bench``. Exporting the larger network
takes 8 GB.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import msgspec
from tqdm import tqdm

from dfedge_tools.benching.bench import Bench, Request
from dfedge_tools.benching.results import ModelResult, Report
from dfedge_tools.benching.table import render

FACES = 15
"""What GenConViT's publishers score of a clip."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What must be how many times as fast as in torch eager."""

    title: str
    models: tuple[str, ...]
    batch: int
    wanted: float


COMPARISONS = (
    Comparison("edge model, one face", ("dfedge-b0",), 1, 2.5),
    Comparison("edge model at 224 px, one face", ("torch:ms_eff_gcvit_b0",), 1, 2.5),
    Comparison(
        f"heavy tier, {FACES} faces", ("torch:genconvit_ed", "torch:genconvit_vae"), FACES, 2.0
    ),
)


def measure(comparison: Comparison, threads: Sequence[int], seconds: float) -> Report:
    """All models of a comparison in both runtimes."""
    bench = Bench(
        Request(
            models=comparison.models,
            runtimes=("torch", "ort"),
            device="cpu",
            threads=threads,
            batches=(comparison.batch,),
            seconds=seconds,
        )
    )
    with tqdm(total=bench.steps, desc=comparison.title, leave=False, disable=None) as bar:
        bench.run(lambda name, steps: bool(bar.update(steps)) and None)
    return bench.report()


def ratios(report: Report) -> dict[int, float]:
    """By threads: what torch takes for all models together over what ONNX Runtime takes.

    Empty where something could not be measured.
    """
    found = {}
    for threads in report.settings.threads:
        sums = {"torch": 0.0, "ort": 0.0}
        for model, runtime in product(report.models, sums):
            sums[runtime] += _milliseconds(model, runtime, threads)
        found[threads] = sums["torch"] / sums["ort"]
    return {threads: ratio for threads, ratio in found.items() if ratio == ratio}


def main() -> None:
    """Print a table a comparison and the ratio; ``--json`` prints the reports as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each row")
    parser.add_argument("--edge-only", action="store_true", help="leave out the heavy tier")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    comparisons = [c for c in COMPARISONS if not (arguments.edge_only and c.batch > 1)]
    reports = {c.title: measure(c, (1, 2), arguments.seconds) for c in comparisons}
    if arguments.json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(reports), indent=2).decode())
        return
    for comparison in comparisons:
        report = reports[comparison.title]
        told = (f"{ratio:.2f} with threads {n}" for n, ratio in ratios(report).items())
        print(f"## {comparison.title}\n\n{render(report)}")
        print(f"times as fast as torch eager: {', '.join(told)}; wanted {comparison.wanted}\n")


def _milliseconds(model: ModelResult, runtime: str, threads: int) -> float:
    """Of one input; not a number where it was not measured."""
    for row in model.rows:
        if (row.runtime, row.threads) == (runtime, threads) and row.milliseconds is not None:
            return row.milliseconds.median
    return float("nan")


if __name__ == "__main__":
    main()

"""Pictures a second of the training step and of the input that feeds it: which of them binds.

    python -m benchmarks.training_step --recipe b0 --data stores/all

Without ``--data`` pictures are noise, which costs more to compress than faces do. Both figures are
by CPU time and one thread, so that other programs beside it do not count; on a GPU the step is by
the clock.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import nn
from torch.utils.data import Dataset

from dfedge.types import Image
from dfedge_tools.data.faces import FaceRecord
from dfedge_tools.data.manifest import Sample
from dfedge_tools.data.store import Row
from dfedge_tools.training.config import Recipe
from dfedge_tools.training.loop import RunOptions, Trainer
from dfedge_tools.training.overrides import apply_overrides
from dfedge_tools.training.recipes import find_recipe
from dfedge_tools.training.stores import Crops, open_stores
from dfedge_tools.training.task import Loss, Phase, Task
from dfedge_tools.training.team import Team

FIRST_STEPS = 3
"""Not counted: they compile, and fill what is kept."""

SIDE = 256


class Noise:
    """A store in memory: genuine pictures of noise, a face in the middle of each."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self._image: Image = rng.integers(0, 256, (SIDE, SIDE, 3), np.uint8)
        points = (100, 110, 156, 110, 128, 140, 128, 165, 76, 118, 180, 118)
        face = FaceRecord((76, 70, 180, 190), tuple(float(v) for v in points), 0.9)
        self.rows = [
            Row(_sample(number, split, label), 0, SIDE, SIDE, face)
            for split, label in (("train", 0), ("val", 0), ("val", 1))
            for number in range(8)
        ]

    def image(self, row: int, /) -> Image:
        """RGB picture of a row."""
        return self._image


class OneBatch(Dataset[Any]):
    """The same batch again and again, so that making it takes no time."""

    def __init__(self, made: Dataset[Any]) -> None:
        self._batch = made[0]

    def __getitem__(self, number: int) -> Any:
        return self._batch


class Timed:
    """A task whose batches are there already, and which notes when each step begins."""

    def __init__(self, task: Task[Any], clock: Any) -> None:
        self._task = task
        self._clock = clock
        self.began: list[float] = []

    @property
    def phases(self) -> Sequence[Phase]:
        """Those of the task; likewise all below."""
        return self._task.phases

    def __getattr__(self, name: str) -> Any:
        return getattr(self._task, name)

    def batches(self, *, team_size: int) -> Dataset[Any]:
        """One batch."""
        return OneBatch(self._task.batches(team_size=team_size))

    def loss(self, net: nn.Module, batch: Any) -> Loss:
        """Of the task."""
        self.began.append(self._clock())
        return self._task.loss(net, batch)

    def validate(self, net: nn.Module) -> dict[str, float]:
        """Takes no time."""
        return {"score": 0.0}


def measure(
    recipe: Recipe, crops: Crops, device: torch.device, *, steps: int, batches: int
) -> dict[str, dict[str, float]]:
    """Pictures a second of each stage that has steps: its input by one worker, and its step."""
    return {
        stage.name: _measure_stage(stage, crops, device, steps=steps, batches=batches)
        for stage in recipe.stages
        if stage.loop.steps
    }


def _measure_stage(
    stage: Any, crops: Crops, device: torch.device, *, steps: int, batches: int
) -> dict[str, float]:
    stage = replace(stage, initial="random", loop=replace(stage.loop, accumulate=1))
    task = stage.task(crops, None)
    made = task.batches(team_size=1)
    pictures = len(made[0].labels)
    started = time.process_time()
    for number in range(batches):
        made[number + 1]
    making = (time.process_time() - started) / batches
    timed = Timed(task, time.process_time if device.type == "cpu" else _synchronized)
    with tempfile.TemporaryDirectory() as folder:
        options = RunOptions(
            Path(folder),
            workers=0,
            validate_every=10**9,
            save_seconds=math.inf,
            stop_after=FIRST_STEPS + steps + 1,
            quiet=True,
        )
        Trainer(timed, stage, options, Team(device=device)).run()
    began = timed.began[FIRST_STEPS:]
    step = statistics.median(b - a for a, b in pairwise(began))
    return {"pictures": pictures, "input": pictures / making, "step": pictures / step}


def _synchronized() -> float:
    torch.cuda.synchronize()
    return time.perf_counter()


def _sample(number: int, split: Any, label: int) -> Sample:
    name = f"{split}{label}{number}"
    return Sample(
        path=name,
        kind="clip",
        source="noise",
        split=split,
        label=label,
        method="noise" if label else "original",
        compression="",
        video_id=name,
        frame=0,
        target_id=name,
        source_id="",
    )


def _told(name: str, found: dict[str, float]) -> str:
    workers = max(1, math.ceil(found["step"] / found["input"]))
    binds = "the step binds" if workers == 1 else f"the input binds below {workers} workers"
    return f"{name:20}{found['input']:8.0f}{found['step']:8.1f}  {binds}"


def main() -> None:
    """Print rates; ``--json`` prints them as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--recipe", default="b0", help="a name of dfedge train --list")
    parser.add_argument("--set", action="append", default=[], help="as of dfedge train")
    parser.add_argument("--data", nargs="+", type=Path, help="packed stores (default: noise)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--steps", type=int, default=8, help="steps measured of each stage")
    parser.add_argument("--batches", type=int, default=8, help="batches measured of each stage")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    recipe = apply_overrides(find_recipe(arguments.recipe), arguments.set)
    crops = open_stores(arguments.data) if arguments.data else Noise()
    device = torch.device(arguments.device)
    found = measure(recipe, crops, device, steps=arguments.steps, batches=arguments.batches)
    if arguments.json:
        print(json.dumps(found, indent=2))
        return
    print(f"{'pictures a second':20}{'input':>8}{'step':>8}")
    for name, figures in found.items():
        print(_told(name, figures))


if __name__ == "__main__":
    main()

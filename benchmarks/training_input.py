"""Pictures a second a core of training input: each fake, each degradation, the whole batch."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import cv2
import numpy as np

from dfedge.types import Image
from dfedge_tools.data.store import CropStore
from dfedge_tools.fakes.config import FakeMix, Kind
from dfedge_tools.fakes.cutting import crop_matrix, move_keypoints, warp_crop
from dfedge_tools.fakes.degrade import STEPS
from dfedge_tools.fakes.kinds import make_fake
from dfedge_tools.training.batches import BatchMaker
from dfedge_tools.training.config import FrameStage, LoopConfig

Cut = tuple[Image, list[float]]


def rate(work: Callable[[int], int], seconds: float) -> float:
    """Pictures a second of CPU time; `work` takes a number and tells how many it made."""
    work(0)
    made, number = 0, 0
    started = time.process_time()
    while time.process_time() - started < seconds:
        number += 1
        made += work(number)
    return made / (time.process_time() - started)


def cuts(store: CropStore, side: int, count: int = 40) -> list[Cut]:
    """Genuine crops and their key points."""
    genuine = [row for row, entry in enumerate(store.rows) if entry.sample.label == 0]
    out = []
    for row in genuine[:: max(1, len(genuine) // count)]:
        face = store.rows[row].face
        matrix = crop_matrix(face.box, scale=1.4, side=side)
        out.append(
            (warp_crop(store.image(row), matrix, side), move_keypoints(face.keypoints, matrix))
        )
    return out


def fake_rates(crops: list[Cut], seconds: float) -> dict[str, float]:
    """Of each kind, at half the difficulty; a fake and its twin are two pictures."""

    def make(kind: Kind, number: int) -> int:
        image, keypoints = crops[number % len(crops)]
        rng = np.random.default_rng(number)
        make_fake(
            image,
            keypoints,
            lambda: crops[(number + 1) % len(crops)],
            rng=rng,
            difficulty=0.5,
            mix=FakeMix(),
            kind=kind,
        )
        return 2

    return {kind: rate(lambda n, k=kind: make(k, n), seconds) for kind in get_args(Kind)}


def degradation_rates(crops: list[Cut], seconds: float) -> dict[str, float]:
    """Of each step, at half the strength, for lots of four pictures."""

    def degrade(name: str, number: int) -> int:
        lot = [crops[(number + n) % len(crops)][0] for n in range(4)]
        STEPS[name](lot, np.random.default_rng(number), 0.5)
        return len(lot)

    return {name: rate(lambda n, s=name: degrade(s, n), seconds) for name in STEPS}


def batch_rate(store: CropStore, side: int, seconds: float) -> float:
    """Of whole batches at full difficulty, crops and tensors included."""
    stage = FrameStage(
        architecture="dfedge_efficientnet_b0",
        name="benchmark",
        loop=LoopConfig(steps=1),
        blend_side=side,
        start_difficulty=1.0,
        end_difficulty=1.0,
    )
    maker = BatchMaker(store, stage)
    return rate(lambda number: len(maker[number].labels), seconds)


def main() -> None:
    """Print rates; ``--json`` prints them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a store of packed crops")
    parser.add_argument("--side", type=int, default=224, help="side at which blends are made")
    parser.add_argument("--seconds", type=float, default=1.5, help="CPU time for each figure")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    store = CropStore(arguments.data)
    crops = cuts(store, arguments.side)
    results = {
        "whole batch": batch_rate(store, arguments.side, 4 * arguments.seconds),
        **fake_rates(crops, arguments.seconds),
        **degradation_rates(crops, arguments.seconds),
    }
    if arguments.json:
        print(json.dumps(results, indent=2))
        return
    print(f"pictures a second of CPU time, one thread, blends at {arguments.side} px")
    for name, value in results.items():
        print(f"{value:8.0f}  {name}")


if __name__ == "__main__":
    main()

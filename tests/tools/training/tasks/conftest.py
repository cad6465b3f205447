"""A toy set that can be learned in a few steps, and small siblings of large networks."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra 'tools'")
pytest.importorskip("timm", reason="needs the extra 'tools'")

import timm
import torch

from dfedge.types import Image
from dfedge_tools.data.faces import FaceRecord
from dfedge_tools.data.manifest import Sample
from dfedge_tools.data.store import Row
from dfedge_tools.training import checkpoints
from dfedge_tools.training.config import LoopConfig, Part, Phase, Stage
from dfedge_tools.training.loop import RunOptions, Trainer
from dfedge_tools.training.task import Loss
from dfedge_tools.training.tasks.stages import ClipStage, Cut, GenConViTStage, MultiTaskStage

SIDE = 96
WIDTH = 64
"""Of the last maps of a small ConvNeXt, and of the tokens of a small CLIP tower."""
FACE = FaceRecord(
    (28.0, 26.0, 68.0, 70.0),
    (37.0, 39.0, 57.0, 39.0, 47.0, 50.0, 47.0, 60.0, 29.0, 42.0, 67.0, 42.0),
    0.9,
)
EASY_CUT = Cut(scales=(1.5,), spread=0.05, shift=0.02, turn_degrees=5.0, exact=1.5)


@dataclass
class ToyCrops:
    """Packed pictures in memory."""

    rows: list[Row]
    images: list[Image]

    def image(self, row: int, /) -> Image:
        """RGB picture of a row."""
        return self.images[row]


def sample(**known: Any) -> Sample:
    """A train frame of a genuine clip, but for what is said."""
    fields: dict[str, Any] = {
        "path": "a.png",
        "kind": "clip",
        "source": "toy",
        "split": "train",
        "label": 0,
        "method": "original",
        "compression": "c23",
        "video_id": "a",
        "frame": 0,
        "target_id": "1",
        "source_id": "",
    }
    return Sample(**(fields | known))


def crops_of(samples: list[Sample], images: list[Image]) -> ToyCrops:
    """Packed pictures of these samples, with a face in the same place of each."""
    rows = [Row(sample=each, offset=0, height=SIDE, width=SIDE, face=FACE) for each in samples]
    return ToyCrops(rows, images)


@pytest.fixture(scope="session")
def toy(portrait: Image) -> ToyCrops:
    """Genuine faces, and fakes with red and blue exchanged: three frames of each clip.

    Four genuine and two fake clips in train, two and two in val, and a still held back.
    """
    import cv2

    face = np.asarray(
        cv2.resize(portrait[0:256, 96:352], (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8
    )
    samples, images = [], []
    clips = [("train", 0)] * 4 + [("train", 1)] * 2 + [("val", 0)] * 2 + [("val", 1)] * 2
    for clip, (split, label) in enumerate(clips):
        for frame in range(3):
            method = "Deepfakes" if label else "original"
            known = {"split": split, "label": label, "method": method}
            samples.append(sample(video_id=f"v{clip}", frame=frame * 10, **known))
            moved = np.roll(face, (clip + frame, clip), axis=(0, 1))
            images.append(np.ascontiguousarray(moved[..., ::-1]) if label else moved)
    samples.append(sample(kind="still", video_id="s", split="held", compression=""))
    images.append(face)
    return crops_of(samples, images)


@pytest.fixture
def small_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """ConvNeXt-Tiny with one narrow block a stage, and a CLIP tower that is narrow as well."""
    create = timm.create_model

    def make(name: str, **options: Any) -> Any:
        if name == "convnext_tiny":
            options |= {"depths": (1, 1, 1, 1), "dims": (8, 16, 32, WIDTH)}
        if not name.startswith("vit_large_patch14_clip"):
            return create(name, **options)
        tower = create(name, **options, embed_dim=WIDTH, num_heads=4)
        with torch.no_grad():  # fresh weights alone hardly look at the picture
            for parameter in tower.parameters():
                if parameter.ndim >= 2:
                    parameter.normal_(std=1 / math.sqrt(math.prod(parameter.shape[1:])))
        return tower

    monkeypatch.setattr(timm, "create_model", make)
    monkeypatch.setattr("dfedge_models.multitask.RGB_FEATURES", WIDTH)
    monkeypatch.setattr("dfedge_models.clip_video.WIDTH", WIDTH)


@pytest.fixture
def stages(small_networks: None) -> dict[str, Stage]:
    """A small sibling of each recipe, with rates that learn the toy set in a few steps."""
    torch.set_num_threads(1)
    loop = LoopConfig(steps=10, warmup_steps=2, ema_decay=0.0, clip_norm=5.0)
    return {
        "multitask": MultiTaskStage(
            name="multitask",
            loop=loop,
            img_size=64,
            images=8,
            drop_rate=0.1,
            cut=EASY_CUT,
            strength=0.1,
            phases=(Phase(0),),
            parts=(Part("all", ("",), 1e-3, 0.05),),
        ),
        "genconvit-ed": _genconvit("ed", loop),
        "genconvit-vae": _genconvit("vae", loop),
        "clip-l": ClipStage(
            name="clip-l",
            loop=loop,
            initial="random",
            img_size=28,
            frames=3,
            depth=2,
            clips=8,
            parts=(Part("all", ("",), 5e-3, 0.05),),
        ),
    }


def _genconvit(network: Any, loop: LoopConfig) -> GenConViTStage:
    return GenConViTStage(
        name=f"genconvit-{network}",
        loop=loop,
        network=network,
        img_size=64,
        images=8,
        cut=EASY_CUT,
        strength=0.1,
        parts=(Part("all", ("",), 2e-3, 1e-4),),
    )


@pytest.fixture
def train(toy: ToyCrops) -> Callable[..., dict[str, Any]]:
    """Runs a stage through the real loop; what ``last.pt`` holds then, and ``losses``: the parts
    of each step's loss."""

    def run(stage: Stage, folder: Path, **options: Any) -> dict[str, Any]:
        task: Any = stage.task(toy, None)
        compute, losses = task.loss, []

        def record(net: Any, batch: Any) -> Loss:
            loss: Loss = compute(net, batch)
            losses.append({name: float(value) for name, value in loss.parts.items()})
            return loss

        task.loss = record
        chosen = {"workers": 0, "validate_every": 1000, "quiet": True} | options
        Trainer(task, stage, RunOptions(folder, **chosen)).run()
        return checkpoints.load(folder / "last.pt") | {"losses": losses}

    return run


def with_loop(stage: Stage, **changes: Any) -> Stage:
    """A stage whose loop differs."""
    return replace(stage, loop=replace(stage.loop, **changes))

"""A detector that finds red pictures fake, and clips of one portrait, grey or red."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from dfedge.bundles.card import OperatingPoint, Provenance, Quality
from dfedge.types import Image
from dfedge_models import FrameDetector
from dfedge_tools.evaluating.scores import Scored
from dfedge_tools.exporting.bundle import DecisionNumbers, Description
from dfedge_tools.exporting.exporter import export_bundle


class Redness(FrameDetector):
    """The mean of red less the mean of blue, times ten."""

    def __init__(self) -> None:
        super().__init__()
        self.img_size = 32
        self.map_channels = {1: 3}
        self.scale = torch.nn.Parameter(torch.tensor(10.0))

    def forward_with_maps(self, x: torch.Tensor) -> tuple[torch.Tensor, dict[int, torch.Tensor]]:
        """(B, 3, 32, 32) -> (B, 1)."""
        means = x.mean(dim=(2, 3))
        return (means[:, 0:1] - means[:, 2:3]) * self.scale, {1: x}

    def load_backbone(self, state: Mapping[str, torch.Tensor]) -> None:
        """There is none."""
        raise ValueError("no backbone")


@pytest.fixture(scope="session")
def red_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of the detector of red pictures: FAKE from 0.9, REAL up to 0.1."""
    folder = tmp_path_factory.mktemp("bundles") / "redness"
    description = Description(
        name="redness",
        version="1.0.0",
        summary="Finds red pictures fake.",
        licence="Apache-2.0",
        provenance=Provenance(training_data="none"),
        limits=("Knows nothing of faces.",),
        quality=Quality(
            min_face_pixels=0.0, min_sharpness=0.0, min_brightness=20.0, max_brightness=255.0
        ),
        min_usable_frames=1,
    )
    decision = DecisionNumbers(
        temperature=1.0,
        bias=-3.0,
        fitted_on="nothing",
        fake=OperatingPoint(threshold=0.9, meaning="by hand"),
        real=OperatingPoint(threshold=0.1, meaning="by hand"),
    )
    export_bundle(
        Redness(), folder, architecture="redness", description=description, decision=decision
    )
    return folder


@pytest.fixture(scope="session")
def grey(portrait: Image) -> Image:
    """The portrait without colour, (320, 320, 3)."""
    levels = portrait[:320, 60:380].mean(axis=2, keepdims=True)
    return np.repeat(levels, 3, axis=2).astype(np.uint8)


@pytest.fixture(scope="session")
def frames(grey: Image, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three genuine and three red clips of two frames in val, and one clip in train."""
    folder = tmp_path_factory.mktemp("frames")
    rows: list[dict[str, str | int]] = []
    for number, split in enumerate(["val"] * 6 + ["train"]):
        label = number % 2
        for frame in range(2):
            path = f"{number}_{frame}.png"
            save(folder / path, reddened(grey) if label else grey)
            rows.append(
                {
                    "path": path,
                    "video_id": f"v{number}",
                    "frame": frame,
                    "label": label,
                    "method": "Deepfakes" if label else "original",
                    "compression": "c23",
                    "split": split,
                    "target_id": f"{number:03d}",
                    "source_id": "",
                }
            )
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder


def reddened(image: Image) -> Image:
    """Less green and far less blue."""
    return np.asarray(image * np.array([1.0, 0.8, 0.6]), np.uint8)


def save(path: Path, image: Image) -> None:
    """Write a picture; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.ascontiguousarray(image[:, :, ::-1]))


def row(
    video: str,
    label: int,
    logit: float,
    *,
    split: str = "val",
    method: str = "",
    source: str = "ffpp",
    identity: str = "",
    compression: str = "c23",
    frame: int = 0,
) -> Scored:
    """A scored frame."""
    named = method or ("Deepfakes" if label else "original")
    return Scored(
        video, label, named, compression, source, split, frame=frame, identity=identity, logit=logit
    )

"""Evaluating a bundle: the SDK's own way from frames to figures."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import torch

from dfedge.bundles.card import OperatingPoint, Provenance, Quality
from dfedge.types import Image
from dfedge_models import FrameDetector
from dfedge_tools.evaluating.evaluate import BundleScorer, main
from dfedge_tools.exporting.bundle import DecisionNumbers, Description
from dfedge_tools.exporting.exporter import export_bundle


class Redness(FrameDetector):
    """Finds red pictures fake: the mean of red less the mean of blue, times ten."""

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


@pytest.fixture(scope="module")
def red_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of the detector of red pictures."""
    folder = tmp_path_factory.mktemp("bundles") / "redness"
    description = Description(
        name="redness",
        version="1.0.0",
        summary="Finds red pictures fake.",
        licence="Apache-2.0",
        provenance=Provenance(training_data="none"),
        limits=("Knows nothing of faces.",),
        quality=Quality(
            min_face_pixels=0.0, min_sharpness=0.0, min_brightness=0.0, max_brightness=255.0
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


@pytest.fixture(scope="module")
def frames(portrait: Image, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two genuine and two red clips of two frames in val, and one clip in train."""
    folder = tmp_path_factory.mktemp("frames")
    grey = np.repeat(portrait.mean(axis=2, keepdims=True), 3, axis=2)[:320, 60:380]
    rows = []
    for number, (label, split) in enumerate([(0, "val"), (1, "val"), (0, "val"), (1, "val")]):
        rows += _clip(folder, grey, number, label, split)
    rows += _clip(folder, grey, 9, 1, "train")
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder


def test_figures_of_a_detector_that_is_right(
    red_bundle: Path, frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Red fakes are all told from grey originals, and called so by the card's thresholds."""
    arguments = ["--bundle", str(red_bundle), "--frames", str(frames), "--json"]
    assert 0 == main([*arguments, "--scores", str(tmp_path / "scores.csv")])
    figures = json.loads(capsys.readouterr().out)
    assert {"all": 1.0, "Deepfakes": 1.0, "c23": 1.0} == figures["video_auc"]
    assert {"FAKE": 1.0, "UNCERTAIN": 0.0, "REAL": 0.0} == figures["shares"]["clip Deepfakes"]
    assert {"FAKE": 0.0, "UNCERTAIN": 0.0, "REAL": 1.0} == figures["shares"]["clip original"]
    assert (8, 0) == (figures["frames"], figures["frames_without_face"])
    assert 9 == len((tmp_path / "scores.csv").read_text().splitlines())


def test_text_says_the_same(
    red_bundle: Path, frames: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without --json the same figures are told in words."""
    assert 0 == main(["--bundle", str(red_bundle), "--frames", str(frames)])
    told = capsys.readouterr().out
    assert "redness 1.0.0: 8 frames, 0 without face" in told
    assert "video AUC 1.000" in told


def test_frame_without_a_face_has_no_score(red_bundle: Path) -> None:
    """Where no face is found there is no number."""
    scorer = BundleScorer(red_bundle)
    try:
        assert scorer.logit(np.full((96, 96, 3), 128, np.uint8)) is None
    finally:
        scorer.close()


def test_missing_bundle_is_named(
    frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bundle that is not there ends the command with its name and no traceback."""
    missing = tmp_path / "nowhere"
    assert 2 == main(["--bundle", str(missing), "--frames", str(frames)])
    assert "nowhere" in capsys.readouterr().err


def _clip(
    folder: Path, grey: npt.NDArray[np.float64], number: int, label: int, split: str
) -> list[dict[str, str | int]]:
    rows: list[dict[str, str | int]] = []
    for frame in range(2):
        picture = grey * ([1.0, 0.8, 0.6] if label else [1.0, 1.0, 1.0])
        path = f"{number}_{frame}.png"
        cv2.imwrite(str(folder / path), picture[:, :, ::-1].astype(np.uint8))
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
    return rows

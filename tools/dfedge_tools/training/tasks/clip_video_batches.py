"""Batches of clips: frames of one clip in the order of time, all changed alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset

from dfedge.types import Image
from dfedge_models.clip_video import CLASSES
from dfedge_tools.training.stores import Crops
from dfedge_tools.training.tasks.pictures import stack
from dfedge_tools.training.tasks.rows import Balanced, by_clip, rows_of
from dfedge_tools.training.tasks.stages import ClipStage


@dataclass(frozen=True, slots=True)
class ClipBatch:
    """Tensors of one step.

    Attributes:
        clips: uint8, (B, T, 3, S, S), RGB.
        classes: int64, (B,): 0 real, 1 fake, as the network has them.
    """

    clips: torch.Tensor
    classes: torch.Tensor

    def to(self, device: torch.device) -> ClipBatch:
        """The same batch on another device."""
        clips = self.clips.to(device, non_blocking=True)
        return ClipBatch(clips, self.classes.to(device, non_blocking=True))


@dataclass(frozen=True, slots=True)
class Change:
    """What is done to every frame of a clip alike.

    Attributes:
        window: Left, top, width and height of what is cut out, as shares of the picture.
        mirrored: Left becomes right.
        brightness: Factor on all levels.
    """

    window: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    mirrored: bool = False
    brightness: float = 1.0

    @staticmethod
    def draw(stage: ClipStage, rng: np.random.Generator) -> Change:
        """A change of the sizes that the stage allows."""
        side = rng.uniform(stage.smallest_crop, 1.0)
        left, top = rng.uniform(0, 1 - side, 2)
        reach = stage.brightness
        return Change(
            (float(left), float(top), float(side), float(side)),
            bool(rng.random() < 0.5),
            float(rng.uniform(1 - reach, 1 + reach)),
        )

    def apply(self, image: Image, side: int) -> Image:
        """The changed picture, stretched to a square of `side` pixels."""
        height, width = image.shape[:2]
        left, top, across, down = self.window
        first_row, first_column = round(top * height), round(left * width)
        cut = image[
            first_row : first_row + max(1, round(down * height)),
            first_column : first_column + max(1, round(across * width)),
        ]
        shrinks = max(cut.shape[:2]) > side
        how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        out = np.asarray(cv2.resize(cut, (side, side), interpolation=how), np.uint8)
        if self.mirrored:
            out = np.ascontiguousarray(out[:, ::-1])
        return np.asarray(cv2.convertScaleAbs(out, alpha=self.brightness), np.uint8)


class ClipBatches(Dataset[ClipBatch]):
    """Map from a number to a batch, genuine and fake clips equally often.

    Raises:
        UsageError: The train split has not clips of both classes.
    """

    def __init__(self, stage: ClipStage, crops: Crops) -> None:
        self.stage = stage
        self.crops = crops
        clips = by_clip(crops, rows_of(crops, "train")).values()
        self.clips = Balanced.of((rows, crops.rows[rows[0]].sample.label) for rows in clips)
        self.clips.need_both("clips in split train")

    def __getitem__(self, number: int) -> ClipBatch:
        """The batch of a number."""
        cv2.setNumThreads(1)
        rng = np.random.default_rng((self.stage.seed, number))
        drawn = [self.clips.draw(rng) for _ in range(self.stage.clips)]
        labels = [self.crops.rows[rows[0]].sample.label for rows in drawn]
        return ClipBatch(
            clips=torch.stack([self._clip(rows, rng) for rows in drawn]),
            classes=torch.tensor([CLASSES.index("fake" if label else "real") for label in labels]),
        )

    def _clip(self, rows: Sequence[int], rng: np.random.Generator) -> torch.Tensor:
        chosen = even_frames(rows, self.stage.frames)
        change = Change.draw(self.stage, rng)
        return whole_pictures(self.crops, chosen, self.stage.img_size, change)


def even_frames(rows: Sequence[int], count: int) -> list[int]:
    """`count` evenly spaced rows of a clip, first and last among them; few rows repeat."""
    places = np.linspace(0, len(rows) - 1, count).round().astype(int)
    return [rows[int(place)] for place in places]


def whole_pictures(
    crops: Crops,
    rows: Sequence[int],
    side: int,
    change: Change = Change(),
) -> torch.Tensor:
    """Stored pictures stretched to a square and changed alike: uint8 (T, 3, S, S)."""
    return stack([change.apply(crops.image(row), side) for row in rows])

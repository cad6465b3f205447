"""Seeded batches: a batch is a pure function of (recipe, store, step).

Nothing carries over from one step to the next, so a resumed run draws what an uninterrupted one
would have drawn, with any number of worker processes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import cv2
import numpy as np
import numpy.typing as npt
import torch
from PIL import Image as PillowImage
from torch.utils.data import Dataset

from dfedge.types import Image
from dfedge_tools.data.align import changed_mask
from dfedge_tools.data.store import CropStore
from dfedge_tools.fakes.blending import self_blend
from dfedge_tools.fakes.degrade import compress_together, degrade_together
from dfedge_tools.fakes.regions import Mask
from dfedge_tools.training.config import Mix, Recipe

MASK_STRIDE = 8
"""The mask target has one cell for this many pixels of the input."""

T = TypeVar("T")
Keypoints: TypeAlias = list[float]


@dataclass(frozen=True, slots=True)
class Example:
    """One picture of a batch before it becomes a tensor.

    Attributes:
        image: (blend_side, blend_side, 3).
        label: 1 fake, 0 genuine.
        mask: What was manipulated, (blend_side, blend_side); None where it is not known.
    """

    image: Image
    label: int
    mask: Mask | None


@dataclass(frozen=True, slots=True)
class Batch:
    """Tensors of one step.

    Attributes:
        images: uint8, (B, 3, side, side), RGB.
        labels: float32, (B,).
        masks: float32, (B, 1, side / 8, side / 8).
        mask_known: float32, (B,), 0 where the mask is not to be learned from.
    """

    images: torch.Tensor
    labels: torch.Tensor
    masks: torch.Tensor
    mask_known: torch.Tensor


class BatchMaker(Dataset[Batch]):
    """Map from a batch number to the batch; a step of a team takes one for each process."""

    def __init__(self, store: CropStore, recipe: Recipe, *, team_size: int = 1) -> None:
        self.store = store
        self.team_size = team_size
        self.recipe = recipe
        self.pools = Pools.of(store)

    def __getitem__(self, number: int) -> Batch:
        """Batch of process ``number % team_size`` at step ``number // team_size``."""
        cv2.setNumThreads(1)
        rng = np.random.default_rng((self.recipe.seed, number))
        difficulty = self._difficulty(number // self.team_size)
        return to_batch(self._draw(rng, difficulty), self.recipe.side, rng)

    def _difficulty(self, step: int) -> float:
        start, end = self.recipe.start_difficulty, self.recipe.end_difficulty
        climbed = min(1.0, step / max(1, self.recipe.curriculum_steps))
        return start + (end - start) * climbed

    def _draw(self, rng: np.random.Generator, difficulty: float) -> list[Example]:
        mix = self.recipe.mix
        groups: list[list[Example]] = []
        for row in self.pools.draw_stills(mix, rng):
            groups.append(self._blended(row, rng, difficulty * rng.uniform(0.2, 1.0)))
        for row in rng.choice(self.pools.genuine, mix.clip_blend_pairs):
            groups.append(self._blended(int(row), rng, difficulty * rng.uniform(0.2, 1.0)))
        for _ in range(mix.clip_pairs):
            groups.append(self._manipulated(rng))
        strengths = [difficulty * rng.uniform(0.2, 1.0) for _ in groups]
        degraded = [
            _replace(group, degrade_together([e.image for e in group], rng=rng, strength=s))
            for group, s in zip(groups, strengths, strict=True)
        ]
        return _compress_in_lots(degraded, rng, difficulty)

    def _blended(self, row: int, rng: np.random.Generator, difficulty: float) -> list[Example]:
        image, keypoints, _ = self._cut(row, rng)
        made = self_blend(image, keypoints, rng=rng, difficulty=difficulty)
        return [
            _genuine(made.real),
            Example(made.fake, 1, made.mask),
        ]

    def _manipulated(self, rng: np.random.Generator) -> list[Example]:
        """A frame of a manipulated clip with its own original, cut alike, where it was aligned.

        Else a genuine frame of the same target, and no mask.
        """
        row = self.pools.draw_fake(rng)
        entry = self.store.rows[row]
        side = self.recipe.blend_side
        fake, _, matrix = self._cut(row, rng)
        if entry.original is None:
            real, _, _ = self._cut(self.pools.genuine_of(row, rng), rng)
            return [_genuine(real), Example(fake, 1, None)]
        original = self.store.image(entry.original.row)
        whole = changed_mask(self.store.image(row), original, entry)
        mask = np.asarray(cv2.warpAffine(whole, matrix, (side, side)), np.float32)
        onto_real = np.asarray(entry.original.warp, np.float32).reshape(2, 3)
        onto_fake = np.asarray(cv2.invertAffineTransform(onto_real), np.float32)
        real = warp_crop(original, chain(onto_fake, matrix), side)
        return [_genuine(real), Example(fake, 1, mask)]

    def _cut(
        self, row: int, rng: np.random.Generator
    ) -> tuple[Image, Keypoints, npt.NDArray[np.float32]]:
        entry = self.store.rows[row]
        crop = self.recipe.crop
        matrix = crop_matrix(
            entry.face.box,
            scale=rng.uniform(crop.scale_low, crop.scale_high),
            shift=(rng.uniform(-crop.shift, crop.shift), rng.uniform(-crop.shift, crop.shift)),
            side=self.recipe.blend_side,
            flip=bool(rng.random() < 0.5),
        )
        image = warp_crop(self.store.image(row), matrix, self.recipe.blend_side)
        points = np.asarray(entry.face.keypoints, np.float32).reshape(-1, 2)
        moved = points @ matrix[:, :2].T + matrix[:, 2]
        if matrix[0, 0] < 0:
            moved = moved[[1, 0, 2, 3, 5, 4]]
        return image, [float(v) for v in moved.reshape(-1)], matrix


@dataclass(frozen=True)
class Pools:
    """Rows of a store that may be trained on, sorted for drawing."""

    stills: dict[str, list[int]]
    genuine: list[int]
    fakes: dict[str, dict[str, list[int]]]
    """method -> compression -> rows."""
    originals: dict[int, list[int]]
    """Fake row -> genuine rows of the same target and compression."""

    @staticmethod
    def of(store: CropStore) -> Pools:
        """Sort the train rows of a store; rows of other splits are left out."""
        stills: dict[str, list[int]] = defaultdict(list)
        genuine: list[int] = []
        fakes: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        by_target: dict[tuple[str, str], list[int]] = defaultdict(list)
        for number, row in enumerate(store.rows):
            sample = row.sample
            if sample.split != "train":
                continue
            if sample.kind == "still":
                stills[sample.source].append(number)
            elif sample.label == 0:
                genuine.append(number)
                by_target[sample.target_id, sample.compression].append(number)
            else:
                fakes[sample.method][sample.compression].append(number)
        originals = {
            number: by_target.get(_target(store, number), [])
            for rates in fakes.values()
            for numbers in rates.values()
            for number in numbers
        }
        return Pools(dict(stills), genuine, {m: dict(r) for m, r in fakes.items()}, originals)

    def draw_stills(self, mix: Mix, rng: np.random.Generator) -> list[int]:
        """Rows of stills, sources weighted as the mix says."""
        names = [name for name, _ in mix.source_weights if self.stills.get(name)]
        weights = np.array([w for name, w in mix.source_weights if self.stills.get(name)])
        picked = rng.choice(len(names), mix.still_pairs, p=weights / weights.sum())
        return [_one(self.stills[names[int(n)]], rng) for n in picked]

    def draw_fake(self, rng: np.random.Generator) -> int:
        """A manipulated row: methods alike, c23 seven times in ten."""
        rates = self.fakes[_one(sorted(self.fakes), rng)]
        wanted = "c23" if rng.random() < 0.7 else "c40"
        return _one(rates.get(wanted) or next(iter(rates.values())), rng)

    def genuine_of(self, fake: int, rng: np.random.Generator) -> int:
        """A genuine row of the same target and compression, else any genuine row."""
        return _one(self.originals[fake] or self.genuine, rng)


def crop_matrix(
    box: tuple[float, float, float, float],
    *,
    scale: float,
    shift: tuple[float, float] = (0.0, 0.0),
    side: int,
    flip: bool = False,
) -> npt.NDArray[np.float32]:
    """2 x 3 affine from pixels of a stored picture to a square crop of `side` pixels."""
    left, top, right, bottom = box
    longer = max(right - left, bottom - top)
    x = (left + right) / 2 + shift[0] * longer
    y = (top + bottom) / 2 + shift[1] * longer
    zoom = side / (scale * longer)
    across = -zoom if flip else zoom
    half = (side - 1) / 2
    return np.array(
        [[across, 0, half - across * (x - 0.5)], [0, zoom, half - zoom * (y - 0.5)]], np.float32
    )


def chain(
    first: npt.NDArray[np.float32], second: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """The 2 x 3 affine that does `first`, then `second`."""
    linear = second[:, :2] @ first[:, :2]
    offset = second[:, :2] @ first[:, 2] + second[:, 2]
    return np.concatenate([linear, offset[:, None]], axis=1).astype(np.float32)


def warp_crop(image: Image, matrix: npt.NDArray[np.float32], side: int) -> Image:
    """Cut a square crop; what lies outside the picture is black."""
    flags = cv2.INTER_LINEAR
    zoom = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    if zoom < 0.75:
        sigma = 0.35 / zoom
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)
    return np.asarray(cv2.warpAffine(image, matrix, (side, side), flags=flags), np.uint8)


def to_batch(examples: Sequence[Example], side: int, rng: np.random.Generator) -> Batch:
    """Resize to the input side, in a random order, as tensors.

    One filter serves a whole batch, so that it never tells a fake from its genuine twin.
    """
    order = rng.permutation(len(examples))
    like_runtime = bool(rng.random() < 0.5)
    cells = side // MASK_STRIDE
    images, masks = [], []
    for number in order:
        example = examples[int(number)]
        small = shrink(example.image, side, like_runtime=like_runtime)
        images.append(small.transpose(2, 0, 1))
        mask = example.mask if example.mask is not None else np.zeros((cells, cells), np.float32)
        masks.append(cv2.resize(mask, (cells, cells), interpolation=cv2.INTER_AREA)[None])
    known = [float(examples[int(n)].mask is not None) for n in order]
    return Batch(
        images=torch.from_numpy(np.ascontiguousarray(np.stack(images))),
        labels=torch.tensor([float(examples[int(n)].label) for n in order]),
        masks=torch.from_numpy(np.stack(masks).astype(np.float32)),
        mask_known=torch.tensor(known),
    )


def shrink(image: Image, side: int, *, like_runtime: bool) -> Image:
    """Down to a square of `side` pixels, area-averaged or antialiased bilinear as at runtime."""
    if image.shape[0] == side:
        return image
    if like_runtime:
        picture = PillowImage.fromarray(image)
        return np.asarray(picture.resize((side, side), PillowImage.Resampling.BILINEAR), np.uint8)
    return np.asarray(cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA), np.uint8)


def _compress_in_lots(
    groups: Sequence[list[Example]], rng: np.random.Generator, difficulty: float
) -> list[Example]:
    """Compress pairs two at a time: H.264 starts an encoder, which costs as much as a picture."""
    out: list[Example] = []
    for start in range(0, len(groups), 2):
        lot = [example for group in groups[start : start + 2] for example in group]
        images = compress_together([e.image for e in lot], rng=rng, strength=difficulty)
        out.extend(_replace(lot, images))
    return out


def _genuine(image: Image) -> Example:
    return Example(image, 0, np.zeros(image.shape[:2], np.float32))


def _replace(examples: Sequence[Example], images: Sequence[Image]) -> list[Example]:
    return [Example(i, e.label, e.mask) for e, i in zip(examples, images, strict=True)]


def _target(store: CropStore, row: int) -> tuple[str, str]:
    sample = store.rows[row].sample
    return sample.target_id, sample.compression


def _one(items: Sequence[T], rng: np.random.Generator) -> T:
    return items[int(rng.integers(len(items)))]

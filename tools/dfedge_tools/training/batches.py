"""Seeded batches: a batch is a pure function of (recipe, store, step).

Nothing carries over from one step to the next, so a resumed run draws what an uninterrupted one
would have drawn, with any number of worker processes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import cv2
import numpy as np
import torch
from PIL import Image as PillowImage
from torch.utils.data import Dataset

from dfedge.types import Image
from dfedge_tools.data.align import changed_mask
from dfedge_tools.fakes.cutting import chain, crop_matrix, move_keypoints, warp_crop
from dfedge_tools.fakes.degrade import compress_together, degrade_together
from dfedge_tools.fakes.kinds import make_fake
from dfedge_tools.fakes.regions import Mask
from dfedge_tools.fakes.warps import Affine
from dfedge_tools.training.config import FrameStage
from dfedge_tools.training.pools import Pools
from dfedge_tools.training.stores import Crops

MASK_STRIDE = 8
"""The mask target has one cell for this many pixels of the input."""


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

    def to(self, device: torch.device) -> Batch:
        """The same batch on another device."""
        return Batch(*(getattr(self, f.name).to(device, non_blocking=True) for f in fields(self)))


class BatchMaker(Dataset[Batch]):
    """Map from a batch number to the batch; a step of a team takes one for each process."""

    def __init__(self, store: Crops, recipe: FrameStage, *, team_size: int = 1) -> None:
        self.store = store
        self.team_size = team_size
        self.recipe = recipe
        self.pools = Pools.of(store, recipe.mix.left_out)

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
        for row in self.pools.draw_frames(mix.clip_blend_pairs, rng):
            groups.append(self._blended(row, rng, difficulty * rng.uniform(0.2, 1.0)))
        if self.pools.fakes:
            groups.extend(self._manipulated(rng) for _ in range(mix.clip_pairs))
        else:
            for row in self.pools.draw_frames(mix.clip_pairs, rng):
                groups.append(self._blended(row, rng, difficulty * rng.uniform(0.2, 1.0)))
        strengths = [difficulty * rng.uniform(0.2, 1.0) for _ in groups]
        degraded = [
            self._degraded(group, rng, s) for group, s in zip(groups, strengths, strict=True)
        ]
        return self._compressed(degraded, rng, difficulty)

    def _blended(self, row: int, rng: np.random.Generator, difficulty: float) -> list[Example]:
        image, keypoints, _ = self._cut(row, rng)

        def donor() -> tuple[Image, Sequence[float]]:
            other = self.pools.donor_for(self.store, row, rng)
            return self.store.image(other), self.store.rows[other].face.keypoints

        made = make_fake(
            image, keypoints, donor, rng=rng, difficulty=difficulty, mix=self.recipe.fakes
        )
        return [_genuine(made.real), Example(made.fake, 1, made.mask)]

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

    def _cut(self, row: int, rng: np.random.Generator) -> tuple[Image, list[float], Affine]:
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
        return image, move_keypoints(entry.face.keypoints, matrix), matrix

    def _degraded(
        self, pair: Sequence[Example], rng: np.random.Generator, strength: float
    ) -> list[Example]:
        shares = self.recipe.fakes.degradations
        images = degrade_together(
            [e.image for e in pair], rng=rng, strength=strength, shares=shares
        )
        return _replace(pair, images)

    def _compressed(
        self, pairs: Sequence[list[Example]], rng: np.random.Generator, difficulty: float
    ) -> list[Example]:
        """Two pairs at a time: a video encoder takes as long to start as for a picture."""
        shares = self.recipe.fakes.degradations
        out: list[Example] = []
        for start in range(0, len(pairs), 2):
            lot = [example for pair in pairs[start : start + 2] for example in pair]
            images = compress_together(
                [e.image for e in lot], rng=rng, strength=difficulty, shares=shares
            )
            out.extend(_replace(lot, images))
        return out


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


def _genuine(image: Image) -> Example:
    return Example(image, 0, np.zeros(image.shape[:2], np.float32))


def _replace(examples: Sequence[Example], images: Sequence[Image]) -> list[Example]:
    return [Example(i, e.label, e.mask) for e, i in zip(examples, images, strict=True)]

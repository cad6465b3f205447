"""A contact sheet of fakes and degradations, for people to look at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, get_args

import cv2
import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw

from dfedge.errors import UsageError
from dfedge.types import Image
from dfedge_tools.data.store import CropStore
from dfedge_tools.fakes.blending import Blend
from dfedge_tools.fakes.config import FakeMix, Kind
from dfedge_tools.fakes.cutting import crop_matrix, move_keypoints, warp_crop
from dfedge_tools.fakes.degrade import STEPS
from dfedge_tools.fakes.kinds import make_fake
from dfedge_tools.fakes.swap import nearest_in_pose, pose

LEVELS: Final = (0.0, 0.5, 1.0)
"""Difficulties of fakes and strengths of degradations."""
COLUMNS: Final = 4 * len(LEVELS)
MAGNIFIED: Final = 4
BLEND_SIDE: Final = 224
SIDE: Final = 160
"""Of each picture on the sheet, in pixels."""
CANDIDATES: Final = 300


def contact_sheet(store: CropStore, *, rows: int, seed: int) -> Image:
    """`rows` genuine pictures for each kind of fake, then one picture after all degradations.

    A row is one genuine picture: at three difficulties the genuine twin, the fake, what it
    changed (magnified) and its mask.

    Raises:
        UsageError: There is no genuine picture in the store.
    """
    rng = np.random.default_rng(seed)
    genuine = [n for n, row in enumerate(store.rows) if row.sample.label == 0]
    if not genuine:
        raise UsageError("the store holds no genuine picture; pack some and name that store")
    width = COLUMNS * SIDE
    lines = []
    for kind in get_args(Kind):
        heading = [
            f"{kind.replace('_', ' ')}, difficulty {d:g}: genuine, fake, changed x{MAGNIFIED}, mask"
            for d in LEVELS
        ]
        lines.append(_words(heading, width))
        for _ in range(rows):
            row = int(rng.choice(genuine))
            lines.append(_line_of_fakes(store, genuine, row, kind, rng))
    image, _ = _cut(store, int(rng.choice(genuine)), rng)
    names = list(STEPS)
    across = COLUMNS // len(LEVELS)
    for start in range(0, len(names), across):
        some = names[start : start + across]
        lines.append(
            _words([f"{n}, strength {LEVELS[0]:g} to {LEVELS[-1]:g}" for n in some], width)
        )
        shown = [STEPS[name]([image], rng, level)[0] for name in some for level in LEVELS]
        lines.append(_line(shown))
    return np.concatenate(lines)


def _line_of_fakes(
    store: CropStore,
    genuine: Sequence[int],
    row: int,
    kind: Kind,
    rng: np.random.Generator,
) -> Image:
    image, keypoints = _cut(store, row, rng)
    donor = _donor_for(store, genuine, row, rng)
    shown: list[Image] = []
    for difficulty in LEVELS:
        made = make_fake(
            image, keypoints, donor, rng=rng, difficulty=difficulty, mix=FakeMix(), kind=kind
        )
        shown += _panels(made)
    return _line(shown)


def _panels(made: Blend) -> list[Image]:
    changed = cv2.multiply(cv2.absdiff(made.real, made.fake), np.full(4, float(MAGNIFIED)))
    mask = np.asarray(made.mask * 255, np.uint8)
    return [made.real, made.fake, np.asarray(changed, np.uint8), np.dstack([mask] * 3)]


def _donor_for(
    store: CropStore, genuine: Sequence[int], row: int, rng: np.random.Generator
) -> Callable[[], tuple[Image, Sequence[float]]]:
    others = [int(n) for n in rng.choice(genuine, CANDIDATES) if n != row] or [row]
    poses = np.stack([pose(store.rows[n].face.keypoints) for n in others])
    nearest = nearest_in_pose(poses, pose(store.rows[row].face.keypoints))
    chosen = others[int(rng.choice(nearest[:6]))]
    return lambda: (store.image(chosen), store.rows[chosen].face.keypoints)


def _cut(store: CropStore, row: int, rng: np.random.Generator) -> tuple[Image, list[float]]:
    face = store.rows[row].face
    matrix = crop_matrix(face.box, scale=1.4, side=BLEND_SIDE, flip=bool(rng.random() < 0.5))
    image = warp_crop(store.image(row), matrix, BLEND_SIDE)
    return image, move_keypoints(face.keypoints, matrix)


def _line(images: Sequence[Image]) -> Image:
    white = np.full((SIDE, SIDE, 3), 255, np.uint8)
    small = [
        np.asarray(cv2.resize(i, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)
        for i in images
    ]
    return np.concatenate([*small, *[white] * (COLUMNS - len(small))], axis=1)


def _words(words: Sequence[str], width: int) -> Image:
    """A strip with the words at equal distances."""
    strip = PillowImage.new("RGB", (width, 18), "white")
    draw = ImageDraw.Draw(strip)
    for number, text in enumerate(words):
        draw.text((number * width // len(words) + 4, 3), text, fill="black")
    return np.asarray(strip, np.uint8)

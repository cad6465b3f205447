"""Where a fake was really changed: FaceForensics++ frames laid over the frames they were made from.

A map that shows why a model calls a face fake should lie where the face is fake. The share of its
energy there says how much of it does; a blob in the middle of the crop, which knows nothing of the
picture, is the bar to pass, since faces are cut about their middle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from dfedge.bundles.bundle import Bundle
from dfedge.bundles.card import CropContract, DetectorCard
from dfedge.crops import Preprocessor, crop_box, cut
from dfedge.errors import UsageError
from dfedge.faces import open_face_finder
from dfedge.types import Box, Image, Tensor
from dfedge_tools.data.align import align_rows, changed_mask
from dfedge_tools.data.faces import FaceRecord, central_face
from dfedge_tools.data.manifest import Sample, read_clip_frames
from dfedge_tools.data.pictures import read_image
from dfedge_tools.data.store import Row
from dfedge_tools.fakes.regions import OUTLINES, face_frame

CHANGED = 0.5
"""Of the soft mask of what was changed: at or above counts as changed."""
MIN_REGION = 0.005
"""Share of the crop; a fake that changed less than this says nothing about maps."""
GAUSSIAN_SIGMAS = (0.15, 0.2, 0.25, 0.3)
"""Of the centred blobs, in sides of the crop: from the middle of the face to all of it."""
NARROW_SIGMA = 0.1
"""Of a blob on the nose alone, for comparison: the smaller a map, the easier it lies inside."""

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class FakeFaces:
    """Fakes and where they were changed.

    Attributes:
        samples: what each is.
        inputs: of the model, (N, 3, S, S).
        crops: the same to look at, N pictures (S, S, 3).
        regions: changed cells, (N, S, S).
        outlines: inside the face by its key points, (N, S, S).
        left_out: fakes without a face, without an original that could be laid over them, or
            with next to nothing changed, by reason.
    """

    samples: tuple[Sample, ...]
    inputs: Tensor
    crops: tuple[Image, ...]
    regions: Mask
    outlines: Mask
    left_out: Mapping[str, int]


def load_fakes(
    folder: Path,
    bundle: Bundle,
    card: DetectorCard,
    *,
    split: str = "val",
    frames: int = 10,
    quiet: bool = False,
) -> FakeFaces:
    """The fakes of a split, cut as the bundle's card says, with the regions that were changed.

    Args:
        folder: of frames with a ``manifest.csv``, genuine ones among them.
        frames: of each clip, spread evenly.

    Raises:
        UsageError: no fake could be laid over its original.
    """
    try:
        samples = [s for s in read_clip_frames(folder) if s.split == split]
    except (OSError, KeyError, ValueError) as error:
        raise UsageError(f"{folder}: cannot be read as frames with originals ({error})") from error
    left_out = {"no face": 0, "no original": 0, "nothing changed": 0}
    rows: list[Row] = []
    images: list[Image] = []
    finder = open_face_finder()
    try:
        for sample in tqdm(_spread(samples, frames), desc="faces", disable=quiet or None):
            image = read_image(folder / sample.path)
            face = central_face(image, finder)
            if face is None:
                left_out["no face"] += sample.label
                continue
            height, width = image.shape[:2]
            rows.append(Row(sample, offset=0, height=height, width=width, face=face))
            images.append(image)
    finally:
        finder.close()
    side = card.input.width
    kept: list[tuple[Sample, Image, Mask, Mask]] = []
    for row, image in zip(align_rows(rows, images.__getitem__), images, strict=True):
        if row.sample.label == 0:
            continue
        if row.original is None:
            left_out["no original"] += 1
            continue
        soft = changed_mask(image, images[row.original.row], row)
        region = _cut_mask(soft, row.face, card.crop, side) >= CHANGED
        if region.mean() < MIN_REGION:
            left_out["nothing changed"] += 1
            continue
        outline = _cut_mask(_outline(row), row.face, card.crop, side) >= CHANGED
        crop = cut(image, crop_box(Box(*row.face.box), card.crop), card.crop.pad_value)
        kept.append((row.sample, crop, region, outline))
    if not kept:
        raise UsageError(f"{folder}: no fake of split {split!r} lies over an original there")
    preprocess = Preprocessor(bundle)
    try:
        inputs = preprocess([crop for _, crop, _, _ in kept])
    finally:
        preprocess.close()
    return FakeFaces(
        samples=tuple(sample for sample, _, _, _ in kept),
        inputs=inputs,
        crops=tuple(_resized(crop, side) for _, crop, _, _ in kept),
        regions=np.stack([region for _, _, region, _ in kept]),
        outlines=np.stack([outline for _, _, _, outline in kept]),
        left_out=left_out,
    )


def energy_share(heat: npt.NDArray[np.floating], region: Mask) -> float:
    """Share of a map's energy inside a region, 0 to 1; both (S, S).

    Negative values count as zero. A blank map says nothing: it counts as a uniform one.
    """
    positive = np.maximum(heat, 0).astype(np.float64)
    total = positive.sum()
    return float(positive[region].sum() / total) if total > 0 else float(region.mean())


def baselines(faces: FakeFaces) -> dict[str, npt.NDArray[np.floating]]:
    """Maps that know nothing of the model, each (N, S, S).

    Centred blobs, a uniform map, and the face's outline by the key points BlazeFace found.
    """
    count, side, _ = faces.regions.shape
    maps: dict[str, npt.NDArray[np.floating]] = {
        f"gaussian {sigma:g}": np.broadcast_to(gaussian(side, sigma), (count, side, side))
        for sigma in GAUSSIAN_SIGMAS
    }
    maps[f"narrow blob {NARROW_SIGMA:g}"] = np.broadcast_to(
        gaussian(side, NARROW_SIGMA), (count, side, side)
    )
    maps["uniform"] = np.ones((count, side, side))
    maps["face outline"] = faces.outlines.astype(np.float64)
    return maps


def gaussian(side: int, sigma: float) -> Floats:
    """A blob in the middle, (side, side), of a standard deviation in sides."""
    places = (np.arange(side) + 0.5) / side - 0.5
    line = np.exp(-0.5 * (places / sigma) ** 2)
    return np.outer(line, line)


def clip_means(values: Sequence[float], samples: Sequence[Sample]) -> Floats:
    """One mean a clip, in the order in which clips first appear."""
    grouped: dict[str, list[float]] = {}
    for value, sample in zip(values, samples, strict=True):
        grouped.setdefault(sample.video_id, []).append(value)
    return np.array([np.mean(group) for group in grouped.values()])


def bootstrap_mean(
    values: Floats, *, rounds: int = 2000, seed: int = 0
) -> tuple[float, float, float]:
    """Mean of one value a clip, and its 95% interval when clips are drawn again."""
    generator = np.random.default_rng(seed)
    drawn = generator.integers(0, len(values), (rounds, len(values)))
    low, high = np.percentile(values[drawn].mean(axis=1), [2.5, 97.5])
    return float(values.mean()), float(low), float(high)


def _spread(samples: Sequence[Sample], frames: int) -> list[Sample]:
    """At most so many frames of each clip; equal frame numbers in fakes and originals."""
    clips: dict[str, list[Sample]] = {}
    for sample in sorted(samples, key=lambda sample: sample.frame):
        clips.setdefault(sample.video_id, []).append(sample)
    return [
        clip[step * len(clip) // min(frames, len(clip))]
        for clip in clips.values()
        for step in range(min(frames, len(clip)))
    ]


def _cut_mask(
    mask: npt.NDArray[np.floating] | Mask, face: FaceRecord, contract: CropContract, side: int
) -> npt.NDArray[np.float32]:
    """A mask of the whole picture as the model sees it, (side, side), 0 to 1."""
    levels = (np.asarray(mask, np.float32) * 255).astype(np.uint8)
    picture = np.repeat(levels[:, :, np.newaxis], 3, axis=2)
    small = _resized(cut(picture, crop_box(Box(*face.box), contract)), side)
    return np.asarray(small[:, :, 0] / 255, np.float32)


def _outline(row: Row) -> Mask:
    frame = face_frame(row.face.keypoints)
    points = np.array(OUTLINES["face"], np.float32) @ frame[:, :2].T + frame[:, 2]
    canvas = np.zeros((row.height, row.width), np.uint8)
    cv2.fillPoly(canvas, [np.round(points).astype(np.int32)], 1)
    return canvas > 0


def _resized(picture: Image, side: int) -> Image:
    return np.asarray(cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA), np.uint8)

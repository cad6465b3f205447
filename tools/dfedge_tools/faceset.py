"""Pictures of faces as a model sees them: found, cut and resized exactly as the runtime does.

A set is a folder: with a ``manifest.csv`` (columns ``path`` and ``label``, 1 for fake; perhaps
``video_id``, ``method`` and ``split``), with subfolders ``real`` and ``fake``, or of any pictures,
which then have no label.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image as Pictures
from tqdm import tqdm

from dfedge.bundles.bundle import Bundle
from dfedge.bundles.card import WHOLE_FRAME, DetectorCard
from dfedge.crops import Preprocessor, crop_box, cut
from dfedge.errors import UsageError
from dfedge.faces import FaceFinder, open_face_finder
from dfedge.types import Box, Image, Tensor
from dfedge_tools.training.prepare import central_face

MANIFEST = "manifest.csv"
PICTURE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".webp"})
NOISE_SEED = 20261121


@dataclass(frozen=True, slots=True)
class FacePicture:
    """One picture of a face.

    Attributes:
        label: 1 fake, 0 real, None unknown.
        clip: what it is a frame of; the path itself for a still.
        method: how it was made, ``original`` if genuine, empty if unknown.
    """

    path: Path
    label: int | None
    clip: str
    method: str = ""


@dataclass(frozen=True, slots=True)
class FaceSet:
    """Inputs of a model and what is known of them.

    Attributes:
        inputs: (N, 3, S, S), or (N, T, 3, S, S) for a model of clips.
        labels: (N,) 1 fake, 0 real; None where any is unknown.
        clips: what each input is part of, N names.
        data: what it is, in words, for cards and reports.
        missed: pictures without a face, which were left out.
    """

    inputs: Tensor
    labels: npt.NDArray[np.int64] | None
    clips: tuple[str, ...]
    data: str
    missed: tuple[Path, ...] = ()


def read_pictures(
    folder: Path, *, split: str | None = None, limit: int | None = None
) -> list[FacePicture]:
    """The pictures of a set.

    Args:
        split: only these rows of a manifest with a column ``split``.
        limit: at most this many, spread evenly over the set.

    Raises:
        UsageError: there is no such folder or split, no picture, or a bad manifest.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder}: is no folder; give a folder of face pictures")
    if (folder / MANIFEST).is_file():
        pictures = list(_from_manifest(folder, split))
    elif split is not None:
        raise UsageError(f"{folder}: has no {MANIFEST}, so it has no split {split!r}")
    else:
        pictures = list(_from_folders(folder))
    if not pictures:
        part = f" of split {split!r}" if split is not None else ""
        raise UsageError(f"{folder}: holds no picture{part}; give a folder of face pictures")
    if limit is not None and limit < len(pictures):
        pictures = [pictures[index * len(pictures) // limit] for index in range(limit)]
    return pictures


def read_image(path: Path) -> Image:
    """RGB (height, width, 3).

    Raises:
        UsageError: it is no picture that can be read.
    """
    try:
        with Pictures.open(path) as picture:
            return np.asarray(picture.convert("RGB"), np.uint8)
    except (OSError, ValueError, Pictures.DecompressionBombError) as error:
        raise UsageError(f"{path}: is no picture that can be read ({error})") from error


def load_faces(
    pictures: Sequence[FacePicture], bundle: Bundle, card: DetectorCard, *, quiet: bool = False
) -> FaceSet:
    """The central face of each picture, through the card's crop and the bundle's preprocessing.

    For a model of clips, each clip's pictures are spread evenly over its frames.

    Raises:
        UsageError: a picture cannot be read, or no face was found in any.
    """
    crops: list[Image] = []
    used: list[FacePicture] = []
    missed: list[Path] = []
    finder = None if card.crop.box_source == WHOLE_FRAME else open_face_finder()
    try:
        for picture in tqdm(pictures, desc="faces", unit="picture", disable=quiet or None):
            crop = cut_face(read_image(picture.path), card, finder)
            if crop is None:
                missed.append(picture.path)
                continue
            crops.append(crop)
            used.append(picture)
    finally:
        if finder is not None:
            finder.close()
    if not crops:
        raise UsageError(
            f"{pictures[0].path.parent}: no face was found in any of {len(pictures)} pictures"
        )
    preprocess = Preprocessor(bundle)
    try:
        inputs = preprocess(crops)
    finally:
        preprocess.close()
    inputs, kept = _as_clips(inputs, used, card.input.frames)
    labels = [picture.label for picture in kept]
    return FaceSet(
        inputs=inputs,
        labels=None if None in labels else np.asarray(labels, np.int64),
        clips=tuple(picture.clip for picture in kept),
        data=f"{len(crops)} faces of {_folder_name(pictures)}",
        missed=tuple(missed),
    )


def cut_face(image: Image, card: DetectorCard, finder: FaceFinder | None) -> Image | None:
    """The crop of the central face by a card's contract; None where no face is found.

    Args:
        finder: None for a card whose crop is the whole frame.
    """
    if finder is None:
        return image
    face = central_face(image, finder)
    if face is None:
        return None
    return cut(image, crop_box(Box(*face.box), card.crop), card.crop.pad_value)


def noise_set(card: DetectorCard, *, count: int) -> FaceSet:
    """Seeded standard normal inputs: they test the arithmetic, not how a face is judged."""
    generator = np.random.default_rng(NOISE_SEED)
    picture = (3, card.input.height, card.input.width)
    shape = (count, *picture) if card.input.frames == 1 else (count, card.input.frames, *picture)
    return FaceSet(
        inputs=generator.standard_normal(shape, dtype=np.float32),
        labels=None,
        clips=tuple(f"noise {index}" for index in range(count)),
        data=f"{count} inputs of seeded normal noise (no faces)",
    )


def _from_manifest(folder: Path, split: str | None) -> Iterator[FacePicture]:
    path = folder / MANIFEST
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        columns = rows.fieldnames or []
        if "path" not in columns or (split is not None and "split" not in columns):
            raise UsageError(
                f"{path}: has the columns {', '.join(columns) or 'none'}; it needs path"
                + (" and split" if split is not None else "")
            )
        for row in rows:
            if split is not None and row["split"] != split:
                continue
            label = row.get("label") or None
            if label not in (None, "0", "1"):
                raise UsageError(f"{path}: has the label {label!r}; 1 is fake, 0 is real")
            yield FacePicture(
                path=folder / row["path"],
                label=None if label is None else int(label),
                clip=row.get("video_id") or row["path"],
                method=row.get("method") or "",
            )


def _from_folders(folder: Path) -> Iterator[FacePicture]:
    labelled = (folder / "real").is_dir() and (folder / "fake").is_dir()
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in PICTURE_SUFFIXES or not path.is_file():
            continue
        name = path.relative_to(folder)
        if not labelled:
            yield FacePicture(path=path, label=None, clip=str(name))
        elif name.parts[0] in ("real", "fake"):
            yield FacePicture(path=path, label=int(name.parts[0] == "fake"), clip=str(name))


def _as_clips(
    inputs: Tensor, pictures: Sequence[FacePicture], frames: int
) -> tuple[Tensor, list[FacePicture]]:
    """Single pictures as they are; for a model of clips `frames` of each clip."""
    if frames == 1:
        return inputs, list(pictures)
    places: dict[str, list[int]] = {}
    for index, picture in enumerate(pictures):
        places.setdefault(picture.clip, []).append(index)
    chosen = [
        [indices[step * len(indices) // frames] for step in range(frames)]
        for indices in places.values()
    ]
    return inputs[np.asarray(chosen)], [pictures[indices[0]] for indices in places.values()]


def _folder_name(pictures: Sequence[FacePicture]) -> str:
    names = sorted({picture.path.parent.name for picture in pictures})
    return ", ".join(names[:3]) + (" and others" if len(names) > 3 else "")

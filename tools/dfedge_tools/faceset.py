"""Pictures of faces as a model sees them: found, cut and resized exactly as the runtime does.

A set is a folder: with a ``manifest.csv`` (columns ``path`` and ``label``, 1 for fake; perhaps
``video_id``, ``method`` and ``split``), with subfolders ``real`` and ``fake``, or of any pictures,
which then have no label.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image as Pictures
from PIL import ImageOps
from tqdm import tqdm

from dfedge.bundles.bundle import Bundle
from dfedge.bundles.card import WHOLE_FRAME, DetectorCard
from dfedge.crops import Preprocessor, crop_box, cut
from dfedge.errors import UsageError
from dfedge.faces import FaceFinder, open_face_finder
from dfedge.types import Box, Image, Tensor
from dfedge_tools.data.faces import central_face

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
        split: of the set, empty if it has none.
    """

    path: Path
    label: int | None
    clip: str
    method: str = ""
    split: str = ""


@dataclass(frozen=True, slots=True)
class FaceSet:
    """Inputs of a model and what is known of them.

    Attributes:
        inputs: (N, 3, S, S), or (N, T, 3, S, S) for a model of clips.
        labels: (N,) 1 fake, 0 real; None where any is unknown.
        clips: what each input is part of, N names.
        data: what it is, in words, for cards and reports.
        missed: pictures without a face, which were left out.
        pictures: what each input was cut from, N of them (a clip's first); empty for noise.
    """

    inputs: Tensor
    labels: npt.NDArray[np.int64] | None
    clips: tuple[str, ...]
    data: str
    missed: tuple[Path, ...] = ()
    pictures: tuple[FacePicture, ...] = ()


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
        pictures = _from_manifest(folder, split)
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
    """RGB (height, width, 3), upright as its camera says.

    Raises:
        UsageError: it is no picture that can be read.
    """
    try:
        with Pictures.open(path) as picture:
            return np.asarray(ImageOps.exif_transpose(picture).convert("RGB"), np.uint8)
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
    rows: list[Tensor] = []  # inputs, not crops: a crop may be far larger
    used: list[FacePicture] = []
    missed: list[Path] = []
    finder = None if card.crop.box_source == WHOLE_FRAME else open_face_finder()
    preprocess = Preprocessor(bundle)
    try:
        for picture in tqdm(pictures, desc="faces", unit="picture", disable=quiet or None):
            crop = cut_face(read_image(picture.path), card, finder)
            if crop is None:
                missed.append(picture.path)
                continue
            rows.append(preprocess([crop])[0])
            used.append(picture)
    finally:
        preprocess.close()
        if finder is not None:
            finder.close()
    folder = _folder_name(pictures)
    if not rows:
        raise UsageError(f"{folder}: no face was found in any of {len(pictures)} pictures")
    inputs, kept = _as_clips(np.stack(rows), used, card.input.frames)
    labels = [picture.label for picture in kept]
    clips = "" if card.input.frames == 1 else f"{len(kept)} clips, "
    return FaceSet(
        inputs=inputs,
        labels=None if None in labels else np.asarray(labels, np.int64),
        clips=tuple(picture.clip for picture in kept),
        data=f"{clips}{len(rows)} faces of {folder}",
        missed=tuple(missed),
        pictures=tuple(kept),
    )


def cut_face(image: Image, card: DetectorCard, finder: FaceFinder | None) -> Image | None:
    """The crop of the central face by a card's contract; None where no face is found.

    Args:
        finder: None for a card whose crop is the whole frame.
    """
    if finder is None:
        height, width = image.shape[:2]
        box = Box(0, 0, width, height)
    else:
        face = central_face(image, finder)
        if face is None:
            return None
        box = Box(*face.box)
    return cut(image, crop_box(box, card.crop), card.crop.pad_value)


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


def _from_manifest(folder: Path, split: str | None) -> list[FacePicture]:
    path = folder / MANIFEST
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = csv.DictReader(file)
            columns = rows.fieldnames or []
            if "path" not in columns or (split is not None and "split" not in columns):
                raise UsageError(
                    f"{path}: has the columns {', '.join(columns) or 'none'}; it needs path"
                    + (" and split" if split is not None else "")
                )
            pictures = [_from_row(path, row) for row in rows]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path}: is no CSV file in UTF-8 that can be read ({error})") from error
    chosen = [entry for entry in pictures if split is None or entry.split == split]
    if pictures and not chosen:
        there = sorted({entry.split or "(empty)" for entry in pictures})
        raise UsageError(f"{path}: has no split {split!r}; there are {', '.join(there)}")
    return chosen


def _from_row(path: Path, row: dict[str, str | None]) -> FacePicture:
    """One line of a manifest."""
    name, label = row["path"], row.get("label") or None
    if not name:
        raise UsageError(f"{path}: has a line without a path")
    if label not in (None, "0", "1"):
        raise UsageError(f"{path}: has the label {label!r}; 1 is fake, 0 is real")
    return FacePicture(
        path=path.parent / name,
        label=None if label is None else int(label),
        clip=row.get("video_id") or name,
        method=row.get("method") or "",
        split=row.get("split") or "",
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
    """Of the folder that holds them all, and their split where they are of one."""
    folder = Path(os.path.commonpath([picture.path.absolute().parent for picture in pictures]))
    splits = {picture.split for picture in pictures}
    (split,) = splits if len(splits) == 1 else ("",)
    return f"{folder.name} {split}".rstrip()

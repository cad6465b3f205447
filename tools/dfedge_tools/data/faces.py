"""Where the face is in a stored picture, and the file that says it for a folder of crops."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import cv2
import numpy as np

from dfedge.errors import UsageError
from dfedge.faces import FaceFinder
from dfedge.types import KEYPOINT_NAMES, Face, Image
from dfedge_tools.data.journal import replace_file

NO_FACE = "no face found"
"""Why a picture is left out."""

FACES = "faces.csv"
COLUMNS = (
    *("path", "left", "top", "right", "bottom", "score"),
    *(f"{name}_{axis}" for name in KEYPOINT_NAMES for axis in "xy"),
)


@dataclass(frozen=True, slots=True)
class FaceRecord:
    """Where the face is, in pixels of the stored picture.

    Attributes:
        box: left, top, right, bottom.
        keypoints: BlazeFace's six points, x0, y0, x1, y1, ...
        score: Confidence of the face detector, 0 to 1.
    """

    box: tuple[float, float, float, float]
    keypoints: tuple[float, ...]
    score: float

    @classmethod
    def of(cls, face: Face, *, left: float = 0.0, top: float = 0.0) -> Self:
        """Of a face found, in pixels from (left, top) on."""
        box = face.box.shifted(-left, -top)
        points = np.asarray(face.keypoints, np.float32).reshape(-1, 2)
        points = points - np.asarray((left, top), np.float32)
        return cls(
            (box.left, box.top, box.right, box.bottom),
            tuple(float(value) for value in points.reshape(-1)),
            float(face.score),
        )


def central_face(image: Image, finder: FaceFinder) -> FaceRecord | None:
    """The face nearest the centre of a stored crop.

    A face that fills its crop may be missed; it is looked for again with a border around it.
    """
    faces = list(finder.find(image))
    border = 0
    if not faces:
        border = max(image.shape[:2]) // 2
        edges = (border, border, border, border)
        wider = cv2.copyMakeBorder(image, *edges, cv2.BORDER_REPLICATE)
        faces = list(finder.find(np.asarray(wider, np.uint8)))
    if not faces:
        return None
    centre = (image.shape[1] / 2 + border, image.shape[0] / 2 + border)
    face = min(faces, key=lambda found: _distance(found, centre))
    return FaceRecord.of(face, left=border, top=border)


def write_faces(folder: Path, faces: Mapping[str, FaceRecord]) -> None:
    """Write ``faces.csv`` of a folder: by path, a line a picture, sorted.

    Raises:
        UsageError: It cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for path, face in sorted(faces.items()):
        writer.writerow([path, *face.box, face.score, *face.keypoints])
    replace_file(folder / FACES, text.getvalue().encode())


def read_faces(folder: Path) -> dict[str, FaceRecord]:
    """Faces by path, of a folder with ``faces.csv``; nothing of one without.

    Raises:
        UsageError: The file is not one that :func:`write_faces` writes.
    """
    path = folder / FACES
    if not path.is_file():
        return {}
    faces: dict[str, FaceRecord] = {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = csv.reader(file)
            if tuple(next(rows, ())) != COLUMNS:
                raise ValueError("the columns are not those of dfedge data crops")
            for name, *texts in rows:
                left, top, right, bottom, score, *points = (float(text) for text in texts)
                if len(points) != 2 * len(KEYPOINT_NAMES):
                    raise ValueError(f"line {rows.line_num} is cut off")
                faces[name] = FaceRecord((left, top, right, bottom), tuple(points), score)
    except (OSError, ValueError, csv.Error) as error:
        raise UsageError(f"{path}: cannot be read ({error}); run dfedge data crops again") from None
    return faces


def _distance(face: Face, centre: tuple[float, float]) -> float:
    x, y = face.box.center
    return (x - centre[0]) ** 2 + (y - centre[1]) ** 2

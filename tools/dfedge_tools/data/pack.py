"""Pack stills and clip frames into a store: decode, find the face, align fakes with originals.

    python -m dfedge_tools.data.pack --stills DIR --clips DIR --store runs/store

Takes about a minute for 9,000 pictures. A picture in which no face is found is left out and listed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from dfedge.faces import FaceFinder, open_face_finder
from dfedge.types import Face, Image
from dfedge_tools.data.align import align_rows
from dfedge_tools.data.manifest import Sample, read_clip_frames, read_stills
from dfedge_tools.data.store import CropStore, FaceRecord, build_store

HELD_FRACTION = 0.1
SPLIT_SEED = 20261121


@dataclass(frozen=True, slots=True)
class PackReport:
    """What came of packing.

    Attributes:
        done: pictures packed by this run.
        reused: pictures found packed already.
        failed: pictures left out.
        failures: CSV file with the path and the reason of each failure.
        aligned: fakes over which their genuine frame could be laid.
    """

    done: int
    reused: int
    failed: int
    failures: Path
    aligned: int


def pack_manifests(
    manifests: Sequence[Path],
    out: Path,
    *,
    align: bool = True,
    held_fraction: float = HELD_FRACTION,
    workers: int = 1,
    progress: bool = False,
) -> PackReport:
    """Pack the pictures of all manifests into one store, going on where a run has stopped."""
    raise NotImplementedError


def prepare(stills: Path | None, clips: Path | None, store: Path) -> CropStore:
    """Build the store of both folders.

    Raises:
        ValueError: No folder was given, an identity is in both splits, or a picture is broken.
    """
    sources: list[tuple[Path, list[Sample]]] = []
    if stills is not None:
        held = read_stills(stills, held_fraction=HELD_FRACTION, seed=SPLIT_SEED)
        sources.append((stills, held))
    if clips is not None:
        sources.append((clips, read_clip_frames(clips)))
    if not sources:
        raise ValueError("nothing to pack: give --stills, --clips or both")
    cv2.setNumThreads(1)
    finder = open_face_finder()
    try:
        return build_store(
            store,
            sources,
            lambda image: central_face(image, finder),
            align=align_rows,
            progress=_with_bar,
        )
    finally:
        finder.close()


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
    box = face.box.shifted(-border, -border)
    points = np.asarray(face.keypoints, np.float32).reshape(-1, 2) - border
    return FaceRecord(
        (box.left, box.top, box.right, box.bottom),
        tuple(float(v) for v in points.reshape(-1)),
        float(face.score),
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m dfedge_tools.data.pack",
        description=(__doc__ or "").split("\n\n")[0],
    )
    parser.add_argument("--stills", type=Path, help="folder of genuine stills with manifest.csv")
    parser.add_argument("--clips", type=Path, help="folder of clip frames with manifest.csv")
    parser.add_argument("--store", type=Path, required=True, help="folder to write")
    options = parser.parse_args(argv)
    try:
        store = prepare(options.stills, options.clips, options.store)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    aligned = sum(row.original is not None for row in store.rows)
    print(f"{len(store.rows)} pictures packed, {aligned} fakes aligned with their original")
    for path in store.skipped:
        print(f"no face found: {path}", file=sys.stderr)
    return 0


def _with_bar(items: Iterable[tuple[Path, Sample]]) -> Iterable[tuple[Path, Sample]]:
    bar: Iterable[tuple[Path, Sample]] = tqdm(items, desc="packing", unit="picture", mininterval=1)
    return bar


def _distance(face: Face, centre: tuple[float, float]) -> float:
    x, y = face.box.center
    return (x - centre[0]) ** 2 + (y - centre[1]) ** 2


if __name__ == "__main__":
    raise SystemExit(main())

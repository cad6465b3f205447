"""Crops: how they are cut, where the face is in them, and whose face it is."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from dfedge.errors import UsageError
from dfedge.faces import open_face_finder
from dfedge.types import Box, Face, Frame, Image
from dfedge_tools.data.crops import CROP_SCALES, crop_faces, follow_faces
from dfedge_tools.data.faces import read_faces
from dfedge_tools.data.manifest import read_manifest
from dfedge_tools.data.pictures import read_image

from .conftest import tree


@pytest.fixture(scope="module")
def stills(portrait: Image, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Manifest of the portrait, a picture without a face, and a portrait that is cut off."""
    folder = tmp_path_factory.mktemp("stills")
    for name, picture in (("face.png", portrait), ("none.png", np.full_like(portrait, 90))):
        cv2.imwrite(str(folder / name), np.ascontiguousarray(picture[:, :, ::-1]))
    whole = (folder / "face.png").read_bytes()
    (folder / "half.png").write_bytes(whole[: len(whole) // 2])
    (folder / "manifest.csv").write_text("path,label\nface.png,0\nnone.png,0\nhalf.png,0\n")
    return folder / "manifest.csv"


def test_crops_have_their_widths(stills: Path, tmp_path: Path, portrait: Image) -> None:
    """Squares of 1.1, 1.5 and 2.0 times the longer side of the box, with the picture's pixels."""
    report = crop_faces(stills, tmp_path / "out")
    assert (1, 0, 2) == (report.done, report.reused, report.failed)
    finder = open_face_finder(threads=1)
    face = finder.find(portrait)[0]
    finder.close()
    for kind, manifest in zip(CROP_SCALES, report.manifests, strict=True):
        listed = read_manifest(manifest)
        (sample,) = listed.samples
        crop = read_image(listed.file(sample))
        side = int(CROP_SCALES[kind] * max(face.box.width, face.box.height) + 0.5)
        assert (side, side, 3) == crop.shape
        assert ("face.png", kind, 0) == (sample.path, sample.crop, sample.label)
        record = read_faces(listed.root)[sample.path]
        left, top, right, bottom = record.box
        assert (right - left, bottom - top) == pytest.approx((face.box.width, face.box.height))
        x, y = round(face.box.left - left), round(face.box.top - top)  # of the crop's corner
        nose = np.asarray(face.keypoints[2])
        assert record.keypoints[4:6] == pytest.approx(nose - (x, y), abs=0.01)
        inside = portrait[max(0, y) : y + side, max(0, x) : x + side]
        assert np.array_equal(inside, crop[max(0, -y) :, max(0, -x) :][: len(inside)])


def test_pictures_without_a_crop_are_logged(stills: Path, tmp_path: Path) -> None:
    """No face, or a file that is cut off: a line each, with the reason."""
    report = crop_faces(stills, tmp_path / "out", kinds=["tight"])
    assert [
        "none.png,no face found",
        "half.png,is a damaged or cut off picture",
    ] == report.failures.read_text().splitlines()[1:]


def test_a_finished_run_is_reused(stills: Path, tmp_path: Path) -> None:
    """The same call again makes nothing and leaves the same files."""
    crop_faces(stills, tmp_path / "out")
    before = tree(tmp_path / "out")
    report = crop_faces(stills, tmp_path / "out")
    assert (0, 1, 2) == (report.done, report.reused, report.failed)
    assert before == tree(tmp_path / "out")


def test_videos_are_refused(clips: Path, tmp_path: Path) -> None:
    """A manifest of videos is told to take their frames first."""
    with pytest.raises(UsageError, match=r"lists 9 videos.*\(dfedge data extract\)"):
        crop_faces(clips, tmp_path / "out")


def test_the_kinds_are_known(stills: Path, tmp_path: Path) -> None:
    """A kind that is none, or none at all, is refused."""
    for kinds in (["wide"], []):
        with pytest.raises(UsageError, match="kinds must be some of tight, expanded, scene"):
            crop_faces(stills, tmp_path / "out", kinds=kinds)  # type: ignore[arg-type]


def test_one_person_a_scene() -> None:
    """The track that is largest over the scene is followed, also where another is nearer."""
    large, small = _face(100, 100, 80), _face(400, 100, 50)
    close = _face(400, 100, 74)
    frames = [_frame(number) for number in range(3)]
    assert [large, large, large] == follow_faces(
        [(frames[0], [large, small]), (frames[1], [small, large]), (frames[2], [close, large])]
    )


def test_no_other_face_is_taken_instead() -> None:
    """Where the followed face is not found there is no crop, whoever else is there."""
    large, small = _face(100, 100, 80), _face(400, 100, 50)
    assert [large, None] == follow_faces([(_frame(0), [large, small]), (_frame(1), [small])])


def test_after_a_cut_it_may_be_another_person() -> None:
    """Each scene has its own followed face."""
    large, small = _face(100, 100, 80), _face(400, 100, 50)
    found = [(_frame(0), [large, small]), (_frame(1, scene=1), [small])]
    assert [large, small] == follow_faces(found)


def _frame(number: int, scene: int = 0) -> Frame:
    return Frame(np.zeros((1, 1, 3), np.uint8), number, number / 25, scene)


def _face(left: float, top: float, side: float) -> Face:
    return Face(Box(left, top, left + side, top + side), 0.9, ((0.0, 0.0),) * 6)

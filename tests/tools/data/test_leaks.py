"""Leaks are found and named: people, clips, equal files, and pictures that look alike."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from dfedge.types import Image
from dfedge_tools.data.leaks import Leaks, find_leaks
from dfedge_tools.data.looks import MAX_DISTANCE, look_of, near_pairs
from dfedge_tools.data.manifest import Manifest, Sample, read_manifest

PICTURE = Sample("", "still", "set", "train", 0, "original", "", "", 0, "", "")


@pytest.fixture
def faces(tmp_path: Path, portrait: Image) -> Path:
    """One picture in four forms, and another picture."""
    face = np.ascontiguousarray(portrait[0:256, 96:352, ::-1])
    small = cv2.resize(face, (128, 128), interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(tmp_path / "face.png"), face)
    cv2.imwrite(str(tmp_path / "small.png"), small)
    cv2.imwrite(str(tmp_path / "pressed.jpg"), face, [cv2.IMWRITE_JPEG_QUALITY, 30])
    cv2.imwrite(str(tmp_path / "other.png"), np.ascontiguousarray(portrait[200:456, 200:456]))
    (tmp_path / "again.png").write_bytes((tmp_path / "face.png").read_bytes())
    return tmp_path


def test_shared_names_are_leaks() -> None:
    """A source face counts as its target does, an original as the clip itself."""
    clip = replace(PICTURE, kind="clip", media="video")
    a = replace(clip, path="a", video_id="a", original="a", target_id="p1")
    b = replace(clip, path="b", video_id="b", original="a", source_id="p1", split="val")
    c = replace(clip, path="c", video_id="c", split="")
    d = replace(clip, path="d", video_id="a", target_id="p1", source="other", split="test")
    leaks = find_leaks([Manifest(Path("root"), (a, b, c, d))], read_files=False)
    assert ["set p1"] == [item.name for item in leaks.identities]
    assert {"train": 1, "val": 1} == leaks.identities[0].rows
    assert {"train": "root/a", "val": "root/b"} == leaks.identities[0].examples
    assert ["set a"] == [item.name for item in leaks.clips]
    assert (2, 1, 3) == (leaks.count, leaks.undivided, leaks.videos)


def test_equal_files_and_look_alikes_are_leaks(faces: Path) -> None:
    """Across splits, and across manifests; within a split nothing is."""
    ours = _manifest(faces, "train", "face.png", "other.png")
    theirs = _manifest(faces, "test", "again.png", "small.png", "pressed.jpg")
    leaks = find_leaks([ours, theirs])
    assert [{"train": 1, "test": 1}] == [item.rows for item in leaks.files]
    assert {"small.png", "pressed.jpg"} == _partners(leaks, faces / "face.png")
    assert 3 == leaks.count
    assert 0 == find_leaks([_manifest(faces, "train", *(p.name for p in faces.iterdir()))]).count


def test_a_file_that_two_manifests_list_is_a_leak(faces: Path) -> None:
    """It has no twin of the same size, and is in two splits all the same."""
    leaks = find_leaks([_manifest(faces, split, "pressed.jpg") for split in ("train", "val")])
    assert [{"train": 1, "val": 1}] == [item.rows for item in leaks.files]
    assert () == leaks.pictures


def test_an_unreadable_picture_is_named(faces: Path) -> None:
    """It is not silently taken for unlike all others."""
    (faces / "broken.png").write_bytes(b"no picture")
    (faces / "empty.png").touch()
    leaks = find_leaks([_manifest(faces, "train", "broken.png", "empty.png", "face.png")])
    why = "is no picture that can be read"
    broken, empty = (faces / name for name in ("broken.png", "empty.png"))
    assert ((str(broken), why), (str(empty), why)) == leaks.unreadable


def test_pictures_without_shape_look_like_nothing(tmp_path: Path) -> None:
    """Black frames of two clips are no leak."""
    for name, level in (("a.png", 0), ("b.png", 1)):
        cv2.imwrite(str(tmp_path / name), np.full((64, 64, 3), level, np.uint8))
    assert look_of(tmp_path / "a.png") is None
    a, b = _manifest(tmp_path, "train", "a.png"), _manifest(tmp_path, "val", "b.png")
    assert 0 == find_leaks([a, b]).count


def test_distances_are_counts_of_different_bits() -> None:
    """Against a count bit by bit, over more rows than are compared at once."""
    rng = np.random.default_rng(0)
    first = rng.integers(0, 256, (5, 32), dtype=np.uint8)
    second = np.tile(rng.integers(0, 256, (3, 32), dtype=np.uint8), (1500, 1))
    expected = {
        (i, j, int(np.unpackbits(first[i] ^ second[j]).sum()))
        for i, j in itertools.product(range(5), range(4500))
    }
    assert expected == set(near_pairs(first, second, 256))
    nearest = min(distance for *_, distance in expected)
    assert {p for p in expected if p[2] == nearest} == set(near_pairs(first, second, nearest))


def test_the_research_data_have_no_leak_by_name(shared_data: Path) -> None:
    """The official split of FaceForensics++ shares no person, clip or file."""
    leaks = find_leaks([read_manifest(shared_data / "ffpp_frames")], read_files=False)
    assert {"train": 1270, "val": 580} == leaks.rows
    assert 0 == leaks.count


def test_different_people_do_not_look_alike(shared_data: Path) -> None:
    """Among 60 stills of other people in the same pose no pair is near."""
    files = sorted((shared_data / "real_faces").glob("scut_*.jpg"))[:60]
    hashes = np.stack([look for file in files if (look := look_of(file)) is not None])
    assert 60 == len(hashes)
    near = {(a, b) for a, b, _ in near_pairs(hashes, hashes, MAX_DISTANCE)}
    assert {(n, n) for n in range(60)} == near


def _manifest(root: Path, split: str, *names: str) -> Manifest:
    rows = [replace(PICTURE, path=name, video_id=f"{split}/{name}") for name in names]
    return Manifest(root, tuple(replace(row, split=split) for row in rows))  # type: ignore[arg-type]


def _partners(leaks: Leaks, path: Path) -> set[str]:
    return {
        Path(p).name
        for pair in leaks.pictures
        if str(path) in pair.paths
        for p in pair.paths
        if p != str(path)
    }

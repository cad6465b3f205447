"""Packing: the face of each picture is found, and a picture without one is told of."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import zarr

from dfedge.errors import UsageError
from dfedge.types import Image
from dfedge_tools.data.faces import FaceRecord, write_faces
from dfedge_tools.data.pack import PackReport, pack_manifests
from dfedge_tools.data.pixels import CHUNK_BYTES
from dfedge_tools.data.store import CropStore


@pytest.fixture
def stills(portrait: Image, tmp_path: Path) -> Path:
    """The portrait, the portrait cut so close that the face fills it, and a grey picture."""
    folder = tmp_path / "stills"
    folder.mkdir()
    pictures = {
        "wide.png": portrait,
        "close.png": portrait[60:190, 165:285],
        "grey.png": np.full((64, 64, 3), 128, np.uint8),
    }
    for name, picture in pictures.items():
        cv2.imwrite(str(folder / name), np.ascontiguousarray(picture[:, :, ::-1]))
    lines = ["path,source", *(f"{name},nasa" for name in pictures)]
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_faces_are_found_and_misses_are_told(stills: Path, tmp_path: Path) -> None:
    """Both portraits are packed with a box about the nose; the grey one is logged as left out."""
    out = tmp_path / "store"
    report = pack_manifests([stills], out)
    assert PackReport(2, 0, 1, out / "failures.csv", 0) == report
    assert "path,reason\ngrey.png,no face found\n" == report.failures.read_text()
    store = CropStore(out)
    assert ["grey.png"] == store.skipped
    for row in store.rows:
        left, top, right, bottom = row.face.box
        nose_x, nose_y = row.face.keypoints[4:6]
        assert left < nose_x < right
        assert top < nose_y < bottom


def test_pixels_come_back(stills: Path, tmp_path: Path, portrait: Image) -> None:
    """A packed picture is the picture, to the byte, to us and to any reader of Zarr."""
    pack_manifests([stills], tmp_path / "store")
    store = CropStore(tmp_path / "store")
    assert np.array_equal(portrait, store.image(0))
    row = store.rows[1]
    array = zarr.open_array(tmp_path / "store" / "pixels", mode="r")
    flat = np.asarray(array[row.offset : row.offset + row.height * row.width * 3])
    assert np.array_equal(flat.reshape(row.height, row.width, 3), store.image(1))


def test_many_shards_hold_the_same_pictures(tmp_path: Path) -> None:
    """Pictures of many sizes, black ones too, come back from shards of 64 kB as from one."""
    random = np.random.default_rng(0)
    pictures = {
        f"{number}.png": random.integers(0, 256, (20 + 9 * number, 130, 3), np.uint8)
        if number % 4
        else np.zeros((150, 140, 3), np.uint8)
        for number in range(12)
    }
    manifest = write_stills(tmp_path / "stills", pictures)
    report = pack_manifests([manifest], tmp_path / "store", shard_bytes=CHUNK_BYTES)
    assert 12 == report.done
    assert len(list((tmp_path / "store/pixels/c").iterdir())) > 4
    store = CropStore(tmp_path / "store")
    for number, row in enumerate(store.rows):
        assert np.array_equal(pictures[row.sample.path], store.image(number))


def test_broken_pictures_are_logged(stills: Path, tmp_path: Path) -> None:
    """What is no picture, is cut off, or is too large for a shard is left out, with the reason."""
    (stills / "grey.png").write_bytes(b"not a picture")
    whole = (stills / "close.png").read_bytes()
    (stills / "close.png").write_bytes(whole[: len(whole) // 2])
    report = pack_manifests([stills], tmp_path / "store", shard_bytes=CHUNK_BYTES)
    wide, close, grey = report.failures.read_text().splitlines()[1:]
    assert "wide.png,has more pixels than a shard holds; make it smaller" == wide
    assert "close.png,is a damaged or cut off picture" == close
    assert "grey.png,is not a picture that can be read" == grey
    assert (0, 3) == (report.done, report.failed)
    assert [] == CropStore(tmp_path / "store").rows


def test_a_former_store_is_refused(tmp_path: Path) -> None:
    """A store of the format before says that it must be packed again."""
    (tmp_path / "index.json").write_text('{"version":1,"skipped":[],"rows":[]}')
    with pytest.raises(UsageError, match=r"was packed in format 1.* pack the data again"):
        CropStore(tmp_path)


def test_no_store_is_told(tmp_path: Path) -> None:
    """A folder without an index is no store."""
    with pytest.raises(UsageError, match=r"index\.json: cannot be read .* dfedge data pack"):
        CropStore(tmp_path)


def test_a_cut_off_shard_is_told(stills: Path, tmp_path: Path) -> None:
    """Pixels that are gone give an error that names the file, not a picture."""
    pack_manifests([stills], tmp_path / "store")
    shard = tmp_path / "store/pixels/c/0"
    shard.write_bytes(shard.read_bytes()[:1000])
    with pytest.raises(UsageError, match=r"c/0: is cut off; pack again"):
        CropStore(tmp_path / "store").image(0)


def test_clips_need_a_split(tmp_path: Path) -> None:
    """A clip frame that is on no side of the split is refused, with the command that divides."""
    manifest = write_stills(tmp_path / "frames", {"a.png": np.zeros((8, 8, 3), np.uint8)})
    (manifest / "manifest.csv").write_text("path,label,video_id\na.png,0,a\n")
    with pytest.raises(UsageError, match=r"a\.png has no split.*dfedge data split"):
        pack_manifests([manifest], tmp_path / "store")


def test_identities_may_not_cross_between_manifests(tmp_path: Path) -> None:
    """The same person in train of one manifest and in val of another is refused."""
    manifests = []
    for split in ("train", "val"):
        folder = write_stills(tmp_path / split, {"a.png": np.zeros((8, 8, 3), np.uint8)})
        line = f"a.png,0,a,{split},007,ffpp"
        (folder / "manifest.csv").write_text(
            f"path,label,video_id,split,target_id,source\n{line}\n"
        )
        manifests.append(folder)
    with pytest.raises(UsageError, match="1 identities are in two splits, as 007"):
        pack_manifests(manifests, tmp_path / "store")


def write_stills(folder: Path, pictures: dict[str, Image]) -> Path:
    """A folder of genuine stills whose faces are given."""
    folder.mkdir()
    for name, picture in pictures.items():
        cv2.imwrite(str(folder / name), np.ascontiguousarray(picture[:, :, ::-1]))
    (folder / "manifest.csv").write_text("path\n" + "".join(f"{name}\n" for name in pictures))
    face = FaceRecord((2.0, 2.0, 6.0, 6.0), (4.0,) * 12, 0.9)
    write_faces(folder, dict.fromkeys(pictures, face))
    return folder

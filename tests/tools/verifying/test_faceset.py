"""Sets of face pictures: what is read of a folder, and how a model sees it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image as Pictures

from dfedge.bundles.bundle import Bundle
from dfedge.bundles.card import WHOLE_FRAME, DetectorCard
from dfedge.crops import Preprocessor, crop_box, cut
from dfedge.errors import UsageError
from dfedge.faces import open_face_finder
from dfedge.types import Image
from dfedge_tools.faceset import load_faces, noise_set, read_image, read_pictures

from .conftest import SIDE


@pytest.fixture
def card(atto_bundle: Bundle) -> DetectorCard:
    """Of a model of single pictures."""
    assert isinstance(atto_bundle.card, DetectorCard)
    return atto_bundle.card


def manifest(folder: Path, *rows: str, header: str = "path,label,video_id,method,split") -> Path:
    """Write one, and return its folder."""
    (folder / "manifest.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return folder


# --- reading a folder


def test_a_manifest_says_label_clip_method_and_split(tmp_path: Path) -> None:
    """Rows of one split, in their order."""
    manifest(
        tmp_path, "a.png,1,clip,Deepfakes,val", "b.png,0,,original,train", "c.png,0,,original,val"
    )
    found = read_pictures(tmp_path, split="val")
    assert [(p.path.name, p.label, p.clip, p.method, p.split) for p in found] == [
        ("a.png", 1, "clip", "Deepfakes", "val"),
        ("c.png", 0, "c.png", "original", "val"),
    ]
    assert len(read_pictures(tmp_path)) == 3


def test_a_manifest_may_have_no_labels(tmp_path: Path) -> None:
    """Only the path is needed."""
    (found,) = read_pictures(manifest(tmp_path, "a.png", header="path"))
    assert (found.label, found.clip, found.split) == (None, "a.png", "")


def test_folders_real_and_fake_are_labels(faces: Path) -> None:
    """Without them pictures have none; other files are left out."""
    found = read_pictures(faces)
    assert {p.path.parent.name: p.label for p in found} == {"real": 0, "fake": 1}
    assert {p.label for p in read_pictures(faces / "fake")} == {None}


def test_a_limit_is_spread_evenly(faces: Path) -> None:
    """Over the whole set, so that both labels stay in it."""
    labels = [p.label for p in read_pictures(faces, limit=4)]
    assert labels == [1, 1, 0, 0]
    assert len(read_pictures(faces, limit=100)) == 12


@pytest.mark.parametrize(
    ("header", "row", "said"),
    [
        ("file,label", "a.png,1", r"has the columns file, label; it needs path and split"),
        ("path,label", "a.png,1", r"has the columns path, label; it needs path and split"),
        ("path,label,split", "a.png,fake,val", r"has the label 'fake'; 1 is fake, 0 is real"),
        ("path,label,split", ",1,val", r"has a line without a path"),
        ("path,label,split", "a.png,1,train", r"has no split 'val'; there are train"),
    ],
)
def test_a_bad_manifest_is_told(tmp_path: Path, header: str, row: str, said: str) -> None:
    """What is wrong, and what would be right."""
    with pytest.raises(UsageError, match=said):
        read_pictures(manifest(tmp_path, row, header=header), split="val")


def test_a_manifest_that_is_no_text_is_told(tmp_path: Path) -> None:
    """Not a traceback."""
    (tmp_path / "manifest.csv").write_bytes(b"path,label\n\xff\xfe,1\n")
    with pytest.raises(UsageError, match="is no CSV file in UTF-8"):
        read_pictures(tmp_path)


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    """So is none at all, and a split of a folder that has no manifest."""
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(UsageError, match="holds no picture"):
        read_pictures(tmp_path)
    with pytest.raises(UsageError, match="is no folder"):
        read_pictures(tmp_path / "gone")
    with pytest.raises(UsageError, match=r"has no manifest\.csv, so it has no split 'val'"):
        read_pictures(tmp_path, split="val")


def test_a_picture_is_turned_upright(tmp_path: Path) -> None:
    """As phones mark it, and as the SDK reads it."""
    picture = Pictures.new("RGB", (4, 2))
    exif = picture.getexif()
    exif[0x0112] = 6  # a quarter turn
    picture.save(tmp_path / "a.jpg", exif=exif)
    assert read_image(tmp_path / "a.jpg").shape == (4, 2, 3)


def test_a_broken_picture_is_named(tmp_path: Path) -> None:
    """Rather than left out."""
    (tmp_path / "a.png").write_bytes(b"nothing")
    with pytest.raises(UsageError, match=r"a\.png: is no picture that can be read"):
        read_image(tmp_path / "a.png")


# --- as a model sees it


def test_faces_are_cut_as_the_runtime_cuts_them(
    faces: Path, atto_bundle: Bundle, card: DetectorCard
) -> None:
    """Finder, crop and preprocessing of the SDK, in the order of the pictures."""
    pictures = read_pictures(faces)
    found = load_faces(pictures, atto_bundle, card, quiet=True)
    assert found.inputs.shape == (12, 3, SIDE, SIDE)
    assert found.labels is not None
    assert found.labels.tolist() == [1] * 6 + [0] * 6
    assert found.pictures == tuple(pictures)
    assert found.data == f"12 faces of {faces.name}"
    image = read_image(pictures[3].path)
    finder, preprocess = open_face_finder(), Preprocessor(atto_bundle)
    (face,) = finder.find(image)
    crop = cut(image, crop_box(face.box, card.crop))
    # the face comes back by way of float32, which may move its crop by a pixel
    np.testing.assert_allclose(found.inputs[3], preprocess([crop])[0], atol=0.3)
    finder.close()
    preprocess.close()


def test_a_picture_without_a_face_is_left_out_and_told(
    faces: Path, atto_bundle: Bundle, card: DetectorCard, tmp_path: Path
) -> None:
    """Labels and names stay with their inputs."""
    grey: Image = np.full((64, 64, 3), 90, np.uint8)
    Pictures.fromarray(grey).save(tmp_path / "grey.png")
    face = next((faces / "fake").glob("*.png"))
    manifest(tmp_path, "grey.png,0,,,val", f"{face},1,,,val")
    found = load_faces(read_pictures(tmp_path, split="val"), atto_bundle, card, quiet=True)
    assert found.missed == (tmp_path / "grey.png",)
    assert found.labels is not None
    assert found.labels.tolist() == [1]
    assert len(found.inputs) == len(found.clips) == len(found.pictures) == 1
    assert found.data.startswith("1 faces of ")
    assert found.data.endswith(" val")


def test_a_model_of_whole_frames_needs_no_face(
    atto_bundle: Bundle, card: DetectorCard, tmp_path: Path
) -> None:
    """The frame is its box, with the card's margin and squaring, as in the SDK."""
    generator = np.random.default_rng(0)
    image: Image = generator.integers(0, 255, (40, 60, 3), dtype=np.uint8)
    Pictures.fromarray(image).save(tmp_path / "a.png")
    crop = msgspec.structs.replace(card.crop, box_source=WHOLE_FRAME, margin=0.0, squaring="none")
    whole = msgspec.structs.replace(card, crop=crop)
    found = load_faces(read_pictures(tmp_path), atto_bundle, whole, quiet=True)
    preprocess = Preprocessor(atto_bundle)
    np.testing.assert_array_equal(found.inputs, preprocess([image]))
    preprocess.close()
    assert found.labels is None


def test_a_model_of_clips_gets_frames_of_one_clip(
    faces: Path, atto_bundle: Bundle, card: DetectorCard, tmp_path: Path
) -> None:
    """Spread evenly over the clip's; a short clip repeats them; one label a clip."""
    names = sorted(faces.rglob("*.png"))
    rows = [f"{name},{int(place < 5)},{'long' if place < 5 else 'short'},," for place, name in
            enumerate(names[:6])]  # fmt: skip
    pictures = read_pictures(manifest(tmp_path, *rows))
    single = load_faces(pictures, atto_bundle, card, quiet=True).inputs
    model_input = msgspec.structs.replace(card.input, frames=4, layout="NTCHW")
    clips = msgspec.structs.replace(card, input=model_input)
    found = load_faces(pictures, atto_bundle, clips, quiet=True)
    np.testing.assert_array_equal(found.inputs[0], single[[0, 1, 2, 3]])
    np.testing.assert_array_equal(found.inputs[1], single[[5, 5, 5, 5]])
    assert found.clips == ("long", "short")
    assert found.labels is not None
    assert found.labels.tolist() == [1, 0]
    assert found.data.startswith("2 clips, 6 faces of ")


def test_noise_is_the_same_each_time(card: DetectorCard) -> None:
    """Of the shape of the model's input, for clips too; a longer set begins as a shorter one."""
    first, again = noise_set(card, count=3), noise_set(card, count=5)
    assert first.inputs.shape == (3, 3, SIDE, SIDE)
    np.testing.assert_array_equal(first.inputs, again.inputs[:3])
    assert abs(float(first.inputs.mean())) < 0.05
    model_input = msgspec.structs.replace(card.input, frames=4, layout="NTCHW")
    clips = noise_set(msgspec.structs.replace(card, input=model_input), count=2)
    assert clips.inputs.shape == (2, 4, 3, SIDE, SIDE)
    assert (clips.labels, clips.pictures) == (None, ())

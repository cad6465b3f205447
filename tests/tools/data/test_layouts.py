"""Each known layout is recognized, and its names are read as their data set means them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dfedge.errors import UsageError
from dfedge_tools.data.layouts import LAYOUTS, LeftOut, find_layout, read_layout
from dfedge_tools.data.manifest import Sample


def test_faceforensics(tmp_path: Path) -> None:
    """Target and source are the two numbers; the official split holds for fakes of one side."""
    _touch(
        tmp_path,
        "original_sequences/youtube/c23/videos/033.mp4",
        "manipulated_sequences/Deepfakes/c40/videos/033_097.mp4",
        "manipulated_sequences/FaceSwap/c23/videos/033_555.mp4",
        "manipulated_sequences/FaceSwap/c23/masks/033_097.mp4",
        "manipulated_sequences/NeuralTextures/c23/images/033_097/0012.png",
    )
    (tmp_path / "splits").mkdir()
    (tmp_path / "splits" / "train.json").write_text('[["033", "097"]]')
    (tmp_path / "splits" / "val.json").write_text('[["555", "556"]]')
    rows = _read(tmp_path, "faceforensics")
    real = rows["original_sequences/youtube/c23/videos/033.mp4"]
    fake = rows["manipulated_sequences/Deepfakes/c40/videos/033_097.mp4"]
    mixed = rows["manipulated_sequences/FaceSwap/c23/videos/033_555.mp4"]
    frame = rows["manipulated_sequences/NeuralTextures/c23/images/033_097/0012.png"]
    assert len(rows) == 4
    assert (real.label, real.method, real.target_id, real.source_id) == (0, "original", "033", "")
    assert (fake.label, fake.method, fake.compression) == (1, "Deepfakes", "c40")
    assert (fake.target_id, fake.source_id, fake.source) == ("033", "097", "ffpp")
    assert fake.original == "original_c40_033"
    assert real.original == real.video_id == "original_c23_033"
    assert [real.split, fake.split, mixed.split] == ["train", "train", ""]
    assert (frame.video_id, frame.frame, frame.media) == (
        "NeuralTextures_c23_033_097",
        12,
        "picture",
    )


def test_actors_of_dfd(tmp_path: Path) -> None:
    """A fake's original is the target's clip of the same scene; actors are people of their own."""
    _touch(
        tmp_path,
        "original_sequences/actors/c23/videos/01__exit_phone_room.mp4",
        "manipulated_sequences/DeepFakeDetection/c23/videos/01_02__exit_phone_room__YVGY8LOK.mp4",
    )
    fake, real = _read(tmp_path, "faceforensics").values()
    assert (fake.target_id, fake.source_id, fake.source) == ("01", "02", "dfd")
    assert fake.original == real.video_id == "original_c23_01__exit_phone_room"


def test_celebdf(tmp_path: Path) -> None:
    """The third number is the target's clip; what the test list names is test, the rest train."""
    _touch(
        tmp_path,
        "Celeb-real/id0_0007.mp4",
        "Celeb-synthesis/id0_id1_0007.mp4",
        "YouTube-real/00170.mp4",
        "Celeb-real/portrait.mp4",
    )
    (tmp_path / "List_of_testing_videos.txt").write_text(
        "1 YouTube-real/00170.mp4\n0 Celeb-synthesis/id0_id1_0007.mp4\n"
    )
    rows = _read(tmp_path, "celebdf", left_out=["Celeb-real/portrait.mp4"])
    fake = rows["Celeb-synthesis/id0_id1_0007.mp4"]
    assert (fake.target_id, fake.source_id, fake.split) == ("id0", "id1", "test")
    assert fake.original == rows["Celeb-real/id0_0007.mp4"].video_id
    assert rows["Celeb-real/id0_0007.mp4"].split == "train"
    assert (rows["YouTube-real/00170.mp4"].target_id, rows["YouTube-real/00170.mp4"].label) == (
        "",
        0,
    )


def test_celebdf_list_and_folder_must_agree(tmp_path: Path) -> None:
    """A list read the wrong way round would swap labels; its contradictions are left out."""
    _touch(tmp_path, "Celeb-real/id0_0007.mp4", "Celeb-real/id0_0008.mp4")
    (tmp_path / "List_of_testing_videos.txt").write_text("0 Celeb-real/id0_0007.mp4\n")
    _read(tmp_path, "celebdf", left_out=["Celeb-real/id0_0007.mp4"])


def test_dfdc(tmp_path: Path) -> None:
    """Labels and originals come from the metadata; files and entries without the other show."""
    part = "dfdc_train_part_3"
    _touch(tmp_path, f"{part}/aaa.mp4", f"{part}/bbb.mp4", f"{part}/extra.mp4")
    told = {
        "aaa.mp4": {"label": "FAKE", "split": "train", "original": "bbb.mp4"},
        "bbb.mp4": {"label": "REAL", "split": "train", "original": None},
        "gone.mp4": {"label": "REAL", "split": "train", "original": None},
    }
    (tmp_path / part / "metadata.json").write_text(json.dumps(told))
    rows = _read(tmp_path, "dfdc", left_out=[f"{part}/extra.mp4", f"{part}/gone.mp4"])
    fake, real = rows.values()
    assert (fake.label, fake.original, fake.split) == (1, "bbb", "train")
    assert (real.label, real.video_id, real.original) == (0, "bbb", "bbb")


def test_deepfaketimit(tmp_path: Path) -> None:
    """The folder is the target, the name's end the source; VidTIMIT's frames are the originals."""
    _touch(
        tmp_path,
        "higher_quality/fadg0/sa1-video-fram1.avi",
        "lower_quality/fadg0/sa1-video-fram1.avi",
        "vidtimit/fadg0/video/sa1/001",
        "vidtimit/fadg0/audio/sa1.wav",
    )
    high, low, frame = _read(tmp_path, "deepfaketimit").values()
    assert [high.method, low.method] == ["DF-TIMIT-HQ", "DF-TIMIT-LQ"]
    assert (high.target_id, high.source_id) == ("fadg0", "fram1")
    assert high.original == low.original == frame.video_id
    assert (frame.frame, frame.label, frame.media, frame.kind) == (1, 0, "picture", "clip")


def test_kodf(tmp_path: Path) -> None:
    """Subjects are the folders of the originals, and found again in the paths of the fakes."""
    _touch(
        tmp_path,
        "original_videos/s101/s101_003.mp4",
        "original_videos/s102/s102_001.mp4",
        "synthesized_videos/fsgan/s101_s102_7.mp4",
        "synthesized_videos/audio-driven/s102/clip_1.mp4",
        "synthesized_videos/dfl/nobody.mp4",
    )
    rows = _read(tmp_path, "kodf", left_out=["synthesized_videos/dfl/nobody.mp4"])
    swap = rows["synthesized_videos/fsgan/s101_s102_7.mp4"]
    spoken = rows["synthesized_videos/audio-driven/s102/clip_1.mp4"]
    assert (swap.method, swap.target_id, swap.source_id) == ("FSGAN", "s101", "s102")
    assert (spoken.method, spoken.target_id, spoken.source_id) == ("audio-driven", "s102", "")
    assert rows["original_videos/s101/s101_003.mp4"].target_id == "s101"


@pytest.mark.parametrize("top", ["", "inswapper/"])
def test_inswapper(tmp_path: Path, top: str) -> None:
    """A fake belongs to the original whose name its own begins with; pictures are stills."""
    _touch(
        tmp_path,
        f"{top}original_videos/clip7.mp4",
        f"{top}original_videos/clip71.mp4",
        f"{top}original_videos/portrait.jpg",
        f"{top}inswapper/clip71_swapped.mp4",
        f"{top}uniface/portrait.png",
        f"{top}uniface/clip72.mp4",
    )
    rows = _read(tmp_path, "inswapper", left_out=[f"{top}uniface/clip72.mp4"])
    video, still = rows[f"{top}inswapper/clip71_swapped.mp4"], rows[f"{top}uniface/portrait.png"]
    assert (video.method, video.original) == ("inswapper", f"{top}original_videos/clip71")
    assert (still.kind, still.original) == ("still", f"{top}original_videos/portrait.jpg")


def test_folders_as_genconvit_takes_them(tmp_path: Path) -> None:
    """The first level is the split; a folder of frames is a clip, a picture alone a still."""
    _touch(
        tmp_path,
        "train/real/a.jpg",
        "train/fake/clip/frame_0004.jpg",
        "valid/fake/b.mp4",
        "test/real/c.mp4",
        "train/notes.jpg",
    )
    test, frame, still, val = _read(tmp_path, "folders").values()
    assert [frame.split, still.split, test.split, val.split] == ["train", "train", "test", "val"]
    assert [frame.label, still.label, test.label, val.label] == [1, 0, 0, 1]
    assert (frame.kind, frame.video_id, frame.frame) == ("clip", "train/fake/clip", 4)
    assert (still.kind, still.video_id) == ("still", "train/real/a.jpg")
    assert val.media == "video"


def test_folders_without_a_split(tmp_path: Path) -> None:
    """real and fake may be at the top."""
    _touch(tmp_path, "real/a.jpg", "fake/b.jpg")
    fake, real = _read(tmp_path, "folders").values()
    assert [(1, ""), (0, "")] == [(fake.label, fake.split), (real.label, real.split)]


def test_a_list_that_is_there(tmp_path: Path) -> None:
    """It goes last, takes a label for all, and other layouts take none."""
    _touch(tmp_path, "a.jpg")
    (tmp_path / "manifest.csv").write_text("path,source\na.jpg,meb\n")
    layout = find_layout(tmp_path)
    (sample,), _ = read_layout(tmp_path, layout, label=0)
    assert (layout.name, sample.label, sample.source) == ("listed", 0, "meb")
    _touch(tmp_path, "real/b.jpg")
    assert find_layout(tmp_path).name == "folders"
    with pytest.raises(UsageError, match="--label: the layout folders"):
        read_layout(tmp_path, find_layout(tmp_path), label=0)


def test_what_is_not_recognized_says_what_was_looked_for(tmp_path: Path) -> None:
    """The message names every layout, so that a folder too high or low is found out."""
    with pytest.raises(UsageError) as caught:
        find_layout(tmp_path)
    assert all(layout.name in str(caught.value) for layout in LAYOUTS)
    with pytest.raises(UsageError, match=r"has nothing of dfdc; .*\n  dfdc: metadata\.json"):
        find_layout(tmp_path, "dfdc")
    with pytest.raises(UsageError, match="--layout ffhq: is none of auto, faceforensics"):
        find_layout(tmp_path, "ffhq")
    with pytest.raises(UsageError, match="is no folder"):
        find_layout(tmp_path / "absent")


def test_two_data_sets_in_one_folder_are_not_guessed(tmp_path: Path) -> None:
    """The user must say which is meant."""
    _touch(tmp_path, "Celeb-real/id0_0000.mp4", "higher_quality/fadg0/sa1-video-fram1.avi")
    with pytest.raises(UsageError, match="looks like celebdf and deepfaketimit"):
        find_layout(tmp_path)
    assert find_layout(tmp_path, "celebdf").name == "celebdf"


def test_nothing_that_fits_is_an_error(tmp_path: Path) -> None:
    """An empty manifest would be found out much later; the reason names a file."""
    _touch(tmp_path, "Celeb-real/portrait.mp4")
    with pytest.raises(UsageError, match=r"portrait\.mp4: its clip is not named as id0_0007"):
        read_layout(tmp_path, find_layout(tmp_path))


def _touch(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()


def _read(root: Path, name: str, left_out: list[str] | None = None) -> dict[str, Sample]:
    """Rows by path, of the layout that must be recognized, with just these files left out."""
    layout = find_layout(root)
    assert name == layout.name
    samples, rest = read_layout(root, layout)
    assert (left_out or []) == sorted(item.path for item in rest)
    assert all(isinstance(item, LeftOut) and item.reason for item in rest)
    return {sample.path: sample for sample in samples}

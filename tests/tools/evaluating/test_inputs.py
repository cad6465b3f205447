"""What can be evaluated: manifests, folders and stores, with their splits."""

from __future__ import annotations

from pathlib import Path

import pytest

from dfedge.errors import UsageError
from dfedge.types import Image
from dfedge_tools.data.store import CropStore
from dfedge_tools.evaluating.inputs import read_data, read_held_stills

from .conftest import save


def test_a_manifest_gives_the_clips_of_a_split(frames: Path) -> None:
    """Val unless told otherwise; frames in order; the folder and the file are one."""
    data = read_data(frames)
    assert f"{frames.name} val" == data.name
    assert [f"v{n}" for n in range(6)] == [clip.row.video_id for clip in data.clips]
    first = data.clips[1]
    assert ("Deepfakes", "c23", "001") == (
        first.row.method, first.row.compression, first.row.identity,
    )  # fmt: skip
    assert ["1_0.png", "1_1.png"] == [picture.row.path for picture in first.pictures]
    assert (320, 320, 3) == first.pictures[0].load().shape
    assert 7 == len(read_data(frames / "manifest.csv", split="all").clips)


def test_a_split_that_is_not_there_is_told_with_those_that_are(frames: Path) -> None:
    """The message names the splits to choose from."""
    with pytest.raises(UsageError, match=r"nothing of the split 'test' \(splits: train, val"):
        read_data(frames, split="test")


def test_folders_real_and_fake(grey: Image, tmp_path: Path) -> None:
    """Pictures are stills, folders of pictures are clips, videos are videos."""
    save(tmp_path / "real" / "still.png", grey)
    for number in range(3):
        save(tmp_path / "fake" / "clip" / f"{number}.png", grey)
    (tmp_path / "fake" / "film.mp4").write_bytes(b"")
    (tmp_path / "fake" / "notes.txt").write_text("")
    clips = {clip.row.video_id: clip for clip in read_data(tmp_path).clips}
    assert {"real/still.png", "fake/clip", "fake/film.mp4"} == set(clips)
    assert [0, 1, 2] == [picture.row.frame for picture in clips["fake/clip"].pictures]
    assert tmp_path / "fake" / "film.mp4" == clips["fake/film.mp4"].video
    labels = {name: clip.row.label for name, clip in clips.items()}
    assert {"real/still.png": 0, "fake/clip": 1, "fake/film.mp4": 1} == labels


def test_a_store_of_crops(tiny_store: CropStore) -> None:
    """Val clips of a packed store, and its stills that were held back."""
    data = read_data(tiny_store.folder)
    assert {"original_003": 3, "Deepfakes_003": 3} == {
        clip.row.video_id: len(clip.pictures) for clip in data.clips
    }
    assert (128, 128, 3) == data.clips[0].pictures[0].load().shape
    assert 2 == len(read_held_stills(tiny_store.folder).clips)


def test_stills_without_a_split_give_the_tenth_that_training_keeps_back(
    grey: Image, tmp_path: Path
) -> None:
    """A tenth of each source, the same every time."""
    lines = ["path,source"]
    for number in range(20):
        save(tmp_path / f"{number}.png", grey[:32, :32])
        lines.append(f"{number}.png,{'meb' if number < 10 else 'aaf'}")
    (tmp_path / "manifest.csv").write_text("\n".join(lines) + "\n")
    held = read_held_stills(tmp_path)
    assert ["aaf", "meb"] == sorted(clip.row.source for clip in held.clips)
    assert {"held"} == {clip.row.split for clip in held.clips}
    assert held.clips[0].row == read_held_stills(tmp_path).clips[0].row


def test_fake_stills_are_refused(grey: Image, tmp_path: Path) -> None:
    """False alarms can be counted on genuine pictures only."""
    save(tmp_path / "a.png", grey[:32, :32])
    (tmp_path / "manifest.csv").write_text("path,label,split\na.png,1,held\n")
    with pytest.raises(UsageError, match=r"a\.png is fake; --stills takes genuine pictures only"):
        read_held_stills(tmp_path)


def test_people_in_two_splits_are_told(grey: Image, tmp_path: Path) -> None:
    """Figures of a split that shares people with another one are too good, and say so."""
    lines = ["path,label,video_id,split,target_id"]
    for number, split in enumerate(("train", "val")):
        save(tmp_path / f"{number}.png", grey[:32, :32])
        lines.append(f"{number}.png,0,v{number},{split},033")
    (tmp_path / "manifest.csv").write_text("\n".join(lines) + "\n")
    (note,) = read_data(tmp_path).notes
    assert note.startswith("1 identities of this split are in another split too (033)")


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda _: None, "is not there"),
        (lambda place: place.mkdir(), "has no manifest.csv and no subfolders real and fake"),
        (lambda place: [(place / n).mkdir(parents=True) for n in ("real", "fake")], "no picture"),
    ],
)
def test_places_without_data_are_told(tmp_path: Path, make: object, told: str) -> None:
    """Each says what is missing."""
    assert callable(make)
    make(tmp_path / "place")
    with pytest.raises(UsageError, match=told):
        read_data(tmp_path / "place")

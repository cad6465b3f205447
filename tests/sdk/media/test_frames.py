"""Folders of frames and arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dfedge.media import open_media


def test_folder_in_natural_order(make: Any) -> None:
    """frame2 comes before frame10; a second apart, for want of times."""
    with open_media(make.frames_folder()) as reader:
        assert reader.info.kind == "frames"
        assert reader.expected_frames == 12
        frames = list(reader)
        assert (reader.info.width, reader.info.height) == (160, 120)
    assert [make.read_number(frame.image) for frame in frames] == list(range(12))
    assert [frame.pts_seconds for frame in frames] == [float(number) for number in range(12)]


def test_folder_is_sampled(make: Any) -> None:
    """Three of twelve: the middles of the thirds, under their own numbers."""
    with open_media(make.frames_folder(), frames=3) as reader:
        assert [(frame.index, make.read_number(frame.image)) for frame in reader] == [
            (2, 2),
            (6, 6),
            (10, 10),
        ]


def test_other_files_of_a_folder_are_passed_over(make: Any) -> None:
    """A text and a hidden file among the frames change nothing."""
    folder = make.frames_folder(count=3)
    (folder / "notes.txt").write_text("not a frame")
    (folder / ".frame9.jpg").write_bytes(b"hidden")
    with open_media(folder) as reader:
        assert [make.read_number(frame.image) for frame in reader] == [0, 1, 2]
        assert reader.problems == []


def test_a_damaged_frame_of_a_folder_is_a_problem(make: Any) -> None:
    """One broken picture is named and passed over; the others keep their numbers."""
    folder = make.frames_folder(count=4)
    (folder / "frame2.jpg").write_bytes(b"\xff\xd8\xff\xe0broken")
    with open_media(folder) as reader:
        assert [frame.index for frame in reader] == [0, 1, 3]
        (problem,) = reader.problems
    assert "frame2.jpg" in problem


def test_as_frames_passes_videos_over(make: Any) -> None:
    """A folder of pictures and a video is one row of frames when the caller says so."""
    folder: Path = make.frames_folder(count=3)
    (folder / "making-of.mp4").write_bytes(b"whatever")
    with open_media(folder, as_frames=True) as reader:
        assert len(list(reader)) == 3


def test_scene_on_a_folder(make: Any) -> None:
    """Cuts are found in pictures too."""
    folder = make.folder / "cut"
    folder.mkdir()
    from PIL import Image as Pillow

    for number in range(8):
        colour = (200, 20, 20) if number < 5 else (20, 20, 200)
        Pillow.new("RGB", (64, 48), colour).save(folder / f"{number}.png")
    with open_media(folder, sampling="scene") as reader:
        assert [(frame.index, frame.scene) for frame in reader] == [
            *((number, 0) for number in range(5)),
            *((number, 1) for number in range(5, 8)),
        ]


def test_one_array(make: Any) -> None:
    """An RGB array is one picture, the very same pixels."""
    picture = make.picture(5)
    with open_media(picture) as reader:
        assert reader.info.kind == "array"
        assert (reader.info.width, reader.info.height) == (160, 120)
        (frame,) = list(reader)
    assert np.array_equal(picture, frame.image)


@pytest.mark.parametrize("kind", ["array", "list", "tuple"])
def test_many_arrays(make: Any, kind: str) -> None:
    """(N, H, W, 3), a list and a tuple of pictures are rows of frames."""
    pictures = [make.picture(number) for number in range(5)]
    source: Any = {"array": np.stack(pictures), "list": pictures, "tuple": tuple(pictures)}[kind]
    with open_media(source, frames=5) as reader:
        assert [make.read_number(frame.image) for frame in reader] == list(range(5))


def test_sizes_may_differ_in_a_list(make: Any) -> None:
    """Each frame has its own size."""
    with open_media([make.picture(), make.picture(width=80, height=40)]) as reader:
        assert [(frame.width, frame.height) for frame in reader] == [(160, 120), (80, 40)]


def test_a_view_is_made_contiguous(make: Any) -> None:
    """Pictures cut out of others or mirrored come as plain contiguous arrays."""
    with open_media(make.picture()[:, ::-1][10:50]) as reader:
        (frame,) = list(reader)
    assert frame.image.flags.c_contiguous

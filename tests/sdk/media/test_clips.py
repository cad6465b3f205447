"""The samplings on whole research clips: right frames, little work, flat memory."""

from __future__ import annotations

import csv
import gc
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from dfedge.media import MediaLimits, open_media
from dfedge.media.convert import FrameConverter
from dfedge.media.reader import MediaReader
from dfedge.media.video import VideoFile


@pytest.fixture
def clips(shared_data: Path) -> dict[Path, dict[str, str]]:
    """Every clip with its line of the manifest."""
    folder = shared_data / "clips"
    with (folder / "manifest.csv").open(newline="") as lines:
        return {folder / line["path"]: line for line in csv.DictReader(lines)}


def test_manifest_and_reader_agree(clips: dict[Path, dict[str, str]]) -> None:
    """Size and length are those that the data's own list gives."""
    for path, line in clips.items():
        with open_media(path) as reader:
            info = reader.info
        assert (str(info.width), str(info.height)) == (line["width"], line["height"])
        assert info.duration_seconds == pytest.approx(int(line["frames"]) / float(line["fps"]))


def test_even_is_exact(clips: dict[Path, dict[str, str]]) -> None:
    """Twenty frames are pixel for pixel those of a decode of everything, by scan and by seek."""
    path = min(clips, key=lambda path: path.stat().st_size)
    with open_media(path) as reader:
        few = {frame.index: frame for frame in reader}
    count = int(clips[path]["frames"])
    assert list(few) == [int((part + 0.5) * count / 20) for part in range(20)]
    converter = FrameConverter("clip", MediaLimits(), 1.0)
    with av.open(str(path)) as whole:
        for number, picture in enumerate(whole.decode(video=0)):
            if number in few:
                assert np.array_equal(converter.to_rgb(picture), few[number].image)
    limits = MediaLimits()
    video = VideoFile(path.open("rb"), path.name, limits, scan_bytes=0)
    with MediaReader(
        video.info,
        "even",
        lambda feed: video.produce(feed, "even", 20),
        expected_frames=20,
        stall_seconds=30,
        release=video.close,
    ) as sought:
        for frame in sought:
            assert frame.pts_seconds == few[frame.index].pts_seconds
            assert np.array_equal(frame.image, few[frame.index].image)


def test_a_decoder_that_starts_in_the_middle_gives_the_same(
    clips: dict[Path, dict[str, str]],
) -> None:
    """Frames of a file entered at a later keyframe are those of a decode from the start.

    These clips are 4:4:4 of an x264 that names its version in the first packet only.
    """
    for path in clips:
        with open_media(path, sampling="fast", frames=1) as reader:
            (frame,) = list(reader)
        converter = FrameConverter("clip", MediaLimits(), 1.0)
        with av.open(str(path)) as whole:
            for number, picture in enumerate(whole.decode(video=0)):
                if number == frame.index:
                    assert np.array_equal(converter.to_rgb(picture), frame.image)
                    break


def test_colours_are_those_of_opencv(clips: dict[Path, dict[str, str]]) -> None:
    """The first frame differs from OpenCV's by at most a grey level or so."""
    for path in list(clips)[:4]:
        with open_media(path, sampling="fast", frames=1) as reader:
            (frame,) = list(reader)
        capture = cv2.VideoCapture(str(path))
        capture.set(cv2.CAP_PROP_POS_FRAMES, frame.index)
        there, picture = capture.read()
        capture.release()
        assert there
        difference = np.abs(frame.image.astype(int) - picture[..., ::-1])
        assert difference.mean() < 0.5
        assert difference.max() <= 3


def test_frames_are_freed_without_the_garbage_collector(
    clips: dict[Path, dict[str, str]],
) -> None:
    """No cycle keeps a decoded picture, so memory does not grow with the number of frames."""
    path = min(clips, key=lambda path: path.stat().st_size)
    gc.collect()
    gc.disable()
    try:
        with open_media(path, frames=60) as reader:
            most = 0
            for _ in reader:
                alive = sum(type(thing) is av.VideoFrame for thing in gc.get_objects())
                most = max(most, alive)
    finally:
        gc.enable()
    assert most <= 12

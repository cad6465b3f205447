"""The samplings `fast` and `scene` on videos."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dfedge.errors import UsageError
from dfedge.media import open_media
from dfedge.types import Image


def test_fast_takes_bursts_after_keyframes(make: Any) -> None:
    """Keyframes at 0, 25 and 50, nine frames: three reference frames from each keyframe on."""
    path = make.video(frames=75, options={"g": "25", "bf": "0", "sc_threshold": "0"})
    with open_media(path, sampling="fast", frames=9) as reader:
        frames = list(reader)
    assert [frame.index for frame in frames] == [0, 1, 2, 25, 26, 27, 50, 51, 52]
    assert [make.read_number(frame.image) for frame in frames] == [f.index for f in frames]
    assert [f.pts_seconds for f in frames] == pytest.approx([f.index / 25 for f in frames])


def test_fast_gives_as_many_frames_as_wanted(make: Any) -> None:
    """With B-frames the burst is of reference frames: still all that were asked for, in order."""
    path = make.video(frames=75, options={"g": "25", "bf": "2", "sc_threshold": "0"})
    with open_media(path, sampling="fast", frames=10) as reader:
        frames = list(reader)
        assert reader.expected_frames == 10
    assert len(frames) == 10
    numbers = [make.read_number(frame.image) for frame in frames]
    assert numbers == sorted(set(numbers))
    assert all(number % 25 < 10 for number in numbers)


def test_fast_with_many_keyframes_takes_one_frame_each(make: Any) -> None:
    """All pictures are keyframes: the keyframes at the evenly spaced moments."""
    path = make.video(codec="mjpeg", name="motion.mov", pixels="yuvj420p")
    with open_media(path, sampling="fast", frames=5) as reader:
        assert [frame.index for frame in reader] == [5, 15, 25, 35, 45]


def test_fast_on_a_clip_shorter_than_its_burst(make: Any) -> None:
    """Asking for more than there is gives no frame twice."""
    with open_media(make.video(frames=6), sampling="fast", frames=20) as reader:
        numbers = [frame.index for frame in reader]
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("name", ["bare.h264", "reordered.avi"])
def test_fast_without_times_is_even(make: Any, name: str) -> None:
    """Formats without presentation times cannot be entered at a keyframe: evenly spaced frames."""
    container = {"bare.h264": "h264"}.get(name)
    path = make.video(name, container=container)
    with open_media(path, sampling="fast", frames=5) as reader:
        assert [make.read_number(frame.image) for frame in reader] == [5, 15, 25, 35, 45]


def coloured(number: int) -> Image:
    """Red, then green from 30, then blue from 90, with some texture."""
    image = np.random.default_rng(3).integers(0, 60, (120, 160, 3)).astype(np.uint8)
    image[..., 0 if number < 30 else 1 if number < 90 else 2] += 150
    return image


@pytest.mark.parametrize("name", ["scenes.mp4", "scenes.avi"])
def test_scene_numbers_the_scenes(make: Any, name: str) -> None:
    """Three scenes of 30, 60 and 60 frames, six moments each; every frame is of its scene."""
    path = make.video(name, frames=150, picture=coloured)
    with open_media(path, sampling="scene", frames=20) as reader:
        frames = list(reader)
        assert reader.expected_frames == len(frames)
    assert [frame.scene for frame in frames] == [0] * 6 + [1] * 6 + [2] * 6
    assert [int(frame.image.mean((0, 1)).argmax()) for frame in frames] == [
        frame.scene for frame in frames
    ]


def test_scene_is_bounded(make: Any) -> None:
    """More scenes than frames wanted: no more frames than wanted."""
    path = make.video(frames=150, picture=coloured)
    with open_media(path, sampling="scene", frames=2) as reader:
        assert [frame.scene for frame in reader] == [1, 2]


def test_scene_takes_as_many_a_scene_as_wanted(make: Any) -> None:
    """Three scenes, two frames of each; pictures of a folder or an array alike."""
    path = make.video(frames=150, picture=coloured)
    pictures = [coloured(number) for number in range(0, 150, 5)]
    for source in (path, pictures):
        with open_media(source, sampling="scene", frames=20, frames_per_scene=2) as reader:
            assert [frame.scene for frame in reader] == [0, 0, 1, 1, 2, 2]


def test_frames_per_scene_must_be_positive() -> None:
    """No frame of a scene cannot be asked for."""
    with pytest.raises(UsageError, match="frames_per_scene must be at least 1, got 0"):
        open_media(coloured(0), sampling="scene", frames_per_scene=0)


def test_long_videos_are_cut_at_keyframes(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The overview of a long file looks at keyframes only and still finds the cuts."""
    monkeypatch.setattr("dfedge.media.video.SCENE_LONG_FRAMES", 100)
    path = make.video(frames=150, picture=coloured, options={"g": "30", "sc_threshold": "40"})
    with open_media(path, sampling="scene", frames=18) as reader:
        frames = list(reader)
    assert {frame.scene for frame in frames} == {0, 1, 2}
    assert [int(frame.image.mean((0, 1)).argmax()) for frame in frames] == [
        frame.scene for frame in frames
    ]

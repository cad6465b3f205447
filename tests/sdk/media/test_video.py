"""Video files: the right frames with the right times, whatever the container."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dfedge.media import MediaLimits, open_media
from dfedge.media.reader import MediaReader
from dfedge.media.video import VideoFile
from dfedge.types import Frame


def read(path: Path, **options: Any) -> list[Frame]:
    """All frames of a sampling; the file must have no problem."""
    with open_media(path, **options) as reader:
        frames = list(reader)
        assert reader.problems == []
    return frames


def read_by_seeking(path: Path, frames: int) -> list[Frame]:
    """As `even`, but the file is treated like one too large to read through."""
    limits = MediaLimits()
    video = VideoFile(path.open("rb"), str(path), limits, scan_bytes=0)
    with MediaReader(
        video.info,
        "even",
        lambda feed: video.produce(feed, "even", frames),
        expected_frames=frames,
        stall_seconds=30,
        release=video.close,
    ) as reader:
        return list(reader)


FORMATS: dict[str, dict[str, Any]] = {
    "h264.mp4": {},
    "h264.mov": {},
    "h264.mkv": {},
    "h264.ts": {"container": "mpegts"},
    "h264.flv": {},
    "fragments.mp4": {"muxer": {"movflags": "frag_keyframe+empty_moov"}},
    "moov_first.mp4": {"muxer": {"movflags": "faststart"}},
    "bare.h264": {"container": "h264"},
    "reordered.avi": {},
    "mpeg4.avi": {"codec": "mpeg4"},
    "motion.avi": {"codec": "mjpeg", "pixels": "yuvj420p"},
    "vp8.webm": {"codec": "libvpx"},
    "vp9.webm": {"codec": "libvpx-vp9"},
    "hevc.mp4": {"codec": "libx265", "options": {"x265-params": "log-level=none:keyint=12"}},
    "chroma.mp4": {"pixels": "yuv444p"},
    "deep.mkv": {"pixels": "yuv420p10le"},
    "lossless.mkv": {"codec": "ffv1"},
}


@pytest.mark.parametrize("name", FORMATS)
def test_even_gives_the_frames_at_the_centres(make: Any, name: str) -> None:
    """Ten of fifty frames: the middle of each fifth, with index and time of that very picture."""
    frames = read(make.video(name, **FORMATS[name]), frames=10)
    expected = [2, 7, 12, 17, 22, 27, 32, 37, 42, 47]
    assert [make.read_number(frame.image) for frame in frames] == expected
    assert [frame.index for frame in frames] == expected
    assert [frame.pts_seconds for frame in frames] == pytest.approx(
        [number / 25 for number in expected], abs=1e-3
    )


SEEKABLE = [name for name in FORMATS if name not in ("bare.h264", "reordered.avi")]


@pytest.mark.parametrize("name", SEEKABLE)
def test_seeking_gives_the_same_frames(make: Any, name: str) -> None:
    """A file too large to read through gives pixel for pixel what a small one gives."""
    path = make.video(name, frames=250, **FORMATS[name])
    scanned, sought = read(path, frames=7), read_by_seeking(path, 7)
    assert [f.pts_seconds for f in scanned] == [f.pts_seconds for f in sought]
    assert [f.index for f in scanned] == [f.index for f in sought]
    assert all(np.array_equal(a.image, b.image) for a, b in zip(scanned, sought, strict=True))


def test_even_is_what_a_full_decode_gives(make: Any) -> None:
    """Skipping frames that nothing refers to changes no pixel of those kept."""
    path = make.video(frames=60, options={"g": "30", "bf": "3"})
    every = read(path, frames=60)
    few = read(path, frames=9)
    assert [frame.index for frame in every] == list(range(60))
    assert len(few) == 9
    for frame in few:
        assert np.array_equal(every[frame.index].image, frame.image)


def test_open_groups_of_pictures(make: Any) -> None:
    """Frames shown before a keyframe but stored after it are decoded from the one before."""
    path = make.video(frames=60, options={"x264-params": "open-gop=1:keyint=12:bframes=3"})
    every, few = read(path, frames=60), read(path, frames=13)
    assert [make.read_number(frame.image) for frame in few] == [frame.index for frame in few]
    for frame in few:
        assert np.array_equal(every[frame.index].image, frame.image)


def test_variable_frame_rate_is_sampled_by_time(make: Any) -> None:
    """Frames at 0, 10, 40, 90 ... ms: the frame shown at each moment, with its exact time."""
    path = make.video("vfr.mp4", frames=30, times_ms=lambda number: number * number * 10)
    frames = read(path, frames=5)
    numbers = [make.read_number(frame.image) for frame in frames]
    assert [frame.pts_seconds for frame in frames] == pytest.approx([n * n / 100 for n in numbers])
    assert [frame.index for frame in frames] == numbers
    # The last frame lasts as long as the one before: 9.0 s, so the moments are 0.9, 2.7 ... 8.1.
    assert numbers == [9, 16, 21, 25, 28]


def test_times_count_from_the_first_frame_shown(make: Any) -> None:
    """A stream that starts at -0.4 s, cut by an edit list at 0: ten frames are hidden."""
    path = make.video("negative.mp4", frames=30, times_ms=lambda number: number * 40 - 400)
    frames = read(path, frames=30)
    assert [make.read_number(frame.image) for frame in frames] == list(range(10, 30))
    assert frames[0].pts_seconds == 0
    assert frames[-1].pts_seconds == pytest.approx(0.76)


def test_late_start_counts_from_the_first_frame(make: Any) -> None:
    """A stream that starts at 5 s: its first frame is at 0."""
    path = make.video("late.mkv", frames=20, times_ms=lambda number: 5000 + number * 40)
    frames = read(path, frames=20)
    assert [frame.pts_seconds for frame in frames] == pytest.approx([n / 25 for n in range(20)])


@pytest.mark.parametrize(
    ("rotation", "mirror", "turn"),
    [
        (90, False, lambda image: np.rot90(image, 1)),
        (180, False, lambda image: np.rot90(image, 2)),
        (270, False, lambda image: np.rot90(image, 3)),
        (-90, False, lambda image: np.rot90(image, 3)),
        (0, True, lambda image: image[:, ::-1]),
    ],
)
def test_rotated_video_comes_upright(make: Any, rotation: int, mirror: bool, turn: Any) -> None:
    """The display matrix of a telephone's video is applied (rotation counter-clockwise)."""
    plain = read(make.video("plain.mp4", frames=3), frames=3)
    with open_media(make.video("turned.mp4", frames=3, rotation=rotation, mirror=mirror)) as reader:
        turned = list(reader)
        info = reader.info
    assert np.array_equal(turn(plain[0].image), turned[0].image)
    assert (info.width, info.height) == (turned[0].width, turned[0].height)


@pytest.mark.parametrize(("width", "height"), [(161, 121), (33, 17), (2, 2), (16, 270)])
def test_odd_sizes(make: Any, width: int, height: int) -> None:
    """Any size comes out as it went in."""
    path = make.video(
        "odd.mkv",
        frames=4,
        width=width,
        height=height,
        codec="ffv1",
        pixels="bgr0",
        picture=lambda n: np.full((height, width, 3), 50 * n, np.uint8),
    )
    frames = read(path)
    assert [(f.width, f.height) for f in frames] == [(width, height)] * 4
    assert [int(f.image.mean()) for f in frames] == [0, 50, 100, 150]


def test_pixels_that_are_not_square_are_made_square(make: Any) -> None:
    """160x120 with pixels twice as wide as high is shown, and comes, as 320x120."""
    frames = read(make.video("wide.mp4", frames=3, pixel_aspect=Fraction(2, 1)))
    assert {(frame.width, frame.height) for frame in frames} == {(320, 120)}


def test_one_frame(make: Any) -> None:
    """A video of one frame gives it once, at 0."""
    for sampling in ("even", "fast", "scene"):
        frames = read(make.video(frames=1), sampling=sampling)
        assert [(frame.index, frame.pts_seconds) for frame in frames] == [(0, 0.0)]


def test_fewer_frames_than_wanted(make: Any) -> None:
    """A video of five frames gives each once."""
    with open_media(make.video(frames=5)) as reader:
        assert reader.expected_frames == 5
        assert [frame.index for frame in reader] == [0, 1, 2, 3, 4]


def test_unknown_duration(make: Any) -> None:
    """A WebM as browsers record it, without a duration: the same frames."""
    path = make.video("live.webm", codec="libvpx", muxer={"live": "1"})
    with open_media(path, frames=10) as reader:
        assert reader.info.duration_seconds == pytest.approx(2.0, abs=0.05)
        numbers = [make.read_number(frame.image) for frame in reader]
    assert numbers == [2, 7, 12, 17, 22, 27, 32, 37, 42, 47]


def test_colours_are_right(make: Any) -> None:
    """Pure colours survive each pixel format within what lossy coding costs."""
    colour = np.array([200, 40, 90], np.uint8)
    for pixels in ("yuv420p", "yuv444p", "yuv422p", "yuvj444p"):
        codec = "mjpeg" if pixels == "yuvj444p" else "libx264"
        path = make.video(
            f"{pixels}.mkv",
            frames=2,
            pixels=pixels,
            codec=codec,
            picture=lambda _: np.broadcast_to(colour, (120, 160, 3)).copy(),
        )
        mean = read(path)[0].image.reshape(-1, 3).mean(0)
        assert np.abs(mean - colour).max() < 4, pixels


def test_info_is_that_of_the_file(make: Any) -> None:
    """Kind, size and length are known before the first frame."""
    path = make.video()
    with open_media(path) as reader:
        info = reader.info
    assert (info.kind, info.width, info.height) == ("video", 160, 120)
    assert info.duration_seconds == pytest.approx(2.0)
    assert info.name == str(path)


def test_a_file_cut_short_says_so(make: Any) -> None:
    """Half of a file whose index is in front: frames over what is there, and a problem."""
    whole = make.video("whole.mp4", frames=100, muxer={"movflags": "faststart"}).read_bytes()
    path = make.data("half.mp4", whole[: len(whole) // 2])
    with open_media(path, frames=5) as reader:
        frames = list(reader)
        assert [problem for problem in reader.problems if "ends early" in problem]
        assert "of 100 frames" in reader.problems[0]
    assert len(frames) == 5
    assert frames[-1].index < 70


def test_a_damaged_middle_is_passed_over(make: Any) -> None:
    """Garbage in the middle: the rest comes, nothing is raised, frames stay in order of time."""
    whole = bytearray(make.video("whole.mkv", frames=100).read_bytes())
    middle = len(whole) // 2
    whole[middle : middle + 2000] = np.random.default_rng(5).bytes(2000)
    with open_media(make.data("damaged.mkv", bytes(whole)), frames=20) as reader:
        frames = list(reader)
    assert len(frames) >= 10
    times = [frame.pts_seconds for frame in frames]
    assert times == sorted(times)


def test_the_largest_of_several_videos_is_read(make: Any) -> None:
    """A file with a small and a large picture: the large one."""
    import av

    path = make.folder / "two.mkv"
    with av.open(str(path), "w") as output:
        streams: list[Any] = [output.add_stream("mjpeg", rate=25) for _ in range(2)]
        for stream, size in zip(streams, (64, 160), strict=True):
            stream.width = stream.height = size
            stream.pix_fmt = "yuvj420p"
        for stream, size in zip(streams, (64, 160), strict=True):
            frame = av.VideoFrame.from_ndarray(np.zeros((size, size, 3), np.uint8), format="rgb24")
            frame.pts = 0
            output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
    assert read(path)[0].width == 160

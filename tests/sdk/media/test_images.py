"""Picture files: stills of every kind, and animations as videos of their frames."""

from __future__ import annotations

import struct
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from dfedge.media import MediaLimits, open_media
from dfedge.types import Image


def read_one(path: Any) -> Image:
    """The only frame of a source."""
    with open_media(path) as reader:
        frames = list(reader)
        assert reader.problems == []
    assert [(frame.index, frame.pts_seconds, frame.scene) for frame in frames] == [(0, 0.0, 0)]
    return frames[0].image


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tiff", "a.webp", "a.gif", "a.jpg", "a.avif"])
def test_formats(make: Any, name: str) -> None:
    """Each format gives the picture: exactly when it is lossless, nearly when it is not."""
    if name == "a.avif":
        pytest.importorskip("PIL.AvifImagePlugin", reason="this Pillow reads no AVIF")
    options = {"lossless": True} if name == "a.webp" else {}
    image = read_one(make.image(name, 5, **options))
    difference = np.abs(image.astype(int) - make.picture(5)).mean()
    assert difference == 0 if name in ("a.png", "a.bmp", "a.tiff", "a.webp") else difference < 4


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(make: Any, orientation: int) -> None:
    """A photograph stored turned or mirrored comes upright."""
    upright = make.picture(5)
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.swapaxes(0, 1),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(upright, 3),
    }[orientation]
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    path = make.folder / "turned.png"
    Pillow.fromarray(np.ascontiguousarray(stored)).save(path, exif=exif)
    with open_media(path) as reader:
        assert (reader.info.width, reader.info.height) == (160, 120)
        assert np.array_equal(upright, next(iter(reader)).image)


def test_cmyk_jpeg(make: Any) -> None:
    """A picture for print comes as RGB."""
    path = make.folder / "print.jpg"
    Pillow.fromarray(make.picture(5)).convert("CMYK").save(path, quality=95)
    assert make.read_number(read_one(path)) == 5


def test_sixteen_bit_grey(make: Any) -> None:
    """16-bit values keep their upper eight bits: no clipping to white."""
    values = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    path = make.folder / "deep.png"
    Pillow.fromarray(values).save(path)
    image = read_one(path)
    assert np.array_equal(image[..., 0], (values >> 8).astype(np.uint8))
    assert np.array_equal(image[..., 0], image[..., 2])


def test_palette(make: Any) -> None:
    """A picture of 256 colours comes in those colours."""
    path = make.folder / "palette.png"
    picture = Pillow.fromarray(make.picture(5)).quantize(64)
    picture.save(path)
    assert np.array_equal(read_one(path), np.asarray(picture.convert("RGB")))


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_laid_on_white(make: Any, mode: str) -> None:
    """Clear pixels are white, opaque ones are themselves."""
    picture = Pillow.new(mode, (32, 32), (10, 20, 30, 0) if mode == "RGBA" else (10, 0))
    picture.paste((10, 20, 30, 255) if mode == "RGBA" else (10, 255), (0, 0, 16, 32))
    path = make.folder / "clear.png"
    picture.save(path)
    image = read_one(path)
    assert image[5, 25].tolist() == [255, 255, 255]
    assert image[5, 5].tolist() == ([10, 20, 30] if mode == "RGBA" else [10, 10, 10])


def test_transparent_palette(make: Any) -> None:
    """A palette whose colours have alpha values, as web tools write it."""
    path = make.folder / "web.png"
    picture = Pillow.new("P", (8, 8), 1)
    picture.putpalette([0, 0, 0, 200, 10, 10])
    picture.save(path, transparency=bytes([0, 255]))
    assert read_one(path)[4, 4].tolist() == [200, 10, 10]


def test_bilevel_and_grey(make: Any) -> None:
    """Black-and-white and grey pictures come as RGB."""
    for mode, name in (("1", "fax.png"), ("L", "grey.jpg")):
        path = make.folder / name
        Pillow.fromarray(make.picture(5)).convert(mode).save(path)
        assert read_one(path).shape == (120, 160, 3)


def test_damaged_exif_does_not_matter(make: Any) -> None:
    """Garbage where the orientation should be: the picture as stored."""
    path = make.folder / "exif.jpg"
    Pillow.fromarray(make.picture(5)).save(path, exif=b"Exif\0\0II*\0\xff\xff\xff\xffgarbage")
    assert make.read_number(read_one(path)) == 5


def test_the_suffix_does_not_matter(make: Any) -> None:
    """A PNG named .mp4 is a picture, a video named .jpg is a video."""
    picture = make.image()
    assert read_one(make.data("picture.mp4", picture.read_bytes())).shape == (120, 160, 3)
    video = make.data("video.jpg", make.video().read_bytes())
    with open_media(video, frames=3) as reader:
        assert reader.info.kind == "video"
        assert len(list(reader)) == 3


@pytest.mark.parametrize("name", ["moves.gif", "moves.webp", "moves.png"])
def test_animation_is_a_video_of_its_frames(make: Any, name: str) -> None:
    """Every frame once, shown when the delays before it are over."""
    with open_media(make.animation(name, [100, 200, 300, 100])) as reader:
        assert reader.info.kind == "video"
        assert reader.expected_frames == 4
        frames = list(reader)
    assert [make.read_number(frame.image) for frame in frames] == [0, 1, 2, 3]
    assert [frame.index for frame in frames] == [0, 1, 2, 3]
    assert [frame.pts_seconds for frame in frames] == pytest.approx([0, 0.1, 0.3, 0.6])


def test_animation_is_sampled_by_number(make: Any) -> None:
    """Three of nine frames: the middles of the thirds, with their own times."""
    with open_media(make.animation("long.gif", [50] * 9), frames=3) as reader:
        frames = list(reader)
    assert [make.read_number(frame.image) for frame in frames] == [1, 4, 7]
    assert [frame.pts_seconds for frame in frames] == pytest.approx([0.05, 0.2, 0.35])


def test_delays_browsers_do_not_honour(make: Any) -> None:
    """A GIF with delays of 0 is shown, and timed, at ten frames a second."""
    with open_media(make.animation("hasty.gif", [0, 0, 0])) as reader:
        assert [frame.pts_seconds for frame in reader] == pytest.approx([0, 0.1, 0.2])


def test_several_pages_are_one_picture(make: Any) -> None:
    """A TIFF of two pages: its first."""
    path = make.folder / "pages.tiff"
    first, second = (Pillow.fromarray(make.picture(number)) for number in (5, 9))
    first.save(path, save_all=True, append_images=[second])
    assert make.read_number(read_one(path)) == 5


def test_pillow_prints_nothing(make: Any) -> None:
    """What Pillow logs about a damaged file stays off the terminal of a plain program."""
    whole = make.image("whole.tiff").read_bytes()
    samples = struct.pack("<HHIH", 277, 3, 1, 3)
    path = make.data("odd.tiff", whole.replace(samples, samples[:-2] + b"\xff\xff"))
    program = (
        "import sys\nfrom dfedge.media import open_media\n"
        "from dfedge.errors import MediaFormatError\n"
        "try:\n    open_media(sys.argv[1])\nexcept MediaFormatError:\n    print('refused')\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert (result.stdout, result.stderr) == ("refused\n", "")


def test_the_limit_of_size_is_the_callers(make: Any) -> None:
    """A picture within the limits a caller sets is read, whatever Pillow's own limit."""
    path = make.folder / "large.png"
    Pillow.new("L", (10_000, 9_500), 90).save(path, compress_level=1)
    image = None
    with open_media(path, limits=MediaLimits(max_pixels=100_000_000)) as reader:
        for frame in reader:
            image = frame.image
    assert image is not None
    assert image.shape == (9_500, 10_000, 3)


def test_every_format_is_read_by_a_process_that_has_read_none() -> None:
    """Pillow knows some formats only once their module is loaded; this project loads them all."""
    code = (
        "from dfedge.media.images import FORMATS, _available_formats;"
        "print(*(set(FORMATS) - set(_available_formats())))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []

"""The table of bad and odd inputs: each ends in a typed error or a truthful result.

Every row is opened and read to its end under a time limit. Nothing may be printed, no thread,
descriptor or temporary file may stay, and no other exception may come out.
"""

from __future__ import annotations

import math
import os
import socket
import stat
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from dfedge.errors import (
    DfedgeError,
    MediaAccessError,
    MediaFetchError,
    MediaFormatError,
    MediaLimitError,
    MediaNotFoundError,
    UsageError,
)
from dfedge.media import MediaLimits, open_media

SECONDS_ALLOWED = 20
LINUX = sys.platform.startswith("linux")
LIMITS = MediaLimits(max_bytes=2_000_000, max_seconds=2.0, stall_seconds=5.0)
FASTSTART = {"movflags": "faststart"}


@dataclass(frozen=True)
class Row:
    """One row: how to make the source, and what must come of it.

    Attributes:
        source: makes the source from the maker of media and the web server.
        error: type of the error; None when frames must come.
        frames: how many frames (a range is allowed) when there is no error.
        says: words that the error, or the only problem, must hold.
        options: options of `open_media`.
    """

    source: Callable[[Any, Any], Any]
    error: type[DfedgeError] | None = None
    frames: range = range(1, 21)
    says: str = ""
    size: tuple[int, int] | None = None
    options: dict[str, Any] = field(default_factory=dict)


def exactly(count: int) -> range:
    """A range of one number."""
    return range(count, count + 1)


def cut(name: str, share: float, **options: Any) -> Callable[[Any, Any], Any]:
    """The first part of a video file."""

    def source(make: Any, _: Any) -> Path:
        whole = make.video("whole-" + name, frames=100, **options).read_bytes()
        return make.data(name, whole[: int(len(whole) * share)])

    return source


def cut_image(name: str, share: float) -> Callable[[Any, Any], Any]:
    """The first part of a picture file."""

    def source(make: Any, _: Any) -> Path:
        whole = make.image("whole-" + name).read_bytes()
        return make.data(name, whole[: int(len(whole) * share)])

    return source


def overwritten(name: str, start: float, stop: float, **options: Any) -> Callable[[Any, Any], Any]:
    """A video file with a share of its bytes replaced by noise."""

    def source(make: Any, _: Any) -> Path:
        whole = bytearray(make.video("whole-" + name, frames=100, **options).read_bytes())
        first, last = int(len(whole) * start), int(len(whole) * stop)
        whole[first:last] = np.random.default_rng(7).bytes(last - first)
        return make.data(name, bytes(whole))

    return source


def data(name: str, content: bytes) -> Callable[[Any, Any], Any]:
    """A file of these bytes."""
    return lambda make, _: make.data(name, content)


def path(name: str) -> Callable[[Any, Any], Any]:
    """A path under the test's folder that nothing was made at."""
    return lambda make, _: make.folder / name


def given(value: Any) -> Callable[[Any, Any], Any]:
    """This very value."""
    return lambda *_: value


def png(width: int, height: int, pixels: bytes = b"") -> bytes:
    """A grey PNG that declares a size and holds whatever pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(pixels))
        + chunk(b"IEND", b"")
    )


def encrypted_video(make: Any, _: Any) -> Path:
    """An MP4 under Common Encryption, as services sell it."""
    return make.video(  # type: ignore[no-any-return]
        muxer={
            "encryption_scheme": "cenc-aes-ctr",
            "encryption_key": "00112233445566778899aabbccddeeff",
            "encryption_kid": "00112233445566778899aabbccddee00",
        }
    )


def fifo(make: Any, _: Any) -> Path:
    """A named pipe that nobody writes to."""
    os.mkfifo(make.folder / "pipe.mp4")
    return make.folder / "pipe.mp4"  # type: ignore[no-any-return]


def unix_socket(make: Any, _: Any) -> Path:
    """The socket file of a server that is gone."""
    # A socket's path is at most 108 bytes; a test's folder may be deeper.
    before = Path.cwd()
    os.chdir(make.folder)
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("socket.mp4")
    finally:
        os.chdir(before)
    return make.folder / "socket.mp4"  # type: ignore[no-any-return]


def link(target: str) -> Callable[[Any, Any], Any]:
    """A symbolic link."""

    def source(make: Any, _: Any) -> Path:
        (make.folder / "link.mp4").symlink_to(target)
        return make.folder / "link.mp4"  # type: ignore[no-any-return]

    return source


def folder_of(**files: bytes) -> Callable[[Any, Any], Any]:
    """A folder of these files (`a_jpg` is a.jpg)."""

    def source(make: Any, _: Any) -> Path:
        folder: Path = make.folder / "folder"
        folder.mkdir()
        for name, content in files.items():
            (folder / name.replace("_", ".")).write_bytes(content)
        return folder

    return source


def good_folder(**extra: bytes) -> Callable[[Any, Any], Any]:
    """Three good frames and these files."""

    def source(make: Any, _: Any) -> Path:
        folder: Path = make.frames_folder(count=3)
        for name, content in extra.items():
            (folder / name.replace("_", ".")).write_bytes(content)
        return folder

    return source


def web_file(content: bytes, kind: str = "video/mp4") -> Callable[[Any, Any], Any]:
    """An address of these bytes."""
    return lambda _, web: web.file("/x.mp4", content, kind)


def redirect(target: str) -> Callable[[Any, Any], Any]:
    """An address that redirects."""
    return lambda _, web: web.redirect("/x.mp4", target)


def answer_with(
    status: int, headers: dict[str, str], body: bytes = b""
) -> Callable[[Any, Any], Any]:
    """An address that answers so."""

    def source(_: Any, web: Any) -> str:
        def page(request: Any) -> None:
            request.send_response(status)
            for name, value in headers.items():
                request.send_header(name, value)
            request.end_headers()
            request.wfile.write(body)

        web.pages["/x.mp4"] = page
        return str(web.url("/x.mp4"))

    return source


def drip(_: Any, web: Any) -> str:
    """An address that sends a byte now and then, forever."""

    def page(request: Any) -> None:
        request.send_response(200)
        request.end_headers()
        while not web.stopping.wait(0.1):
            request.wfile.write(b"x")
            request.wfile.flush()

    web.pages["/x.mp4"] = page
    return str(web.url("/x.mp4"))


def flood(_: Any, web: Any) -> str:
    """An address that never stops sending."""

    def page(request: Any) -> None:
        request.send_response(200)
        request.end_headers()
        while not web.stopping.is_set():
            request.wfile.write(bytes(100_000))

    web.pages["/x.mp4"] = page
    return str(web.url("/x.mp4"))


def not_http(_: Any, web: Any) -> str:
    """An address where something else than HTTP talks."""
    web.pages["/x.mp4"] = lambda request: request.wfile.write(b"220 mail ready\r\n\r\n")
    return str(web.url("/x.mp4"))


def two_sizes(make: Any, _: Any) -> Path:
    """A broadcast that changes its picture size in the middle."""
    small = make.video("small.ts", container="mpegts", frames=25)
    large = make.video(
        "large.ts",
        container="mpegts",
        frames=25,
        width=320,
        height=240,
        times_ms=lambda number: 1000 + number * 40,
    )
    return make.data("both.ts", small.read_bytes() + large.read_bytes())  # type: ignore[no-any-return]


def wide_video(width: int) -> Callable[[Any, Any], Any]:
    """Two frames of 16 lines."""

    def source(make: Any, _: Any) -> Any:
        return make.video(
            "wide.mkv",
            codec="ffv1",
            pixels="gray",
            frames=2,
            width=width,
            height=16,
            picture=lambda n: np.full((16, width, 3), 100 * n, np.uint8),
        )

    return source


def saved(
    name: str, picture: Callable[[], Pillow.Image], **options: Any
) -> Callable[[Any, Any], Any]:
    """A picture that Pillow saves."""

    def source(make: Any, _: Any) -> Path:
        picture().save(make.folder / name, **options)
        return make.folder / name  # type: ignore[no-any-return]

    return source


def animated(name: str, delays: list[int], share: float = 1.0) -> Callable[[Any, Any], Any]:
    """An animation, or the first part of its file."""

    def source(make: Any, _: Any) -> Path:
        whole = make.animation("whole-" + name, delays).read_bytes()
        return make.data(name, whole[: int(len(whole) * share)])

    return source


def tiff_of_many_samples(make: Any, _: Any) -> Any:
    """A TIFF whose tag 277 (samples per pixel) says 65,535 instead of 3."""
    whole = make.image("whole.tiff").read_bytes()
    samples = struct.pack("<HHIH", 277, 3, 1, 3)
    assert whole.count(samples) == 1
    return make.data("a.tiff", whole.replace(samples, samples[:-2] + b"\xff\xff"))


def one_pixel(make: Any, _: Any) -> Any:
    """A video of one pixel."""
    return make.video(
        "dot.mkv",
        codec="ffv1",
        pixels="bgr0",
        frames=3,
        width=1,
        height=1,
        picture=lambda n: np.full((1, 1, 3), n, np.uint8),
    )


RGB = np.zeros((40, 60, 3), np.uint8)
HTML = b"<!DOCTYPE html><html><head><title>Watch</title></head><body>video</body></html>"
JPEG_65500 = bytes.fromhex(
    "ffd8ffe000104a46494600010100000100010000ffc00011 08 ffdc ffdc 03 012200 021101 031101".replace(
        " ", ""
    )
)
GIF_65535 = (
    b"GIF89a\xff\xff\xff\xff\x00\x00\x00,\x00\x00\x00\x00\xff\xff\xff\xff\x00\x02\x02L\x01\x00;"
)
EXIF_TURNED = Pillow.Exif()
EXIF_TURNED[0x0112] = 6

ROWS: dict[str, Row] = {
    # Files that are not what they seem.
    "zero bytes": Row(data("a.mp4", b""), MediaFormatError, says="empty"),
    "one byte": Row(data("a.mp4", b"\0"), MediaFormatError),
    "text renamed .mp4": Row(data("a.mp4", b"hello\n" * 400), MediaFormatError, says="text"),
    "random bytes": Row(data("a.mp4", np.random.default_rng(1).bytes(100_000)), MediaFormatError),
    "only zeros": Row(data("a.mp4", bytes(100_000)), MediaFormatError),
    "web page saved as video": Row(data("a.mp4", HTML), MediaFormatError, says="HTML"),
    "playlist": Row(
        data("a.m3u8", b"#EXTM3U\n#EXTINF:1,\na.ts\n"), MediaFormatError, says="playlist"
    ),
    "zip archive": Row(data("a.mp4", b"PK\x03\x04" + bytes(99)), MediaFormatError, says="ZIP"),
    "encrypted zip": Row(
        data("a.zip", b"PK\x03\x04\x33\x00\x01\x00" + bytes(99)), MediaFormatError, says="ZIP"
    ),
    "file encrypted with OpenSSL": Row(
        data("a.mp4", b"Salted__" + bytes(range(200))), MediaFormatError, says="encrypted"
    ),
    "pdf": Row(data("a.pdf", b"%PDF-1.7\n" + bytes(99)), MediaFormatError, says="PDF"),
    "svg": Row(data("a.svg", b"<svg xmlns='x'></svg>"), MediaFormatError),
    "heic photograph": Row(
        data("a.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99)),
        MediaFormatError,
        says="HEIC",
    ),
    # Damaged videos.
    "mp4 cut in its first box": Row(cut("a.mp4", 0.002), MediaFormatError),
    "mp4 cut in the middle, index lost": Row(cut("a.mp4", 0.5), MediaFormatError),
    "mp4 cut in the middle, index kept": Row(cut("a.mp4", 0.6, muxer=FASTSTART), says="ends early"),
    "mp4 cut right after its index": Row(cut("a.mp4", 0.12, muxer=FASTSTART), MediaFormatError),
    "mp4 cut in its last byte": Row(cut("a.mp4", 0.9999, muxer=FASTSTART), frames=exactly(20)),
    "mkv cut in the middle": Row(cut("a.mkv", 0.5), says="ends early"),
    "webm cut in its header": Row(cut("a.webm", 0.005, codec="libvpx"), MediaFormatError),
    "transport stream cut in the middle": Row(cut("a.ts", 0.5, container="mpegts")),
    "avi cut in the middle": Row(cut("a.avi", 0.5, codec="mpeg4"), says="ends early"),
    "mp4 with a damaged middle": Row(
        overwritten("a.mp4", 0.4, 0.5, muxer=FASTSTART), frames=range(8, 21)
    ),
    "mp4 with a damaged index": Row(
        overwritten("a.mp4", 0.01, 0.1, muxer=FASTSTART), MediaFormatError
    ),
    "mp4 with all pictures damaged": Row(
        overwritten("a.mp4", 0.13, 1.0, muxer=FASTSTART, pixels="yuv444p"), MediaFormatError
    ),
    "mkv with a damaged middle": Row(overwritten("a.mkv", 0.4, 0.5), frames=range(8, 21)),
    "encrypted mp4": Row(encrypted_video, MediaAccessError, says="encrypted"),
    "sound only, m4a": Row(lambda make, _: make.sound(), MediaFormatError, says="only sound"),
    "sound only, mkv": Row(
        lambda make, _: make.sound("a.mkv"), MediaFormatError, says="only sound"
    ),
    "sound only, wav": Row(
        lambda make, _: make.sound("a.wav", codec="pcm_s16le"), MediaFormatError, says="only sound"
    ),
    # Odd but good videos.
    "video of one pixel": Row(one_pixel, frames=exactly(3), size=(1, 1)),
    "video 16,384 pixels wide": Row(wide_video(16_384), frames=exactly(2), size=(16_384, 16)),
    "video 20,000 pixels wide": Row(wide_video(20_000), MediaLimitError, says="max_side"),
    "video over the limit of pixels": Row(
        lambda make, _: make.video(),
        MediaLimitError,
        says="max_pixels",
        options={"limits": MediaLimits(max_pixels=10_000)},
    ),
    "video of one frame": Row(lambda make, _: make.video(frames=1), frames=exactly(1)),
    "video without duration": Row(
        lambda make, _: make.video("a.webm", codec="libvpx", muxer={"live": "1"}),
        frames=exactly(20),
    ),
    "bare stream without times": Row(
        lambda make, _: make.video("a.h264", container="h264"), frames=exactly(20)
    ),
    "variable frame rate": Row(
        lambda make, _: make.video(frames=30, times_ms=lambda n: n * n * 10), frames=range(15, 21)
    ),
    "negative first time": Row(
        lambda make, _: make.video(frames=30, times_ms=lambda n: n * 40 - 400), frames=exactly(20)
    ),
    "hours between frames": Row(
        lambda make, _: make.video("a.mkv", frames=4, times_ms=lambda n: n * 7_200_000),
        frames=exactly(4),
    ),
    "rotated video": Row(
        lambda make, _: make.video(frames=3, rotation=90), frames=exactly(3), size=(120, 160)
    ),
    "pixels that are not square": Row(
        lambda make, _: make.video(frames=3, pixel_aspect=Fraction(4, 3)), size=(213, 120)
    ),
    "absurd pixel aspect": Row(
        lambda make, _: make.video(frames=3, pixel_aspect=Fraction(200, 1)), size=(160, 120)
    ),
    "size changes in the middle": Row(two_sizes, frames=exactly(20)),
    # Pictures.
    "picture of one pixel": Row(
        saved("a.png", lambda: Pillow.new("RGB", (1, 1))), frames=exactly(1), size=(1, 1)
    ),
    "picture 16,384 pixels wide": Row(
        saved("a.png", lambda: Pillow.new("RGB", (16_384, 10))),
        frames=exactly(1),
        size=(16_384, 10),
    ),
    "picture 20,000 pixels wide": Row(
        saved("a.png", lambda: Pillow.new("L", (20_000, 10))), MediaLimitError, says="max_side"
    ),
    "png bomb": Row(data("a.png", png(65_000, 65_000)), MediaLimitError),
    "png bomb under the side limit": Row(
        data("a.png", png(16_000, 16_000)), MediaLimitError, says="max_pixels"
    ),
    "jpeg that claims 65,500 x 65,500": Row(data("a.jpg", JPEG_65500 + bytes(50)), MediaLimitError),
    "gif that claims 65,535 x 65,535": Row(data("a.gif", GIF_65535), MediaLimitError),
    "png of 0 x 0": Row(data("a.png", png(0, 0)), MediaFormatError),
    "png without pixels": Row(data("a.png", png(50, 50)), MediaFormatError),
    "png with a wrong checksum": Row(
        data("a.png", png(50, 50, bytes(51 * 50))[:40] + b"\xff\xff" + png(50, 50)[42:]),
        MediaFormatError,
    ),
    "jpeg cut in the middle": Row(cut_image("a.jpg", 0.5), MediaFormatError, says="cut off"),
    "jpeg cut in its header": Row(cut_image("a.jpg", 0.02), MediaFormatError),
    "webp cut in the middle": Row(cut_image("a.webp", 0.5), MediaFormatError),
    "webp of garbage": Row(
        data("a.webp", b"RIFF\x20\x00\x00\x00WEBPVP8 " + bytes(range(200))), MediaFormatError
    ),
    "tiff cut in the middle": Row(cut_image("a.tiff", 0.5), MediaFormatError),
    "bmp cut in the middle": Row(cut_image("a.bmp", 0.5), MediaFormatError),
    "tiff of 65,535 samples a pixel": Row(tiff_of_many_samples, MediaFormatError),
    "tiff of floats": Row(
        saved("a.tiff", lambda: Pillow.fromarray(np.ones((9, 9), np.float32))),
        MediaFormatError,
        says="floating-point",
    ),
    "cmyk jpeg": Row(saved("a.jpg", lambda: Pillow.new("CMYK", (30, 20))), frames=exactly(1)),
    "16-bit png": Row(
        saved("a.png", lambda: Pillow.fromarray(np.ones((20, 30), np.uint16))), frames=exactly(1)
    ),
    "palette with transparency": Row(
        saved("a.png", lambda: Pillow.new("P", (30, 20)), transparency=0), frames=exactly(1)
    ),
    "alpha channel": Row(saved("a.webp", lambda: Pillow.new("RGBA", (30, 20))), size=(30, 20)),
    "photograph turned by exif": Row(
        saved("a.jpg", lambda: Pillow.new("RGB", (30, 20)), exif=EXIF_TURNED), size=(20, 30)
    ),
    "animated gif": Row(animated("a.gif", [100] * 5), frames=exactly(5)),
    "animated gif cut in the middle": Row(
        animated("a.gif", [100] * 8, 0.9), frames=range(2, 8), says="cut off"
    ),
    "gif cut in its first frame": Row(animated("a.gif", [100] * 8, 0.08), MediaFormatError),
    "animated webp cut in the middle": Row(animated("a.webp", [100] * 8, 0.5), MediaFormatError),
    # Paths.
    "missing file": Row(path("none.mp4"), MediaNotFoundError),
    "empty text": Row(given(""), MediaNotFoundError),
    "null byte in a path": Row(given("a\0b.mp4"), MediaNotFoundError),
    "very long path": Row(path("x" * 5000 + ".mp4"), MediaNotFoundError),
    "file used as a folder": Row(
        lambda make, _: make.data("a.mp4", b"x") / "b.mp4", MediaNotFoundError
    ),
    "name with control characters": Row(path("a\x1b[31m\nb.mp4"), MediaNotFoundError),
    "name that is not Unicode": Row(given("a\udcff.mp4"), MediaNotFoundError),
    "loop of links": Row(link("link.mp4"), MediaNotFoundError),
    "link to nothing": Row(link("gone.mp4"), MediaNotFoundError),
    "unicode path": Row(
        lambda make, _: make.video("видео ☃ e\u0301 🎬.mp4", frames=3), frames=exactly(3)
    ),
    "fifo": Row(fifo, MediaAccessError, says="FIFO"),
    "socket": Row(unix_socket, MediaAccessError, says="socket"),
    "device": Row(given("/dev/zero"), MediaAccessError, says="device"),
    "folder without media": Row(
        folder_of(a_txt=b"text"), MediaFormatError, says="without pictures"
    ),
    "empty folder": Row(folder_of(), MediaFormatError, says="without pictures"),
    "folder of videos": Row(folder_of(a_mp4=b"x"), MediaFormatError, says="videos"),
    "folder with a text file": Row(good_folder(readme_txt=b"text"), frames=exactly(3)),
    "folder with one corrupt frame": Row(
        good_folder(frame1_jpg=b"\xff\xd8\xff broken"), frames=exactly(2), says="frame1.jpg"
    ),
    "folder with an empty frame": Row(
        good_folder(frame1_jpg=b""), frames=exactly(2), says="frame1.jpg"
    ),
    "folder of corrupt frames": Row(
        folder_of(a_jpg=b"x", b_png=b"\x89PNG\r\n\x1a\n"), MediaFormatError
    ),
    # Addresses.
    "redirects forever": Row(redirect("/x.mp4"), MediaFetchError, says="redirects"),
    "redirect to a file": Row(redirect("file:///etc/passwd"), MediaFetchError, says="only http"),
    "redirect to another protocol": Row(redirect("gopher://127.0.0.1/"), MediaFetchError),
    "redirect to nowhere": Row(answer_with(302, {}), MediaFetchError),
    "redirect to a private address": Row(
        redirect("http://192.168.0.1/x.mp4"),
        MediaFetchError,
        says="private",
        options={"limits": MediaLimits(allow_private_addresses=False)},
    ),
    "server that drips": Row(drip, MediaLimitError, says="max_seconds"),
    "server that never stops": Row(flood, MediaLimitError, says="max_bytes"),
    "too large a body": Row(
        answer_with(200, {"Content-Length": "99999999999"}), MediaLimitError, says="max_bytes"
    ),
    "fewer bytes than announced": Row(
        answer_with(200, {"Content-Length": "5000"}, b"x" * 100), MediaFetchError, says="broke off"
    ),
    "no length, cut chunk": Row(
        answer_with(200, {"Transfer-Encoding": "chunked"}, b"ffff\r\nabc"), MediaFetchError
    ),
    "negative length": Row(answer_with(200, {"Content-Length": "-5"}, b""), MediaFetchError),
    "empty answer": Row(web_file(b""), MediaFetchError, says="0 bytes"),
    "page not found": Row(lambda _, web: web.url("/none"), MediaNotFoundError, says="404"),
    "server error": Row(answer_with(500, {"Content-Length": "0"}), MediaFetchError, says="500"),
    "login wanted": Row(answer_with(401, {"Content-Length": "0"}), MediaFetchError, says="login"),
    "compressed answer": Row(
        answer_with(200, {"Content-Encoding": "gzip", "Content-Length": "1"}, b"x"), MediaFetchError
    ),
    "web page instead of a video": Row(web_file(HTML, "text/html"), MediaFormatError, says="HTML"),
    "video cut off at the server": Row(web_file(b"\0\0\0\x18ftypisom"), MediaFormatError),
    "broken TLS": Row(
        lambda _, web: web.url("/x").replace("http:", "https:"), MediaFetchError, says="TLS"
    ),
    "not HTTP": Row(not_http, MediaFetchError),
    "closed port": Row(given("http://127.0.0.1:9/x.mp4"), MediaFetchError, says="refuses"),
    "unknown host": Row(given("http://no-such-host.invalid/x.mp4"), MediaFetchError, says="host"),
    "no host": Row(given("http:///x.mp4"), MediaFetchError),
    "port that is none": Row(given("http://host:99999/x.mp4"), MediaFetchError),
    "host name too long": Row(given(f"http://{'a' * 300}.example/x"), MediaFetchError),
    "ftp": Row(given("ftp://127.0.0.1/x.mp4"), MediaFetchError, says="only http"),
    "file address": Row(given("file:///etc/passwd"), MediaFetchError, says="only http"),
    # Values.
    "none": Row(given(None), UsageError),
    "number": Row(given(5), UsageError),
    "bytes": Row(given(b"clip.mp4"), UsageError),
    "generator": Row(lambda *_: (RGB for _ in range(3)), UsageError, says="generator"),
    "dictionary": Row(given({"a": 1}), UsageError),
    "empty list": Row(given([]), MediaFormatError, says="no picture"),
    "list of paths": Row(given(["a.jpg", "b.jpg"]), MediaFormatError, says="picture 0"),
    "list with a none": Row(given([RGB, None]), MediaFormatError, says="picture 1"),
    "empty array": Row(given(np.empty((0, 40, 60, 3), np.uint8)), MediaFormatError),
    "array of no pixels": Row(given(np.empty((0, 60, 3), np.uint8)), MediaFormatError),
    "floats": Row(given(RGB / 255.0), MediaFormatError, says="float64"),
    "not a number": Row(given(np.full((40, 60, 3), math.nan)), MediaFormatError, says="float64"),
    "64-bit integers": Row(given(RGB.astype(np.int64)), MediaFormatError, says="int64"),
    "array of objects": Row(given(RGB.astype(object)), MediaFormatError),
    "grey array": Row(given(RGB[..., 0]), UsageError, says="shape"),
    "array with alpha": Row(given(np.zeros((40, 60, 4), np.uint8)), MediaFormatError, says="alpha"),
    "planes first": Row(given(RGB.transpose(2, 0, 1)), MediaFormatError, says="shape"),
    "five dimensions": Row(given(np.zeros((1, 2, 4, 4, 3), np.uint8)), UsageError),
    "array too wide": Row(given(np.zeros((1, 20_000, 3), np.uint8)), MediaLimitError),
    "pictures of mixed sizes": Row(given([RGB, RGB[:9, :9]]), frames=exactly(2)),
}
if not LINUX:
    for posix_only in ("fifo", "socket", "device", "name with control characters"):
        del ROWS[posix_only]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", ROWS)
def test_bad_input(
    make: Any, web: Any, resources: Any, capfd: pytest.CaptureFixture[str], name: str
) -> None:
    """The row ends as it says, in time, in silence, and leaves nothing behind."""
    row = ROWS[name]
    source = row.source(make, web)
    capfd.readouterr()
    started = time.monotonic()
    options = {"limits": LIMITS, **row.options}
    error: DfedgeError | None = None
    frames, problems = [], []
    try:
        with open_media(source, **options) as reader:
            frames = list(reader)
            problems = reader.problems
    except DfedgeError as caught:
        error = caught
    assert time.monotonic() - started < SECONDS_ALLOWED
    assert capfd.readouterr() == ("", "")
    web.stopping.set()
    if row.error is None:
        assert error is None
        assert len(frames) in row.frames
        assert row.says in "; ".join(problems)
        times = [frame.pts_seconds for frame in frames]
        assert times == sorted(times)
        assert times[0] >= 0
        if row.size is not None:
            assert {(frame.width, frame.height) for frame in frames} == {row.size}
    else:
        assert type(error) is row.error
        assert row.says in str(error)
        assert str(error).isprintable()
    assert resources.leaked() == []


def test_the_table_is_long_enough() -> None:
    """At least 45 rows, most of them errors."""
    assert len(ROWS) >= 45
    assert sum(row.error is not None for row in ROWS.values()) >= 40


UNREADABLE = """
import os, sys
from dfedge.errors import DfedgeError
from dfedge.media import open_media, video
# Only now: the interpreter's own files may be root's.
os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    open_media(sys.argv[1])
except DfedgeError as error:
    print(type(error).__name__)
"""


@pytest.mark.skipif(not LINUX, reason="needs the permissions of POSIX")
@pytest.mark.parametrize("what", ["file", "folder"])
def test_wrong_permissions(make: Any, what: str) -> None:
    """A file that may not be read, and one in a folder that may not be entered."""
    clip = make.video(frames=2)
    locked = clip if what == "file" else make.folder
    mode = locked.stat().st_mode
    locked.chmod(0)
    try:
        if os.getuid() != 0:
            with pytest.raises(MediaAccessError):
                open_media(clip)
            return
        # Root may read anything: ask as nobody, who must be let down to the file first.
        folder = make.folder.parent
        opened = []
        while folder != folder.parent and not folder.stat().st_mode & stat.S_IXOTH:
            opened.append((folder, folder.stat().st_mode))
            folder.chmod(folder.stat().st_mode | stat.S_IXOTH)
            folder = folder.parent
        try:
            result = subprocess.run(
                [sys.executable, "-c", UNREADABLE, str(clip)],
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
                cwd="/",
            )
        finally:
            for changed, before in opened:
                changed.chmod(before)
        assert (result.stdout, result.stderr) == ("MediaAccessError\n", "")
    finally:
        locked.chmod(mode)

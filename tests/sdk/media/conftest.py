"""Fixtures of the media tests: media made on the spot, a small web server, a watch for leaks.

Each picture of a video made here carries its own number as eight black or white blocks, so that a
test can tell which picture a decoder gave.
"""

from __future__ import annotations

import gc
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image as Pillow

from dfedge.types import Image

NUMBER_BITS = 8
MILLISECONDS = Fraction(1, 1000)


class MediaMaker:
    """Makes media files in a folder of the test's own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def picture(self, number: int = 0, *, width: int = 160, height: int = 120) -> Image:
        """Grey with a gradient, the number in blocks along the top, a red corner top left."""
        image = np.empty((height, width, 3), np.uint8)
        image[:] = np.linspace(60, 180, width).astype(np.uint8)[None, :, None]
        block = width // NUMBER_BITS
        for bit in range(NUMBER_BITS):
            value = 235 if number >> bit & 1 else 20
            image[: height // 3, bit * block : (bit + 1) * block] = value
        image[height // 2 : height * 3 // 4, : width // 4] = (220, 30, 30)
        return image

    def read_number(self, image: Image) -> int:
        """The number that :meth:`picture` wrote, also after lossy coding."""
        height, width = image.shape[:2]
        block = width // NUMBER_BITS
        row = image[height // 12 : height // 4].mean((0, 2))
        bits = [
            row[bit * block + block // 4 : (bit + 1) * block - block // 4].mean() > 128
            for bit in range(NUMBER_BITS)
        ]
        return sum(1 << place for place, bit in enumerate(bits) if bit)

    def video(
        self,
        name: str = "clip.mp4",
        *,
        frames: int = 50,
        width: int = 160,
        height: int = 120,
        rate: int = 25,
        codec: str = "libx264",
        options: dict[str, str] | None = None,
        container: str | None = None,
        muxer: dict[str, str] | None = None,
        pixels: str = "yuv420p",
        times_ms: Callable[[int], int] | None = None,
        rotation: int | None = None,
        mirror: bool = False,
        pixel_aspect: Fraction | None = None,
        picture: Callable[[int], Image] | None = None,
    ) -> Path:
        """A video of numbered pictures; keyframes at most 12 frames apart, two B-frames."""
        path = self.folder / name
        draw = picture or (lambda number: self.picture(number, width=width, height=height))
        with av.open(str(path), "w", format=container, options=muxer or {}) as output:
            stream: Any = output.add_stream(codec, rate=rate)
            stream.width, stream.height, stream.pix_fmt = width, height, pixels
            default = {"g": "12", "bf": "2", "preset": "ultrafast", "threads": "1"}
            if codec != "libx264":
                default = {"g": "12", "threads": "1"}
            if codec.startswith("libvpx"):
                default |= {"deadline": "realtime", "cpu-used": "8", "crf": "10", "b": "2M"}
            stream.options = default | (options or {})
            if rotation is not None or mirror:
                stream.set_display_rotation(rotation or 0, hflip=mirror)
            if pixel_aspect is not None:
                stream.codec_context.sample_aspect_ratio = pixel_aspect
            if times_ms is not None:
                stream.codec_context.time_base = MILLISECONDS
            for number in range(frames):
                frame = av.VideoFrame.from_ndarray(draw(number), format="rgb24")
                frame.pts = number
                if times_ms is not None:
                    frame.pts, frame.time_base = times_ms(number), MILLISECONDS
                output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
        return path

    def sound(self, name: str = "sound.m4a", *, codec: str = "aac") -> Path:
        """A second of silence without any picture."""
        path = self.folder / name
        with av.open(str(path), "w") as output:
            stream: Any = output.add_stream(codec, rate=48_000)
            for start in range(0, 48_000, 1024):
                frame = av.AudioFrame.from_ndarray(
                    np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
                )
                frame.sample_rate, frame.pts = 48_000, start
                output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
        return path

    def image(self, name: str = "picture.png", number: int = 0, **save: Any) -> Path:
        """A picture file; `save` goes to Pillow."""
        path = self.folder / name
        Pillow.fromarray(self.picture(number)).save(path, **save)
        return path

    def animation(self, name: str, delays_ms: list[int]) -> Path:
        """An animated GIF, WebP or PNG of numbered pictures."""
        path = self.folder / name
        pictures = [Pillow.fromarray(self.picture(number)) for number in range(len(delays_ms))]
        pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=delays_ms)
        return path

    def frames_folder(self, name: str = "frames", *, count: int = 12) -> Path:
        """A folder of JPEGs frame0.jpg, frame1.jpg ... (not zero-padded)."""
        folder = self.folder / name
        folder.mkdir()
        for number in range(count):
            picture = Pillow.fromarray(self.picture(number))
            picture.save(folder / f"frame{number}.jpg", quality=95)
        return folder

    def data(self, name: str, content: bytes) -> Path:
        """A file of these bytes."""
        path = self.folder / name
        path.write_bytes(content)
        return path


@pytest.fixture
def make(tmp_path: Path) -> MediaMaker:
    """Makes media in a folder of the test's own."""
    folder = tmp_path / "media"
    folder.mkdir()
    return MediaMaker(folder)


Handler = Callable[[BaseHTTPRequestHandler], None]


class WebServer:
    """A web server on this machine; a test sets what each path answers."""

    def __init__(self) -> None:
        self.pages: dict[str, Handler] = {}
        self.requests: list[tuple[str, str | None]] = []
        outer = self

        class Answer(BaseHTTPRequestHandler):
            timeout = 10

            def do_GET(self) -> None:
                outer.requests.append((self.path, self.headers.get("Authorization")))
                page = outer.pages.get(self.path.split("?")[0])
                if page is None:
                    self.send_error(404)
                    return
                try:
                    page(self)
                except (BrokenPipeError, ConnectionResetError):
                    return  # the client had enough

            def log_message(self, *_: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self._server.daemon_threads = False
        self.stopping = threading.Event()
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def url(self, path: str = "/") -> str:
        """The address of a path."""
        return f"http://127.0.0.1:{self.port}{path}"

    def file(self, path: str, content: bytes, kind: str = "video/mp4") -> str:
        """Serve these bytes; returns the address."""
        self.pages[path] = lambda request: send(request, content, {"Content-Type": kind})
        return self.url(path)

    def redirect(self, path: str, target: str) -> str:
        """Answer with a redirect; returns the address."""
        self.pages[path] = lambda request: send(request, b"", {"Location": target}, status=302)
        return self.url(path)

    def stop(self) -> None:
        """Stop and wait for all answers to end."""
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def send(
    request: BaseHTTPRequestHandler,
    content: bytes,
    headers: dict[str, str] | None = None,
    *,
    status: int = 200,
) -> None:
    """Answer a request with these bytes and headers."""
    request.send_response(status)
    for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
        request.send_header(name, value)
    request.end_headers()
    request.wfile.write(content)


@pytest.fixture
def web() -> Iterator[WebServer]:
    """A web server of the test's own."""
    server = WebServer()
    yield server
    server.stop()


@pytest.fixture
def answer() -> Callable[..., None]:
    """Answers one request of the web server."""
    return send


class Resources:
    """Open files, threads and temporary files of this process."""

    def __init__(self) -> None:
        self.threads = {thread.name for thread in threading.enumerate()}
        self.descriptors = _descriptors()
        self.temporary = {path.name for path in Path(tempfile.gettempdir()).iterdir()}

    def leaked(self) -> list[str]:
        """What is there now and was not before; waits a moment for what is on its way out."""
        until = time.monotonic() + 3
        while True:
            gc.collect()
            now = Resources()
            found = [f"thread {name}" for name in now.threads - self.threads]
            found += [f"descriptor of {name}" for name in now.descriptors - self.descriptors]
            found += [f"temporary {name}" for name in now.temporary - self.temporary]
            if not found or time.monotonic() > until:
                return sorted(found)
            time.sleep(0.05)


def _descriptors() -> set[str]:
    """Open descriptors with what they lead to; empty where the system does not tell."""
    if not sys.platform.startswith("linux"):
        return set()
    folder = Path(f"/proc/{os.getpid()}/fd")
    targets = {}
    for entry in folder.iterdir():
        try:
            targets[int(entry.name)] = str(entry.readlink())
        except OSError:
            continue  # the descriptor of this very listing
    captured = {targets.get(standard) for standard in range(3)}  # pytest moves these about
    return {f"{number} -> {target}" for number, target in targets.items() if target not in captured}


@pytest.fixture
def resources(
    web: WebServer,
    capfd: pytest.CaptureFixture[str],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Resources:
    """What this process holds before the test (the web server is running).

    Temporary files go to a folder of the test's own, away from those of other programs.
    """
    _ = web, capfd  # they open files of their own, before the count
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("temporary")))
    return Resources()

"""A browser with the extension, and two local origins that serve clips."""

from __future__ import annotations

import mimetypes
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from dfedge import Detector, Label
from dfedge_tools.demo import make_clips

EXTENSION = Path(__file__).resolve().parents[3] / "extension"
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu")
"""Under which Debian's Chromium loads an extension without a display."""


def lacking(what: str) -> None:
    """Skip, or fail where the tests must run."""
    if os.environ.get("DFEDGE_REQUIRE_BROWSER"):
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(scope="session")
def node() -> str:
    """The command that runs the extension's code."""
    found = shutil.which("node")
    if found is None or not (EXTENSION / "node_modules").is_dir():
        lacking("needs Node and, in extension, npm ci (make test does it)")
    assert found is not None
    return found


@pytest.fixture(scope="session")
def built(node: str) -> Path:
    """The folder of the extension as it is now, for Chromium."""
    done = subprocess.run(
        [node, "node_modules/wxt/bin/wxt.mjs", "build"],
        cwd=EXTENSION,
        capture_output=True,
        text=True,
        check=False,
    )
    assert 0 == done.returncode, done.stdout + done.stderr
    return EXTENSION / ".output" / "chrome-mv3"


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[Label, Path]:
    """A made clip by the label that the SDK gives it."""
    with Detector() as detector:
        return {
            detector.detect(clip).label: clip
            for clip in make_clips(tmp_path_factory.mktemp("clips"))
        }


@pytest.fixture(scope="session")
def fake(clips: dict[Label, Path]) -> Path:
    """A made clip that the SDK calls fake."""
    return clips[Label.FAKE]


@dataclass
class Origin:
    """A local web server: pages by path, files by path, and what was asked of it.

    Attributes:
        cors: whether other origins may read its files.
        ranges: whether it gives parts of files.
        heard: the headers of each request by their names in lower case, in the order of ``asked``.
    """

    cors: bool = False
    ranges: bool = True
    pages: dict[str, str] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    heard: list[dict[str, str]] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def origin() -> Iterator[Callable[..., Origin]]:
    """Starts an origin of its own port."""
    servers: list[ThreadingHTTPServer] = []

    def start(**fields: Any) -> Origin:
        made = Origin(**fields)
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(made))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        made.url = f"http://127.0.0.1:{server.server_port}"
        return made

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@contextmanager
def chromium_with(built: Path, profile: Path, *arguments: str) -> Iterator[Any]:
    """Chromium with an unpacked extension, as a context of Playwright."""
    chromium = shutil.which("chromium")
    if chromium is None:
        lacking("needs Debian's chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            str(profile),
            executable_path=chromium,
            args=[
                *FLAGS,
                f"--disable-extensions-except={built}",
                f"--load-extension={built}",
                "--autoplay-policy=no-user-gesture-required",
                *arguments,
            ],
        )
        yield context
        context.close()


@pytest.fixture(scope="module")
def browser(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Chromium with the extension as it is now."""
    with chromium_with(built, tmp_path_factory.mktemp("profile")) as context:
        yield context


def _handler(origin: Origin) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.split("?")[0]
            origin.heard.append({name.lower(): value for name, value in self.headers.items()})
            origin.asked.append(path)
            if path in origin.pages:
                self._send(200, "text/html", origin.pages[path].encode(), {})
            elif path in origin.files:
                self._send_part(origin.files[path])
            else:
                self._send(404, "text/plain", b"", {})

        def _send_part(self, file: Path) -> None:
            data = file.read_bytes()
            kind = mimetypes.guess_type(file)[0] or "application/octet-stream"
            if not origin.ranges:
                self._send(200, kind, data, {})
                return
            wanted = self.headers.get("Range", "").removeprefix("bytes=").partition("-")
            first = int(wanted[0] or 0)
            last = int(wanted[2] or len(data) - 1)
            span = {"Content-Range": f"bytes {first}-{last}/{len(data)}", "Accept-Ranges": "bytes"}
            self._send(206, kind, data[first : last + 1], span)

        def _send(self, status: int, kind: str, body: bytes, more: dict[str, str]) -> None:
            cors = {"Access-Control-Allow-Origin": "*"} if origin.cors else {}
            self.send_response(status)
            for name, value in {**more, **cors, **origin.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            try:
                self.wfile.write(body)
            except ConnectionError:
                return  # the browser has enough of a clip

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    return Handler

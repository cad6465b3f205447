"""Chromium with and without the extension, and what its processes hold."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from benchmarks.clips import REPOSITORY

EXTENSION = REPOSITORY / "extension"
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--autoplay-policy=no-user-gesture-required",
)
VIEWPORT: Any = {"width": 1366, "height": 800}
"""CSS pixels: a 720p video is seen whole."""


def build(*command: str) -> None:
    """Run a command of the extension's package, such as ``zip``."""
    npm = shutil.which("npm")
    if npm is None or not (EXTENSION / "node_modules").is_dir():
        sys.exit("needs Node and, in extension, npm ci --ignore-scripts (make test does it)")
    subprocess.run(
        [npm, "run", "--silent", *command], cwd=EXTENSION, check=True, stdout=subprocess.DEVNULL
    )


@contextmanager
def chromium(profile: Path, extension: Path | None = None) -> Iterator[Any]:
    """A context of Playwright with a profile of its own; with the extension of a folder."""
    from playwright.sync_api import sync_playwright

    found = shutil.which("chromium")
    if found is None:
        sys.exit("needs Debian's chromium")
    loaded = (
        [f"--disable-extensions-except={extension}", f"--load-extension={extension}"]
        if extension
        else ["--disable-extensions"]
    )
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            str(profile), executable_path=found, args=[*FLAGS, *loaded], viewport=VIEWPORT
        )
        try:
            yield context
        finally:
            context.close()


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a local server of the files of a folder."""
    handler = partial(_Quiet, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def processes(profile: Path) -> dict[str, list[int]]:
    """The processes of the browser of a profile: ``extension``, ``page`` (renderers) and ``other``.

    ``extension`` holds the background, the judge and its worker.
    """
    found: dict[str, list[int]] = {"extension": [], "page": [], "other": []}
    for entry in Path("/proc").iterdir():
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if f"--user-data-dir={profile} " not in command:
            continue
        renderer = "--type=renderer" in command
        extension = "--extension-process" in command
        kind = "extension" if extension else "page" if renderer else "other"
        found[kind].append(int(entry.name))
    return found


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        """Say nothing."""

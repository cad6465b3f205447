"""A real HTTP server that can misbehave, and checkpoints made from names and a seed."""

from __future__ import annotations

import hashlib
import math
import threading
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

UNUSED = ("embedder.", "backbone.patch_embed.", "convnext_backbone.patch_embed.")
"""Of GenConViT's entries: the Swin Transformer, by both its names."""


@dataclass
class FileServer:
    """One file on this machine over HTTP, and how to serve it.

    Attributes:
        cut_after: bytes after which the next answers break off, one entry an answer.
        refuse: statuses of the next answers.
        requests: headers of each request so far, names in small letters.
    """

    content: bytes
    etag: str | None = '"one"'
    ranges: bool = True
    tells_size: bool = True
    cut_after: list[int] = field(default_factory=list)
    refuse: list[int] = field(default_factory=list)
    redirect: str | None = None
    linked_sha256: str | None = None
    requests: list[dict[str, str]] = field(default_factory=list)
    url: str = ""

    @property
    def sha256(self) -> str:
        """Of the content."""
        return hashlib.sha256(self.content).hexdigest()

    def asked_ranges(self) -> list[str | None]:
        """The ``Range`` of each request so far."""
        return [headers.get("range") for headers in self.requests]


@pytest.fixture
def server() -> Iterator[FileServer]:
    """A server of 300 kB of noise at ``url``."""
    served = FileServer(np.random.default_rng(0).bytes(300_000))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *details: object) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            served.requests.append({name.lower(): value for name, value in self.headers.items()})
            if served.refuse:
                self._answer(served.refuse.pop(0), b"", {})
            elif served.redirect is not None and self.path != "/moved.bin":
                linked = served.linked_sha256
                told = {"X-Linked-Etag": f'"{linked}"'} if linked else {}
                self._answer(302, b"", {"Location": served.redirect} | told)
            else:
                self._send_file()

        def _send_file(self) -> None:
            content, headers = served.content, {}
            if served.etag is not None:
                headers["ETag"] = served.etag
            asked = self.headers.get("Range")
            same = self.headers.get("If-Range") in (None, served.etag)
            if asked is None or not served.ranges or not same:
                self._answer(200, content, headers)
                return
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                self._answer(416, b"", {"Content-Range": f"bytes */{len(content)}"})
                return
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self._answer(206, content[start:], headers)

        def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if served.tells_size or not body:
                self.send_header("Content-Length", str(len(body)))
            self.close_connection = True
            self.end_headers()
            if body and served.cut_after:
                body = body[: served.cut_after.pop(0)]
            self.wfile.write(body)

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served.url = f"http://127.0.0.1:{httpd.server_port}/weights.bin"
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield served
    httpd.shutdown()
    thread.join()
    httpd.server_close()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of one's own, and no proxy between the test and its server."""
    folder = tmp_path / "home"
    monkeypatch.setenv("DFEDGE_HOME", str(folder))
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return folder


@pytest.fixture(scope="session")
def official_state() -> Callable[[Any], dict[str, Any]]:
    """Makes a state with every entry of a published checkpoint of a model, from their names.

    The Swin Transformer that GenConViT's checkpoints carry and never use is of no numbers at all,
    so that one that took part would spoil every logit.
    """
    return _official_state


def _official_state(model: Any) -> dict[str, Any]:
    import torch

    own = model.state_dict()
    state = {}
    for name, shape in model.official_entries().items():
        if name in own and not own[name].is_floating_point():
            state[name] = own[name]
        elif name.startswith(UNUSED):
            state[name] = torch.full(shape, math.nan)
        else:
            state[name] = torch.from_numpy(_seeded_entry(name, shape))
    return state


def _seeded_entry(name: str, shape: tuple[int, ...]) -> Any:
    """Kernels of variance 1 / fan_in, norms near 1, all else near 0, so that nothing explodes."""
    z = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape, dtype=np.float32)
    last = name.rpartition(".")[2]
    if last == "running_var":
        made = 1 + 0.1 * np.abs(z)
    elif "gamma" in last:
        made = 0.5 + 0.1 * z
    elif len(shape) >= 2:
        made = z / math.sqrt(math.prod(shape[1:]))
    elif last == "weight":
        made = 1 + 0.1 * z
    else:
        made = 0.02 * z
    return np.asarray(made, np.float32)

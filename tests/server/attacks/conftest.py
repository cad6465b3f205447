"""A server under attack: one real process for all, with small limits, and a canary inside.

After every attack the server must be the same process, answer, and not have grown.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from ..conftest import LiveServer
from ..serving import serving

MIB = 1024**2
LIMIT_BYTES = 16 * MIB
"""Of an upload to this server."""

GROWTH_BYTES = 256 * MIB
"""What the process may grow over all attacks, at its peak. Its own models take several times that;
a body or a bomb that is held as a whole would not fit."""


@dataclass
class Target:
    """The attacked server.

    Attributes:
        peak_bytes: its highest memory before the first attack.
    """

    server: LiveServer
    client: httpx.Client
    key: str
    peak_bytes: int

    @property
    def address(self) -> tuple[str, int]:
        """For raw sockets."""
        return "127.0.0.1", self.server.settings.port

    def peak_now(self) -> int:
        """Highest memory of the process so far, bytes."""
        status = Path(f"/proc/{self.server.process.pid}/status").read_text()
        (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) * 1024

    def connect(self) -> socket.socket:
        """A bare connection."""
        return socket.create_connection(self.address, timeout=30)

    def raw(self, sent: bytes) -> bytes:
        """Send bytes as they are; the first of what comes back, empty where it hung up.

        Who waits for more is told, after two seconds, that there is no more.
        """
        with self.connect() as connection:
            try:
                connection.sendall(sent)
                connection.settimeout(2)
                try:
                    return connection.recv(65536)
                except TimeoutError:
                    connection.settimeout(30)
                    connection.shutdown(socket.SHUT_WR)
                    return connection.recv(65536)
            except (ConnectionError, BrokenPipeError):
                return b""

    def head(self, *lines: str, path: str = "/detect") -> bytes:
        """The head of a POST with the key."""
        first = [f"POST {path} HTTP/1.1", "Host: dfedge", f"Authorization: Bearer {self.key}"]
        return "\r\n".join([*first, *lines, "", ""]).encode()

    def post(self, path: str, **request: Any) -> httpx.Response | None:
        """A request; None where the server hung up while it was still sent."""
        try:
            return self.client.post(path, **request)
        except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError):
            return None

    def detect(self, data: bytes, filename: str = "file.bin") -> httpx.Response:
        """Upload one file to ``/detect``."""
        return self.client.post("/detect", files={"file": (filename, data)})


@pytest.fixture(scope="session")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """``dfedge serve`` with small limits, up and ready."""
    if not Path("/proc/self/status").exists():
        pytest.skip("reads memory from /proc, which only Linux has")
    with serving(
        tmp_path_factory.mktemp("attacked"),
        max_upload_bytes=LIMIT_BYTES,
        max_crop_bytes=MIB,
        fetch_seconds=5.0,
        sandbox_seconds=60.0,
    ) as server:
        key = server.key()
        with httpx.Client(base_url=server.url, headers=key.headers, timeout=60.0) as client:
            target = Target(server, client, key.secret, 0)
            target.peak_bytes = target.peak_now()
            yield target


@pytest.fixture(autouse=True)
def _unharmed(request: pytest.FixtureRequest) -> Iterator[None]:
    """After an attack the same process answers, and has not grown beyond bounds."""
    yield
    if "target" in request.fixturenames:
        target: Target = request.getfixturevalue("target")
        assert target.server.process.poll() is None, "the server died"
        assert {"status": "ok"} == target.client.get("/health").json()
        grown = target.peak_now() - target.peak_bytes
        assert grown < GROWTH_BYTES, f"it grew by {grown // MIB} MiB"


@dataclass
class Canary:
    """A server of the inner network that nobody may reach from outside."""

    port: int
    visits: list[Any]


@pytest.fixture(scope="session")
def _canary() -> Iterator[Canary]:
    sockets = [_listen(socket.AF_INET, "127.0.0.1", 0)]
    port = sockets[0].getsockname()[1]
    canary = Canary(port, [])
    with suppress(OSError):  # no IPv6 here
        sockets.append(_listen(socket.AF_INET6, "::1", port))
    threads = [threading.Thread(target=_answer, args=(one, canary.visits)) for one in sockets]
    for thread in threads:
        thread.start()
    yield canary
    for one, thread in zip(sockets, threads, strict=True):
        one.shutdown(socket.SHUT_RDWR)
        one.close()
        thread.join()


@pytest.fixture
def canary(_canary: Canary) -> Iterator[Canary]:
    """It, not reached so far nor by the test."""
    assert [] == _canary.visits
    yield _canary
    assert [] == _canary.visits, "the server reached into its own network"


def _listen(family: int, host: str, port: int) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.bind((host, port))
    listener.listen()
    return listener


def _answer(listener: socket.socket, visits: list[Any]) -> None:
    while True:
        try:
            connection, peer = listener.accept()
        except OSError:
            return
        visits.append(peer)
        connection.close()


def form(*parts: tuple[str, bytes], boundary: str = "frontier") -> bytes:
    """A multipart body of (header lines, content), as it is: nothing is escaped."""
    body = b"".join(
        b"--"
        + boundary.encode()
        + b"\r\n"
        + headers.encode("utf-8", "surrogateescape")
        + b"\r\n\r\n"
        + content
        + b"\r\n"
        for headers, content in parts
    )
    return body + b"--" + boundary.encode() + b"--\r\n"


FORM_TYPE = {"Content-Type": "multipart/form-data; boundary=frontier"}
FILE = 'Content-Disposition: form-data; name="file"; filename="a.png"'

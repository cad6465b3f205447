"""What happens between the check of an address and the bytes: redirects, names that change.

The fetching code of the worker, inside this process, with a machine that is taken for public. Every
test asks what was connected to.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from dfedge.errors import MediaError
from dfedge.media import MediaLimits, addresses
from dfedge.media.remote import fetch

LIMITS = MediaLimits(
    max_seconds=5.0, stall_seconds=2.0, max_bytes=1024**2, allow_private_addresses=False
)
PUBLIC = "93.184.215.14"


class Web:
    """A web server on this machine that answers every path as a test says."""

    def __init__(self) -> None:
        self.visits: list[str] = []
        self.location = "/"
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                web.visits.append(self.path)
                self.send_response(302)
                self.send_header("Location", web.location)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Addresses that were connected to; the one public machine is reached on this one."""
    seen: list[Any] = []

    class Socket(socket.socket):
        def connect(self, address: Any) -> None:
            seen.append(address[0])
            super().connect(("127.0.0.1", *address[1:2]) if address[0] == PUBLIC else address)

    monkeypatch.setattr(addresses.socket, "socket", Socket)
    return seen


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """``names("outside.example", first, second)``: what it means at each look-up in turn."""
    real = socket.getaddrinfo
    meanings: dict[str, list[str]] = {}
    asked: list[str] = []

    def resolve(host: str, port: int, *args: Any, **more: Any) -> Any:
        if host not in meanings:
            return real(host, port, *args, **more)
        asked.append(host)
        answers = meanings[host]
        number = answers.pop(0) if len(answers) > 1 else answers[0]
        return real(number, port, *args, **more)

    def mean(host: str, *numbers: str) -> list[str]:
        meanings[host] = list(numbers)
        return asked

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return mean


@pytest.fixture
def web() -> Iterator[Web]:
    """The public machine."""
    web = Web()
    yield web
    web.close()


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1:{port}/inside",
        "http://localhost:{port}/inside",
        "http://2130706433:{port}/inside",
        "http://0x7f.1:{port}/inside",
        "http://0.0.0.0:{port}/inside",
        "http://[::1]:{port}/inside",
        "http://[::ffff:127.0.0.1]:{port}/inside",
        "http://169.254.169.254/latest/meta-data/",
        "http://outside.example@127.0.0.1:{port}/inside",
        "//127.0.0.1:{port}/inside",
        "file:///etc/passwd",
        "gopher://127.0.0.1:{port}/_",
        "ftp://127.0.0.1:{port}/inside",
        "data:image/png;base64,iVBORw0KGgo=",
        "http://[",
    ],
)
def test_a_redirect_to_the_inside_is_not_followed(
    web: Web, names: Callable[..., Any], connected: list[Any], location: str
) -> None:
    """A public machine that points inside is asked once, and nothing else is connected to."""
    names("outside.example", PUBLIC)
    web.location = location.replace("{port}", str(web.port))
    with pytest.raises(MediaError):
        fetch(f"http://outside.example:{web.port}/start", LIMITS)
    assert [PUBLIC] == connected
    assert ["/start"] == web.visits


def test_a_ring_of_redirects_is_left(
    web: Web, names: Callable[..., Any], connected: list[Any]
) -> None:
    """After a few rounds."""
    names("outside.example", PUBLIC)
    web.location = "/start"
    with pytest.raises(MediaError, match="redirects"):
        fetch(f"http://outside.example:{web.port}/start", LIMITS)
    assert [PUBLIC] * (LIMITS.max_redirects + 1) == connected


def test_a_name_that_changes_is_connected_to_as_it_was_checked(
    web: Web, names: Callable[..., list[str]], connected: list[Any]
) -> None:
    """It is looked up once for a connection; a second meaning, inside, is refused at the next."""
    asked = names("changing.example", PUBLIC, "127.0.0.1")
    web.location = "/again"
    with pytest.raises(MediaError, match="private"):
        fetch(f"http://changing.example:{web.port}/start", LIMITS)
    assert [PUBLIC] == connected
    assert ["changing.example"] * 2 == asked


@pytest.mark.parametrize("inside", ["127.0.0.1", "10.0.0.1", "::1", "fe80::1", "fec0::1"])
def test_a_public_name_for_an_inner_machine_is_refused(
    names: Callable[..., Any], connected: list[Any], inside: str
) -> None:
    """What counts is where a name leads, not what it is called."""
    names("harmless.example", inside)
    with pytest.raises(MediaError, match="private"):
        fetch("http://harmless.example/clip.mp4", LIMITS)
    assert [] == connected

"""Addresses: fetched within limits, checked at each redirect, without leaving files."""

from __future__ import annotations

import http.server
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from dfedge.errors import MediaFetchError, MediaLimitError, MediaNotFoundError
from dfedge.media import MediaLimits, open_media
from dfedge.media.addresses import is_public
from dfedge.media.remote import fetch, redact


def test_a_video_is_fetched_and_read(make: Any, web: Any) -> None:
    """The frames are those of the file; nothing stays in the temporary folder."""
    url = web.file("/clip.mp4", make.video().read_bytes())
    before = set(Path(tempfile.gettempdir()).iterdir())
    with open_media(url, frames=5) as reader:
        assert reader.info.name == url
        assert [frame.index for frame in reader] == [5, 15, 25, 35, 45]
    assert set(Path(tempfile.gettempdir()).iterdir()) <= before


def test_a_picture_is_fetched_and_read(make: Any, web: Any) -> None:
    """The kind comes from the content, not from the answer's headers."""
    url = web.file("/picture", make.image().read_bytes(), "application/octet-stream")
    with open_media(url) as reader:
        assert reader.info.kind == "image"
        assert len(list(reader)) == 1


def test_redirects_are_followed(make: Any, web: Any) -> None:
    """Up to five, relative or absolute."""
    web.file("/clip.mp4", make.video().read_bytes())
    for step in range(4):
        web.redirect(f"/{step}", f"/{step + 1}")
    web.redirect("/4", web.url("/clip.mp4"))
    with fetch(web.url("/0"), MediaLimits()) as file:
        assert file.read(12)[4:8] == b"ftyp"
    assert [path for path, _ in web.requests] == ["/0", "/1", "/2", "/3", "/4", "/clip.mp4"]


@pytest.mark.parametrize("allowed", [0, 1, 5])
def test_redirects_end(web: Any, allowed: int) -> None:
    """A ring of redirects is left after max_redirects."""
    web.redirect("/ring", "/ring")
    with pytest.raises(MediaFetchError, match="max_redirects"):
        fetch(web.url("/ring"), MediaLimits(max_redirects=allowed))
    assert len(web.requests) == allowed + 1


def test_private_addresses_can_be_refused(make: Any, web: Any) -> None:
    """With allow_private_addresses off, nothing on this machine is even asked."""
    web.file("/clip.mp4", make.video().read_bytes())
    limits = MediaLimits(allow_private_addresses=False)
    for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433"):
        with pytest.raises(MediaFetchError):
            fetch(f"http://{host}:{web.port}/clip.mp4", limits)
    assert web.requests == []


def test_a_redirect_to_a_private_address_is_refused(
    web: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each step is checked: a public name that redirects to a private one stops there."""
    web.redirect("/go", f"http://10.0.0.1:{web.port}/inside")
    monkeypatch.setattr(
        "dfedge.media.addresses.is_public",
        lambda address: address == "127.0.0.1" or is_public(address),
    )
    with pytest.raises(MediaFetchError, match="private"):
        fetch(web.url("/go"), MediaLimits(allow_private_addresses=False))


def test_a_name_and_password_are_sent_and_hidden(make: Any, web: Any) -> None:
    """Basic authorization goes to the host that was given, and is shown nowhere."""
    url = web.file("/clip.mp4", make.video().read_bytes())
    secret = url.replace("http://", "http://anna:s%C3%A9cret@") + "?token=abc"
    with open_media(secret) as reader:
        assert reader.info.name == url + "?..."
    ((_, login),) = web.requests
    assert login == "Basic YW5uYTpzw6ljcmV0"
    with pytest.raises(MediaNotFoundError) as caught:
        fetch(secret.replace("clip", "none"), MediaLimits())
    assert "anna" not in str(caught.value)
    assert "abc" not in str(caught.value)


def test_a_password_does_not_follow_a_redirect(make: Any, web: Any) -> None:
    """Another host (here: another name of it) does not get the password."""
    web.file("/clip.mp4", make.video().read_bytes())
    web.redirect("/go", f"http://localhost:{web.port}/clip.mp4")
    fetch(web.url("/go").replace("http://", "http://anna:secret@"), MediaLimits()).close()
    assert [login is not None for _, login in web.requests] == [True, False]


def test_a_drip_ends_in_time(web: Any) -> None:
    """A server that sends a byte now and then is left at max_seconds, in headers and body."""

    def drip_body(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        while not web.stopping.wait(0.1):
            request.wfile.write(b"x")
            request.wfile.flush()

    def drip_head(request: http.server.BaseHTTPRequestHandler) -> None:
        while not web.stopping.wait(0.1):
            request.wfile.write(b"H")
            request.wfile.flush()

    for handler in (drip_body, drip_head):
        web.pages["/drip"] = handler
        started = time.monotonic()
        with pytest.raises(MediaLimitError, match="max_seconds"):
            fetch(web.url("/drip"), MediaLimits(max_seconds=1.0))
        assert time.monotonic() - started < 4


def test_silence_ends_in_time(web: Any) -> None:
    """A server that takes the request and says nothing is left after stall_seconds."""
    web.pages["/silent"] = lambda request: web.stopping.wait(20) and None
    started = time.monotonic()
    with pytest.raises(MediaFetchError, match="stall_seconds"):
        fetch(web.url("/silent"), MediaLimits(stall_seconds=0.5))
    assert time.monotonic() - started < 4
    web.stopping.set()


@pytest.mark.parametrize("stated", [True, False])
def test_too_much_is_refused(web: Any, answer: Any, stated: bool) -> None:
    """More bytes than max_bytes end the transfer, announced or not."""

    def large(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        if stated:
            request.send_header("Content-Length", "5000000")
        request.end_headers()
        for _ in range(50):
            request.wfile.write(bytes(100_000))

    web.pages["/large"] = large
    with pytest.raises(MediaLimitError, match="max_bytes"):
        fetch(web.url("/large"), MediaLimits(max_bytes=1_000_000))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (
            "http://anna:secret@host.example:8080/a/b.mp4?key=1#x",
            "http://host.example:8080/a/b.mp4?...",
        ),
        ("https://[2001:db8::1]/x", "https://[2001:db8::1]/x"),
        ("rtsp://admin:1234@camera/stream", "rtsp://camera/stream"),
        ("http://u:p@host:port/x", "host:port/x"),
        ("http://host/\x1b[31m", "http://host/\\x1b[31m"),
    ],
)
def test_redact(url: str, shown: str) -> None:
    """What is shown of an address: no login, no query, nothing a terminal would obey."""
    assert redact(url) == shown

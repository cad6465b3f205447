"""Uploads: limits hold while they stream in, and bytes are what they are, not what they claim."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.server.escalations.conftest import (
    BOUNDARY,
    Api,
    clip_bytes,
    crop_of,
    form,
    manifest_of,
    picture_bytes,
)

from dfedge_server.db.models import Escalation
from dfedge_server.escalations import parts

pytestmark = pytest.mark.anyio

MIB = 1024**2
CLIP_MANIFEST = ("manifest", manifest_of(kind="clip"))


async def _post(
    api: Api, pieces: AsyncIterator[bytes], headers: dict[str, str] | None = None
) -> tuple[int, bytes, int]:
    """A chunked upload straight into the application: status, body, and bytes it asked for."""
    taken = 0
    answer: dict[str, Any] = {"body": b""}

    async def receive() -> dict[str, Any]:
        nonlocal taken
        piece = await anext(pieces, b"")
        taken += len(piece)
        return {"type": "http.request", "body": piece, "more_body": bool(piece)}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            answer["status"] = message["status"]
        else:
            answer["body"] += message.get("body", b"")

    told = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
    told |= {name.lower(): value for name, value in api.key.headers.items()} | (headers or {})
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/v1/escalations",
        "raw_path": b"/v1/escalations",
        "query_string": b"",
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in told.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "state": {},
    }
    await api.app(scope, receive, send)  # type: ignore[arg-type]
    return answer["status"], answer["body"], taken


async def _endless(start: bytes) -> AsyncIterator[bytes]:
    """An upload of ten gigabytes."""
    yield start
    for _ in range(10 * 1024):
        yield b"\0" * MIB


@pytest.mark.parametrize("api_changes", [{"max_upload_bytes": 8 * MIB}])
async def test_an_endless_upload_is_cut_off_at_the_limit(api: Api) -> None:
    """413 after the limit, not after ten gigabytes; nothing of it is kept."""
    start = form(CLIP_MANIFEST, ("clip", clip_bytes())).rpartition(b"\r\n--")[0]
    status, body, taken = await _post(api, _endless(start))
    assert 413 == status, body
    assert taken <= 10 * MIB
    assert [] == await api.services.blobs.keys("jobs/")
    assert 0 == await api.count(Escalation)


@pytest.mark.parametrize("start", [b"", b"--", f"--{BOUNDARY}\r\nX".encode()])
@pytest.mark.parametrize("api_changes", [{"max_upload_bytes": 8 * MIB}])
async def test_endless_bytes_that_are_no_form_are_cut_off(api: Api, start: bytes) -> None:
    """Before the first boundary, and inside a part's headers."""
    status, body, taken = await _post(api, _endless(start))
    assert status in (400, 413), body
    assert taken <= 10 * MIB


async def test_a_manifest_has_a_limit_of_its_own(api: Api) -> None:
    """However much the media may be."""
    start = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="manifest"\r\n\r\n'.encode()
    status, body, taken = await _post(api, _endless(start))
    assert 413 == status, body
    assert taken <= 6 * MIB


async def test_an_announced_length_over_the_limit_is_refused_unread(api: Api) -> None:
    """Not one byte is taken."""
    status, body, taken = await _post(api, _endless(b""), {"content-length": str(10**10)})
    assert (413, 0) == (status, taken), body


@pytest.mark.parametrize("api_changes", [{"max_crop_bytes": 1000}])
async def test_each_crop_has_a_limit(api: Api) -> None:
    """Also within a body that is small enough."""
    manifest = manifest_of(kind="crops", crops=[crop_of("a")])
    answer = await api.send(("manifest", manifest), ("a", picture_bytes() + b"\0" * 1000))
    assert (413, "upload_too_large") == (answer.status_code, answer.json()["code"])
    assert "'a'" in answer.json()["detail"]


async def test_an_upload_that_stops_is_given_up(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """408, and the half of it is deleted."""
    monkeypatch.setattr(parts, "STALL_SECONDS", 0.05)

    async def stalled() -> AsyncIterator[bytes]:
        import anyio

        yield form(CLIP_MANIFEST, ("clip", clip_bytes()))[:-100]
        await anyio.sleep(60)
        yield b""

    status, body, _ = await _post(api, stalled())
    assert 408 == status, body
    assert [] == await api.services.blobs.keys("jobs/")


async def test_an_upload_in_tiny_pieces_is_the_same(api: Api) -> None:
    """Wherever the network cuts it."""
    whole = form(CLIP_MANIFEST, ("clip", clip_bytes(300)))

    async def drops() -> AsyncIterator[bytes]:
        for byte in whole:
            yield bytes([byte])

    status, body, _ = await _post(api, drops())
    assert 202 == status, body
    assert clip_bytes(300) == await api.services.blobs.get((await api.jobs())[0].media["clip"])


async def test_a_form_that_is_cut_short_is_refused(api: Api) -> None:
    """The end of the body is not the end of the form."""
    body = form(CLIP_MANIFEST, ("clip", clip_bytes()))[:-40]
    kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    answer = await api.ask("POST", "/v1/escalations", content=body, headers=kind)
    assert (400, "malformed_request") == (answer.status_code, answer.json()["code"])
    assert [] == await api.services.blobs.keys("jobs/")


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ([("clip", clip_bytes()), CLIP_MANIFEST], "first part is not `manifest`"),
        ([CLIP_MANIFEST], "missing: 'clip'"),
        ([CLIP_MANIFEST, ("clip", clip_bytes()), ("clip", clip_bytes())], "'clip' came twice"),
        ([CLIP_MANIFEST, CLIP_MANIFEST], "'manifest' came twice"),
        ([CLIP_MANIFEST, ("clip", clip_bytes()), ("more", b"x")], "'more' is not one"),
        ([CLIP_MANIFEST, ("../../etc/passwd", clip_bytes())], "is not one"),
        ([], "first part is not `manifest`"),
    ],
)
async def test_parts_are_those_of_the_manifest(
    api: Api, sent: list[tuple[str, bytes]], said: str
) -> None:
    """Missing, doubled and unknown ones are refused, and nothing is kept."""
    answer = await api.send(*sent)
    assert (422, "parts_mismatch") == (answer.status_code, answer.json()["code"]), answer.text
    assert said in answer.json()["detail"]
    assert [] == await api.services.blobs.keys("jobs/")


@pytest.mark.parametrize(
    ("media", "said"),
    [
        (b"", "is empty"),
        (b"PK\x03\x04" + bytes(100), "ZIP archive"),
        (b"\x1f\x8b" + bytes(100), "gzip"),
        (b"%PDF-1.7\n\x00", "PDF"),
        (b"<html><script>alert(1)</script>", "web page"),
        (b"#EXTM3U\nfile:///etc/passwd", "playlist"),
        (b"<svg onload='x'/>", "XML"),
        (b"#!/bin/sh\nrm -rf /\n", "text"),
        (b"\x7fELF\x02\x01\x01" + bytes(100), "program"),
        (bytes(range(256)), "no picture and no video"),
    ],
)
async def test_what_is_no_media_is_refused(api: Api, media: bytes, said: str) -> None:
    """By its bytes, whatever its type and name claim."""
    answer = await api.send_clip(media)
    assert (415, "media_unsupported") == (answer.status_code, answer.json()["code"])
    assert said in answer.json()["detail"]
    assert [] == await api.services.blobs.keys("jobs/")


async def test_a_clip_is_no_crop(api: Api) -> None:
    """Face crops are PNG, JPEG or WebP."""
    manifest = manifest_of(kind="crops", crops=[crop_of("a")])
    answer = await api.send(("manifest", manifest), ("a", clip_bytes()))
    assert (415, "media_unsupported") == (answer.status_code, answer.json()["code"])


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("text/plain", 415, "content_type_unsupported"),
        ("multipart/form-data", 415, "content_type_unsupported"),
        (f"multipart/form-data; boundary={'b' * 71}", 415, "content_type_unsupported"),
        ("", 415, "content_type_unsupported"),
        ("application/json", 400, "malformed_request"),
    ],
)
async def test_other_bodies_are_refused(api: Api, kind: str, status: int, code: str) -> None:
    """With the types that are taken."""
    answer = await api.ask(
        "POST", "/v1/escalations", content=b"{" * 100_000, headers={"Content-Type": kind}
    )
    assert (status, code) == (answer.status_code, answer.json()["code"])


async def test_media_sent_as_json_is_missing(api: Api) -> None:
    """A manifest alone is enough for an address only."""
    answer = await api.ask("POST", "/v1/escalations", json={"kind": "clip"})
    assert (422, "parts_mismatch") == (answer.status_code, answer.json()["code"])

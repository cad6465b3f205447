"""Nothing that the process that opens media says is taken on trust."""

from __future__ import annotations

import io
from typing import Any

import msgspec
import pytest

from dfedge_server.heavy.exchange import (
    End,
    Failed,
    FrameSeen,
    OpenClip,
    PictureSeen,
    pack,
    read_answer,
    read_request,
)

FACE = {"track_id": 0, "box": (1.0, 1.0, 9.0, 9.0), "score": 0.5, "region": 0}
REGION = {"left": 0, "top": 0, "width": 10, "height": 10}
FRAME: dict[str, Any] = {
    "is": "frame",
    "index": 3,
    "pts_seconds": 0.5,
    "width": 100,
    "height": 50,
    "total": 8,
    "regions": [REGION],
    "faces": [FACE],
}


def raw(message: object) -> bytes:
    """A message as a hostile process would send it."""
    body = msgspec.msgpack.encode(message)
    return len(body).to_bytes(4, "big") + body


def test_what_is_sent_is_what_comes() -> None:
    """Requests and answers of each kind."""
    clip = OpenClip(path="/x", frames=3, sampling="even", scale=2.0, whole=False, max_seconds=60.0)
    assert clip == read_request(io.BytesIO(pack(clip)).read)
    for answer in (
        msgspec.convert(FRAME, FrameSeen),
        PictureSeen(width=3, height=4),
        End(problems=("one",)),
        Failed(kind="limit", problem="too much"),
    ):
        assert answer == read_answer(io.BytesIO(pack(answer)).read)


@pytest.mark.parametrize(
    "message",
    [
        {"is": "exec", "code": "1"},
        {**FRAME, "more": 1},
        {**FRAME, "index": -1},
        {**FRAME, "pts_seconds": -1.0},
        {**FRAME, "width": 100_000},
        {**FRAME, "width": 16384, "height": 16384},
        {**FRAME, "regions": [{**REGION, "left": 95}]},
        {**FRAME, "regions": [{**REGION, "height": 51}]},
        {**FRAME, "regions": [REGION] * 300},
        {**FRAME, "regions": [{**REGION, "width": 100, "height": 50}] * 2},
        {**FRAME, "faces": [{**FACE, "region": 1}]},
        {**FRAME, "faces": [FACE, FACE]},
        {**FRAME, "faces": [{**FACE, "box": (1.0, 1.0, 1.0, 9.0)}]},
        {**FRAME, "faces": [{**FACE, "box": (1.0, float("nan"), 9.0, 9.0)}]},
        {**FRAME, "faces": [{**FACE, "box": (1.0, 1.0, float("inf"), 9.0)}]},
        {**FRAME, "faces": [{**FACE, "score": 1.5}]},
        {"is": "picture", "width": 16384, "height": 16384},
        {"is": "picture", "width": 0, "height": 5},
        {"is": "failed", "kind": "other", "problem": ""},
        {"is": "failed", "kind": "limit", "problem": "x" * 501},
        {"is": "end", "problems": ["x"] * 21},
    ],
)
def test_nonsense_is_refused(message: dict[str, Any]) -> None:
    """Wrong kinds, sizes, places and numbers."""
    with pytest.raises(ValueError):  # noqa: PT011 - each has its own words
        read_answer(io.BytesIO(raw(message)).read)


@pytest.mark.parametrize("data", [b"\xff\xff\xff\xff", bytes(4), b"\0\0\0\3\xc1\xc1\xc1"])
def test_what_is_no_message_is_refused(data: bytes) -> None:
    """Before memory is taken for it."""
    with pytest.raises(ValueError):  # noqa: PT011 - each has its own words
        read_answer(io.BytesIO(data).read)

"""``multipart/form-data`` read as it streams in: nothing here ever holds a part as a whole.

The whole body, each part's headers and the number of parts have limits, and so has the time between
two pieces. What is refused is refused when the limit is passed, not when all has come.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Final

from litestar import Request
from litestar.exceptions import HTTPException
from multipart import (  # type: ignore[import-untyped]
    MultipartError,
    MultipartSegment,
    ParserLimitReached,
    PushMultipartParser,
    parse_options_header,
)

from dfedge_server.problems import ProblemError

STALL_SECONDS: Final = 30.0
"""Longest wait for the next piece of an upload."""

MAX_BOUNDARY: Final = 70
"""Characters, by RFC 2046."""

HANG_UP: Final = {"Connection": "close"}
"""Sent with a refusal in the middle of an upload: the rest of the body is not wanted."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a form, while it streams in.

    Attributes:
        name: as the client gave it: checked by nobody yet.
        pieces: its bytes; to be consumed before the next part is asked for.
        filename: what the client calls the file; empty where the part is none.
    """

    name: str
    pieces: AsyncIterator[bytes] = field(repr=False)
    filename: str = ""


async def body(request: Request[Any, Any, Any], *, limit: int) -> AsyncIterator[bytes]:
    """The pieces of a body of at most ``limit`` bytes.

    Raises:
        ProblemError: it is longer (before anything is read, where it says so), stops coming or is
            cut off.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limit:
        raise _too_large("The body", limit)
    total = 0
    stream = request.stream()
    while piece := await _next(stream):
        total += len(piece)
        if total > limit:
            raise _too_large("The body", limit)
        yield piece


async def form_parts(
    request: Request[Any, Any, Any], *, limit: int, max_parts: int
) -> AsyncGenerator[Part, None]:
    """The parts of a form, in the order they come; what a consumer leaves of one is skipped.

    Args:
        limit: bytes of the whole body.

    Raises:
        ProblemError: it is no well-formed form, or over a limit.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get("boundary", "")
    if kind != "multipart/form-data" or not 0 < len(boundary) <= MAX_BOUNDARY:
        raise ProblemError("content_type_unsupported")
    events = _events(body(request, limit=limit), boundary, max_parts)
    async for event in events:
        if isinstance(event, MultipartSegment):
            part = Part(event.name or "", _pieces(events), event.filename or "")
            yield part
            async for _ in part.pieces:
                pass


async def limited(part: Part, limit: int) -> AsyncIterator[bytes]:
    """The pieces of a part of at most ``limit`` bytes.

    Raises:
        ProblemError: it is longer.
    """
    total = 0
    async for piece in part.pieces:
        total += len(piece)
        if total > limit:
            raise _too_large(f"The part {part.name[:64]!r}", limit)
        yield piece


async def _pieces(events: AsyncIterator[MultipartSegment | bytes | None]) -> AsyncIterator[bytes]:
    """What belongs to the part in hand."""
    async for event in events:
        if event is None:
            return
        assert isinstance(event, (bytes, bytearray))
        yield bytes(event)


async def _events(
    pieces: AsyncIterator[bytes], boundary: str, max_parts: int
) -> AsyncIterator[MultipartSegment | bytes | None]:
    """The parser's events: a segment, its bytes, None at its end."""
    try:
        parser = PushMultipartParser(boundary, max_segment_count=max_parts)
        async for piece in pieces:
            for event in parser.parse(piece):
                yield event
        parser.close()
    except ParserLimitReached as error:
        raise ProblemError(
            "upload_too_large",
            f"The form has more than {max_parts} parts, or a part with very long headers.",
            headers=HANG_UP,
        ) from error
    except MultipartError as error:
        raise ProblemError(
            "malformed_request", "The body is no well-formed multipart/form-data.", headers=HANG_UP
        ) from error


async def _next(stream: AsyncIterator[bytes]) -> bytes:
    try:
        async with asyncio.timeout(STALL_SECONDS):
            return await anext(stream, b"")
    except TimeoutError:
        raise ProblemError("upload_stalled", headers=HANG_UP) from None
    except HTTPException as error:
        # Litestar's word for a client that went away; nobody reads the answer.
        raise ProblemError("malformed_request", "The body was cut off.", headers=HANG_UP) from error


def _too_large(what: str, limit: int) -> ProblemError:
    return ProblemError(
        "upload_too_large",
        f"{what} is larger than the {limit} bytes that this server takes: send less.",
        headers=HANG_UP,
    )

"""Evidence and media, sent back to who may see them."""

from __future__ import annotations

import re
from typing import Any, Final

from litestar.response import Response, Stream
from litestar.response.base import ASGIResponse
from sqlalchemy import select

from dfedge_server.db.models import Escalation, Evidence
from dfedge_server.escalations.sniff import HEAD_BYTES, media_type
from dfedge_server.problems import ProblemError
from dfedge_server.services import Services

CAGED: Final = {"Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'"}
"""A browser that opens it by itself runs nothing in it."""

_RANGE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


class _Pieces(Stream):
    """A stream with a media type of its own: Litestar prefers that of the handler."""

    def to_asgi_response(self, *args: Any, **named: Any) -> ASGIResponse:
        named["media_type"] = self.media_type
        return super().to_asgi_response(*args, **named)


async def picture(services: Services, row: Escalation, number: int) -> Response[bytes]:
    """Evidence by its number in the escalation's list.

    Raises:
        ProblemError: there is none of that number.
    """
    query = select(Evidence).where(Evidence.job_id == row.job_id).order_by(Evidence.id)
    async with services.db.reading() as session:
        evidence = await session.scalar(query.offset(number).limit(1))
    if evidence is None or row.cancelled_at is not None:
        raise ProblemError("not_found", f"There is no evidence {number}.")
    try:
        data = await services.blobs.get(evidence.blob)
    except FileNotFoundError:
        raise ProblemError("media_gone") from None
    return Response(data, media_type=evidence.media_type, headers=CAGED)


async def media(
    services: Services, row: Escalation, part: str, wanted: str | None
) -> Response[Any]:
    """A part of what was sent: whole, or the range that the header ``Range`` names.

    Several ranges at once, and units other than bytes, are answered with the whole, as RFC 9110
    allows.

    Raises:
        ProblemError: there is no such part, it is deleted, or the range lies outside it.
    """
    key = row.job.media.get(part)
    if key is None:
        deleted = row.job.media_deleted_at is not None
        raise ProblemError("media_gone" if deleted else "not_found")
    try:
        size = await services.blobs.length(key)
        head = await services.blobs.range(key, 0, min(size, HEAD_BYTES))
    except FileNotFoundError:
        raise ProblemError("media_gone") from None
    headers = CAGED | {"Accept-Ranges": "bytes"}
    kind = media_type(head) or "application/octet-stream"
    span = _span(wanted, size)
    if span is None:
        headers["Content-Length"] = str(size)
        return _Pieces(services.blobs.stream(key), media_type=kind, headers=headers)
    start, end = span
    headers |= {
        "Content-Length": str(end - start),
        "Content-Range": f"bytes {start}-{end - 1}/{size}",
    }
    pieces = services.blobs.stream_range(key, start, end)
    return _Pieces(pieces, media_type=kind, headers=headers, status_code=206)


def _span(wanted: str | None, size: int) -> tuple[int, int] | None:
    """First byte and the one after the last; None for the whole."""
    match = _RANGE.fullmatch(wanted or "")
    if match is None or match[0] == "bytes=-":
        return None
    first, last = match[1], match[2]
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < start:
            return None  # not a range at all, so it is ignored
    if start >= end:
        raise ProblemError("range_not_satisfiable", headers={"Content-Range": f"bytes */{size}"})
    return start, end

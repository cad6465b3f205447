"""Uploads: limits, kinds and hashes are checked while they stream in.

Long ones go straight into the blobs. Short ones are held until it is known that they are wanted:
the same bytes may have been judged before.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from litestar import Request
from multipart import parse_options_header  # type: ignore[import-untyped]
from uuid_utils.compat import uuid7

from dfedge.escalation.wire import MAX_CROPS, Submission
from dfedge_server.blobs import job_prefix, media_key
from dfedge_server.escalations.intake import (
    MANIFEST,
    check_submission,
    expected_parts,
    read_submission,
)
from dfedge_server.escalations.parts import HANG_UP, Part, body, form_parts, limited
from dfedge_server.escalations.sniff import HEAD_BYTES, media_type, why_refused
from dfedge_server.problems import PROBLEMS, ProblemError
from dfedge_server.services import Services

MAX_MANIFEST_BYTES: Final = 4 * 1024**2

HELD_BYTES: Final = 1024**2
"""Of one request, in memory."""


@dataclass(frozen=True, slots=True)
class StoredPart:
    """Media that lies in the blobs under the job it may become, or is held to be put there.

    Attributes:
        held: its bytes, where they are not in the blobs.
        sha256: of its bytes, hexadecimal.
        media_type: by its bytes, not by what the client says.
    """

    job_id: UUID
    key: str
    size: int
    sha256: str
    media_type: str
    held: bytes | None = field(default=None, repr=False)

    @property
    def is_stored(self) -> bool:
        """Whether it lies in the blobs; :func:`keep` puts it there."""
        return self.held is None


async def receive(
    request: Request[Any, Any, Any], services: Services
) -> tuple[Submission, Mapping[str, StoredPart]]:
    """A submission with its media, by part; nothing is left behind when it is refused.

    Raises:
        ProblemError: says what does not fit.
    """
    kind, _ = parse_options_header(request.headers.get("content-type", ""))
    if kind == "application/json":
        submission = read_submission(await _small(body(request, limit=MAX_MANIFEST_BYTES)))
        check_submission(submission, services.settings)
        _refuse_missing(expected_parts(submission))
        return submission, {}
    limit = services.settings.max_upload_bytes
    async with aclosing(form_parts(request, limit=limit, max_parts=MAX_CROPS + 1)) as parts:
        submission = await _read_manifest(parts)
        check_submission(submission, services.settings)
        return submission, await _store_parts(parts, submission, services)


async def store(
    services: Services,
    pieces: AsyncIterator[bytes],
    *,
    job_id: UUID,
    part: str,
    crop: bool = False,
    hold_bytes: int = HELD_BYTES,
) -> StoredPart:
    """Take media as it comes.

    Args:
        job_id: the job it is for: a new UUID (:func:`new_job_id`).
        part: a checked name, such as ``clip``.
        crop: whether it is a face crop, which may have fewer formats than a clip.
        hold_bytes: if it is longer it is put into the blobs, else held.

    Raises:
        ProblemError: it is empty or of a kind that is not taken; what ``pieces`` raises.
    """
    head, rest = await _with_head(pieces)
    if problem := why_refused(head, crop=crop):
        way_out = PROBLEMS["media_unsupported"][2]
        raise ProblemError(
            "media_unsupported", f"The part {part!r} {problem}. {way_out}", headers=HANG_UP
        )
    digest = hashlib.sha256()
    size = 0

    async def counted() -> AsyncIterator[bytes]:
        nonlocal size
        async for piece in rest:
            digest.update(piece)
            size += len(piece)
            yield piece

    key, stream, held = media_key(job_id, part), counted(), bytearray()
    while len(held) <= hold_bytes and (piece := await anext(stream, b"")):
        held += piece
    long = len(held) > hold_bytes
    if long:
        await services.blobs.put(key, _joined(bytes(held), stream))
    return StoredPart(
        job_id,
        key,
        size,
        digest.hexdigest(),
        media_type(head) or "",
        held=None if long else bytes(held),
    )


def room_to_hold(parts: Iterable[StoredPart]) -> int:
    """How much more of a request may be held, beside these."""
    return HELD_BYTES - sum(len(part.held or b"") for part in parts)


async def keep(services: Services, media: Mapping[str, StoredPart]) -> None:
    """Put into the blobs what is held."""
    for part in media.values():
        if part.held is not None:
            await services.blobs.put(part.key, part.held)


async def discard(services: Services, job_ids: Iterable[UUID]) -> None:
    """Delete uploads that no job needs."""
    for job_id in set(job_ids):
        await services.blobs.delete_prefix(job_prefix(job_id))


def new_job_id() -> UUID:
    """The identity of a job to be, whose uploads lie under it."""
    return uuid7()


async def _read_manifest(parts: AsyncIterator[Part]) -> Submission:
    part = await anext(parts, None)
    if part is None or part.name != MANIFEST:
        raise _mismatch("The first part is not `manifest`.")
    return read_submission(await _small(limited(part, MAX_MANIFEST_BYTES)))


async def _store_parts(
    parts: AsyncIterator[Part], submission: Submission, services: Services
) -> Mapping[str, StoredPart]:
    expected = expected_parts(submission)
    settings = services.settings
    crop = submission.kind == "crops"
    limit = settings.max_crop_bytes if crop else settings.max_upload_bytes
    job_id = new_job_id()
    stored: dict[str, StoredPart] = {}
    try:
        async for part in parts:
            _refuse_unexpected(part.name, expected, stored)
            stored[part.name] = await store(
                services,
                limited(part, limit),
                job_id=job_id,
                part=part.name,
                crop=crop,
                hold_bytes=room_to_hold(stored.values()),
            )
        _refuse_missing(expected - stored.keys())
    except BaseException:
        await discard(services, [job_id])
        raise
    return stored


def _refuse_unexpected(name: str, expected: frozenset[str], stored: Mapping[str, object]) -> None:
    if name in stored or name == MANIFEST:
        problem = f"The part {name!r} came twice."
    elif name not in expected:
        problem = f"The part {name[:64]!r} is not one that the manifest names."
    else:
        return
    raise _mismatch(problem)


def _refuse_missing(missing: frozenset[str]) -> None:
    if missing:
        names = ", ".join(map(repr, sorted(missing)[:5]))
        raise _mismatch(f"Parts are missing: {names}.")


def _mismatch(problem: str) -> ProblemError:
    way_out = PROBLEMS["parts_mismatch"][2]
    return ProblemError("parts_mismatch", f"{problem} {way_out}", headers=HANG_UP)


async def _small(pieces: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in pieces])


async def _with_head(pieces: AsyncIterator[bytes]) -> tuple[bytes, AsyncIterator[bytes]]:
    """The first bytes, and all pieces, they included."""
    head = b""
    while len(head) < HEAD_BYTES and (piece := await anext(pieces, b"")):
        head += piece

    return head[:HEAD_BYTES], _joined(head, pieces)


async def _joined(head: bytes, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield head
    async for piece in pieces:
        yield piece

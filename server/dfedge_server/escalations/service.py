"""What may be done with escalations: the one door for the API, the pages and the older endpoints.

An escalation is what was asked, a job the work. Submitting finds the job that judges the same bytes
by the same models, or makes one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from dfedge.escalation import wire
from dfedge.escalation.wire import FINAL, Submission
from dfedge_server.db.models import Escalation
from dfedge_server.escalations import views
from dfedge_server.escalations.intake import check_submission, input_sha256, request_digest
from dfedge_server.escalations.listing import list_page
from dfedge_server.escalations.placing import Asked, MediaWantedError, Placed, place_all
from dfedge_server.escalations.progress import wait_until_final
from dfedge_server.escalations.removal import cancel, delete
from dfedge_server.escalations.uploads import StoredPart, discard, keep, new_job_id
from dfedge_server.problems import ProblemError
from dfedge_server.security.principal import Principal
from dfedge_server.services import Services
from dfedge_server.settings import Settings
from dfedge_server.work import webhooks

__all__ = [
    "cancel",
    "delete",
    "get",
    "list_page",
    "look",
    "submit",
    "submit_all",
    "wait_until_final",
]

ATTEMPTS: Final = 5
"""Requests that want the same job or idempotency key may come at once; each loses to one other."""

_log = logging.getLogger(__name__)


async def submit(
    services: Services,
    principal: Principal,
    submission: Submission,
    media: Mapping[str, StoredPart],
    *,
    idempotency_key: str | None = None,
    request_sha256: str | None = None,
    traceparent: str | None = None,
) -> UUID:
    """Accept an escalation: when this returns its identity, it will be done, whatever process dies.

    Args:
        media: as :func:`dfedge_server.escalations.uploads.receive` or ``store`` left it; what is
            not needed, because the same was judged before or it is refused, is dropped.
        request_sha256: of the whole request, where the submission and media are not all of it.
        traceparent: W3C trace context of the request.

    Raises:
        ProblemError: it does not fit, the queue is full, or the idempotency key was used.
    """
    placed = await _submit(
        services,
        principal,
        [(submission, media)],
        keys=[idempotency_key],
        request_sha256=request_sha256,
        traceparent=traceparent,
    )
    return placed[0].id


async def submit_all(
    services: Services,
    principal: Principal,
    submissions: tuple[Submission, ...],
    *,
    keys: list[str | None],
    request_sha256: str,
    traceparent: str | None = None,
) -> UUID | None:
    """Accept the addresses of a new batch, all of them or none, and tell its identity.

    Raises:
        ProblemError: as of :func:`submit`.
    """
    placed = await _submit(
        services,
        principal,
        [(submission, {}) for submission in submissions],
        keys=keys,
        request_sha256=request_sha256,
        traceparent=traceparent,
        as_batch=True,
    )
    return placed[0].batch_id


async def get(services: Services, principal: Principal, escalation_id: UUID) -> Escalation:
    """An escalation of the caller's tenant, with its job.

    Raises:
        ProblemError: there is none; another tenant's is none.
    """
    async with services.db.reading() as session:
        row = await session.scalar(
            select(Escalation).where(
                Escalation.id == escalation_id, Escalation.tenant == principal.tenant
            )
        )
    if row is None:
        raise _not_found()
    return row


async def look(
    services: Services, principal: Principal, escalation_id: UUID, *, base_url: str
) -> wire.Escalation:
    """An escalation of the caller's tenant, as it is told.

    Raises:
        ProblemError: there is none; another tenant's is none.
    """
    told = await views.view(services, escalation_id, base_url=base_url, tenant=principal.tenant)
    if told is None:
        raise _not_found()
    return told


async def _submit(
    services: Services,
    principal: Principal,
    things: list[tuple[Submission, Mapping[str, StoredPart]]],
    *,
    keys: list[str | None],
    request_sha256: str | None,
    traceparent: str | None,
    as_batch: bool = False,
) -> list[Placed]:
    uploads = {part.job_id for _, media in things for part in media.values() if part.is_stored}
    try:
        policy = await asyncio.to_thread(_policy, services.settings)
        asked = [
            _asked(services, submission, media, policy, key, request_sha256, traceparent)
            for (submission, media), key in zip(things, keys, strict=True)
        ]
        try:
            placed = await _place(services, principal, asked, as_batch=as_batch)
        except MediaWantedError:
            uploads = {part.job_id for _, media in things for part in media.values()}
            for _, media in things:
                await keep(services, media)
            asked = [replace(one, lacks_media=False) for one in asked]
            placed = await _place(services, principal, asked, as_batch=as_batch)
    except BaseException:
        await discard(services, uploads)
        raise
    await discard(services, uploads - {one.job_id for one in placed})
    for one in placed:
        if one.ahead is not None:
            await _enqueue(services, one.job_id, one.ahead)
        elif one.state in FINAL and one.webhook_url:
            await webhooks.announce(services, one.job_id)
    return placed


def _policy(settings: Settings) -> str:
    """Imported when first needed: an API process starts without the models' libraries."""
    from dfedge_server.heavy.tier import policy_sha256

    return policy_sha256(settings)


def _asked(
    services: Services,
    submission: Submission,
    media: Mapping[str, StoredPart],
    policy: str,
    key: str | None,
    request_sha256: str | None,
    traceparent: str | None,
) -> Asked:
    check_submission(submission, services.settings)
    hashes = {name: part.sha256 for name, part in media.items()}
    ids = {part.job_id for part in media.values()} or {new_job_id()}
    assert len(ids) == 1, "all media of a submission lies under one job"
    return Asked(
        submission=submission,
        media=media,
        job_id=ids.pop(),
        lacks_media=not all(part.is_stored for part in media.values()),
        input_sha256=input_sha256(submission, hashes, services.settings),
        policy_sha256=policy,
        request_sha256=request_sha256 or request_digest(submission, hashes),
        idempotency_key=key,
        traceparent=traceparent,
    )


async def _place(
    services: Services, principal: Principal, asked: Sequence[Asked], *, as_batch: bool
) -> list[Placed]:
    """The rows, in one transaction."""
    for attempt in range(ATTEMPTS):
        try:
            return await services.db.write(
                lambda connection: place_all(
                    connection, services.settings, principal, asked, as_batch=as_batch
                )
            )
        except IntegrityError:
            if attempt == ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")


async def _enqueue(services: Services, job_id: UUID, ahead: int) -> None:
    """Hand the job to the workers; should that fail, they find its row by themselves."""
    try:
        await services.queue.enqueue(job_id, ahead=ahead)
    except Exception:
        _log.warning("job %s is kept but is not yet in the queue", job_id, exc_info=True)


def _not_found() -> ProblemError:
    return ProblemError("not_found", "There is no such escalation; it may have been deleted.")

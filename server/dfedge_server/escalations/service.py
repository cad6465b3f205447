"""What may be done with escalations: the one door for the API, the pages and the older endpoints.

An escalation is what was asked, a job the work. Submitting finds the job that judges the same bytes
by the same models, or makes one; the unique constraints of the tables decide between requests that
come at once, and the loser looks again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from dfedge.escalation.wire import FINAL, Stage, State, Submission
from dfedge_server.db.models import Batch, Escalation, Job
from dfedge_server.escalations import room
from dfedge_server.escalations.intake import check_submission, input_sha256, request_digest
from dfedge_server.escalations.listing import list_page
from dfedge_server.escalations.progress import wait_until_final
from dfedge_server.escalations.removal import cancel, delete
from dfedge_server.escalations.uploads import StoredPart, discard, new_job_id
from dfedge_server.escalations.views import view, view_all
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
    "submit",
    "submit_all",
    "view",
    "view_all",
    "wait_until_final",
]

ATTEMPTS: Final = 5
"""Requests that want the same job or idempotency key may come at once; each loses to one other."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A submission, ready to become rows.

    Attributes:
        job_id: of the job to be made, if one is; its media lies there already.
    """

    submission: Submission
    media: Mapping[str, StoredPart]
    job_id: UUID
    input_sha256: str
    policy_sha256: str
    request_sha256: str
    idempotency_key: str | None
    traceparent: str | None


@dataclass(frozen=True, slots=True)
class _Placed:
    """What became of it; ``ahead`` is None where no job was made."""

    escalation: Escalation
    ahead: int | None


async def submit(
    services: Services,
    principal: Principal,
    submission: Submission,
    media: Mapping[str, StoredPart],
    *,
    idempotency_key: str | None = None,
    request_sha256: str | None = None,
    traceparent: str | None = None,
) -> Escalation:
    """Accept an escalation: when this returns, it will be done, whatever process dies.

    Args:
        media: as :func:`dfedge_server.escalations.uploads.receive` or ``store`` left it; what is
            not needed, because the same was judged before or it is refused, is deleted.
        request_sha256: of the whole request, where the submission and media are not all of it.
        traceparent: W3C trace context of the request.

    Raises:
        ProblemError: it does not fit, the queue is full, or the idempotency key was used.
    """
    rows = await _submit(
        services,
        principal,
        [(submission, media)],
        keys=[idempotency_key],
        request_sha256=request_sha256,
        traceparent=traceparent,
    )
    return rows[0]


async def submit_all(
    services: Services,
    principal: Principal,
    submissions: tuple[Submission, ...],
    *,
    keys: list[str | None],
    request_sha256: str,
    traceparent: str | None = None,
) -> list[Escalation]:
    """Accept the addresses of a new batch, all of them or none; errors as of :func:`submit`."""
    return await _submit(
        services,
        principal,
        [(submission, {}) for submission in submissions],
        keys=keys,
        request_sha256=request_sha256,
        traceparent=traceparent,
        as_batch=True,
    )


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
        raise ProblemError("not_found", "There is no such escalation; it may have been deleted.")
    return row


async def _submit(
    services: Services,
    principal: Principal,
    things: list[tuple[Submission, Mapping[str, StoredPart]]],
    *,
    keys: list[str | None],
    request_sha256: str | None,
    traceparent: str | None,
    as_batch: bool = False,
) -> list[Escalation]:
    uploads = {part.job_id for _, media in things for part in media.values()}
    try:
        policy = await asyncio.to_thread(_policy, services.settings)
        asked = [
            _asked(services, submission, media, policy, key, request_sha256, traceparent)
            for (submission, media), key in zip(things, keys, strict=True)
        ]
        placed = await _place_all(services, principal, asked, as_batch=as_batch)
    except BaseException:
        await discard(services, uploads)
        raise
    await discard(services, uploads - {one.escalation.job_id for one in placed})
    for one in placed:
        if one.ahead is not None:
            await _enqueue(services, one.escalation.job_id, one.ahead)
        elif one.escalation.job.state in FINAL and one.escalation.webhook_url:
            await webhooks.announce(services, one.escalation.job_id)
    return [one.escalation for one in placed]


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
) -> _Asked:
    check_submission(submission, services.settings)
    hashes = {name: part.sha256 for name, part in media.items()}
    ids = {part.job_id for part in media.values()} or {new_job_id()}
    assert len(ids) == 1, "all media of a submission lies under one job"
    return _Asked(
        submission=submission,
        media=media,
        job_id=ids.pop(),
        input_sha256=input_sha256(submission, hashes, services.settings),
        policy_sha256=policy,
        request_sha256=request_sha256 or request_digest(submission, hashes),
        idempotency_key=key,
        traceparent=traceparent,
    )


async def _place_all(
    services: Services, principal: Principal, asked: list[_Asked], *, as_batch: bool
) -> list[_Placed]:
    """The rows, in one transaction."""
    for attempt in range(ATTEMPTS):
        try:
            async with services.db.session() as session:
                batch = Batch(tenant=principal.tenant) if as_batch else None
                if batch is not None:
                    session.add(batch)
                    await session.flush()
                placed = [await _place(session, services, principal, one, batch) for one in asked]
                if batch is not None and placed[0].escalation.batch_id != batch.id:
                    await session.delete(batch)  # the same was sent twice at once
                return placed
        except IntegrityError:
            if attempt == ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")


async def _place(
    session: AsyncSession,
    services: Services,
    principal: Principal,
    asked: _Asked,
    batch: Batch | None,
) -> _Placed:
    if asked.idempotency_key is not None:
        earlier = await session.scalar(
            select(Escalation).where(
                Escalation.tenant == principal.tenant,
                Escalation.idempotency_key == asked.idempotency_key,
            )
        )
        if earlier is not None:
            if earlier.request_sha256 != asked.request_sha256:
                raise ProblemError("idempotency_conflict")
            return _Placed(earlier, None)
    job = await _same_job(session, principal, asked)
    ahead = None
    if job is None:
        ahead = await room.find(session, services.settings, principal.tenant)
        job = _new_job(principal, asked)
        session.add(job)
        await session.flush()
    row = _new_escalation(principal, asked, job, services, reused=ahead is None, batch=batch)
    session.add(row)
    await session.flush()
    return _Placed(row, ahead)


async def _same_job(session: AsyncSession, principal: Principal, asked: _Asked) -> Job | None:
    """The job that judges, or has judged, the same; one that failed gives up its place."""
    job = await session.scalar(
        select(Job)
        .where(
            Job.tenant == principal.tenant,
            Job.input_sha256 == asked.input_sha256,
            Job.policy_sha256 == asked.policy_sha256,
        )
        .with_for_update()
    )
    if job is not None and job.state in (State.FAILED, State.CANCELLED):
        job.input_sha256 = job.id.hex  # half as long as a hash, so never the same as one
        await session.flush()
        return None
    return job


def _new_job(principal: Principal, asked: _Asked) -> Job:
    submission = msgspec.structs.replace(asked.submission, webhook=None)
    return Job(
        id=asked.job_id,
        tenant=principal.tenant,
        input_sha256=asked.input_sha256,
        policy_sha256=asked.policy_sha256,
        state=State.QUEUED.value,
        kind=submission.kind,
        submission=msgspec.to_builtins(submission),
        media={name: part.key for name, part in asked.media.items()},
        stage=msgspec.to_builtins(Stage(name="waiting")),
        traceparent=asked.traceparent,
    )


def _new_escalation(
    principal: Principal,
    asked: _Asked,
    job: Job,
    services: Services,
    *,
    reused: bool,
    batch: Batch | None,
) -> Escalation:
    submission, settings = asked.submission, services.settings
    device = submission.device_verdict
    keep = submission.keep and settings.retention_days > 0
    days = settings.retention_days if keep else settings.result_days
    fields: dict[str, Any] = {
        "tenant": principal.tenant,
        "key_id": principal.key_id,
        "job_id": job.id,
        "job": job,
        "name": submission.name,
        "reused": reused,
        "idempotency_key": asked.idempotency_key,
        "request_sha256": asked.request_sha256,
        "batch_id": batch.id if batch else None,
        "webhook_url": submission.webhook.url if submission.webhook else None,
        "keep": keep,
        "device_label": device.label.value if device else None,
        "expires_at": datetime.now(UTC) + timedelta(days=days),
        "overrides": [],
    }
    return Escalation(**fields)


async def _enqueue(services: Services, job_id: UUID, ahead: int) -> None:
    """Hand the job to the workers; should that fail, they find its row by themselves."""
    try:
        await services.queue.enqueue(job_id, ahead=ahead)
    except Exception:
        _log.warning("job %s is kept but is not yet in the queue", job_id, exc_info=True)

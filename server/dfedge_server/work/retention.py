"""Deletion: what has had its time, and what nobody wants kept."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, delete, exists, false, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from dfedge.escalation.wire import FINAL
from dfedge_server.blobs import job_prefix
from dfedge_server.db.models import Escalation, Evidence, Job, Session, Worker
from dfedge_server.services import Services

BATCH: Final = 200
"""Rows of one transaction of a sweep."""

ORPHAN_HOURS: Final = 24
"""Blobs without a job are left alone so long: an upload streams in before its job is there."""

_log = logging.getLogger(__name__)


async def keeps_media(services: Services, job_id: UUID) -> bool:
    """Whether anybody who asked for this job wants media and pictures kept."""
    if services.settings.retention_days == 0:
        return False
    async with services.db.reading() as session:
        wanted = exists().where(Escalation.job_id == job_id, Escalation.keep)
        return bool(await session.scalar(select(wanted)))


async def tidy(services: Services, job_id: UUID) -> None:
    """Delete what a job that has ended leaves over; the sweep does it again where this fails."""
    try:
        await _tidy(services, job_id)
    except Exception:
        _log.warning("media of job %s could not be deleted yet", job_id, exc_info=True)


async def sweep(services: Services) -> None:
    """Delete all that has had its time; safe to run in several processes at once."""
    now = datetime.now(UTC)
    async with services.db.session() as session:
        await session.execute(delete(Session).where(Session.expires_at < now))
        await session.execute(delete(Worker).where(Worker.seen_at < now - timedelta(days=1)))
    while await _delete_expired(services, now):
        pass
    for job_id in await _ids(services, _without_escalation()):
        await _delete_job(services, job_id)
    for job_id in await _ids(services, _with_unwanted_media(services)):
        await tidy(services, job_id)
    await _delete_orphaned_blobs(services, now - timedelta(hours=ORPHAN_HOURS))


async def _tidy(services: Services, job_id: UUID) -> None:
    if not await keeps_media(services, job_id):
        await services.blobs.delete_prefix(job_prefix(job_id))
        async with services.db.session() as session:
            await session.execute(delete(Evidence).where(Evidence.job_id == job_id))
            await session.execute(
                update(Job)
                .where(Job.id == job_id)
                .values(media={}, media_deleted_at=datetime.now(UTC))
            )
        return
    # Pictures that an earlier beginning of the job stored.
    async with services.db.reading() as session:
        used = set(await session.scalars(select(Evidence.blob).where(Evidence.job_id == job_id)))
    stored = await services.blobs.keys(f"{job_prefix(job_id)}evidence/")
    await services.blobs.delete(key for key in stored if key not in used)


async def _delete_expired(services: Services, now: datetime) -> bool:
    """Delete a batch of escalations; whether there may be more."""
    async with services.db.session() as session:
        old = select(Escalation.id).where(Escalation.expires_at < now).limit(BATCH)
        ids = list(await session.scalars(old))
        await session.execute(delete(Escalation).where(Escalation.id.in_(ids)))
    if ids:
        _log.info("deleted %d escalations whose time is over", len(ids))
    return len(ids) == BATCH


async def _delete_job(services: Services, job_id: UUID) -> None:
    """Delete a job nobody asks for, blobs first, so that nothing is left without a row."""
    async with services.db.session() as session:
        job = await session.get(Job, job_id, with_for_update=True)
        # Asked again under the lock: somebody may have joined the job in the meantime.
        if job is None or await _has_escalation(session, job_id):
            return
        await services.blobs.delete_prefix(job_prefix(job_id))
        await session.execute(delete(Job).where(Job.id == job_id))
    await services.queue.forget(job_id)


async def _delete_orphaned_blobs(services: Services, before: datetime) -> None:
    old: dict[UUID, list[str]] = {}
    for key in await services.blobs.keys("jobs/", older_than=before):
        try:
            job_id = UUID(key.split("/")[1])
        except ValueError:
            continue  # nothing of ours
        old.setdefault(job_id, []).append(key)
    for job_id, keys in old.items():
        async with services.db.reading() as session:
            known = await session.scalar(select(exists().where(Job.id == job_id)))
        if not known:
            await services.blobs.delete(keys)


async def _ids(services: Services, query: Select[UUID]) -> list[UUID]:
    async with services.db.reading() as session:
        return list(await session.scalars(query.limit(BATCH)))


def _without_escalation() -> Select[UUID]:
    return select(Job.id).where(~exists().where(Escalation.job_id == Job.id))


def _with_unwanted_media(services: Services) -> Select[UUID]:
    """Jobs that ended while the storage or their worker went away."""
    kept: ColumnElement[bool] = exists().where(Escalation.job_id == Job.id, Escalation.keep)
    if services.settings.retention_days == 0:
        kept = false()
    return select(Job.id).where(Job.state.in_(FINAL), Job.media_deleted_at.is_(None), ~kept)


async def _has_escalation(session: AsyncSession, job_id: UUID) -> bool:
    return bool(await session.scalar(select(exists().where(Escalation.job_id == job_id))))

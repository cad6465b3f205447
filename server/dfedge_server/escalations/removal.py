"""Cancelling and deleting: after a deletion nothing of what was sent or found is left."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import msgspec
from sqlalchemy import delete as delete_rows
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from dfedge.escalation.wire import FINAL, Stage, State
from dfedge_server.blobs import job_prefix
from dfedge_server.db.models import Batch, Escalation, Job
from dfedge_server.escalations.views import state_of
from dfedge_server.problems import ProblemError
from dfedge_server.security.audit import record
from dfedge_server.security.principal import Principal
from dfedge_server.services import Services
from dfedge_server.work import retention, webhooks


async def cancel(services: Services, principal: Principal, escalation_id: UUID) -> Escalation:
    """End an escalation that has not ended; one that has stays as it is.

    The job goes on while another escalation waits for it.

    Raises:
        ProblemError: there is no such escalation.
    """
    stopped = False
    async with services.db.session() as session:
        row, job = await _lock(session, principal, escalation_id)
        if state_of(row) in FINAL:
            return row
        row.cancelled_at = datetime.now(UTC)
        if not await _is_wanted(session, job, besides=row):
            _end(job)
            stopped = True
        record(
            session,
            actor=principal.who,
            action="escalation.cancelled",
            subject=str(row.id),
            tenant=row.tenant,
        )
    if stopped:
        await services.queue.cancel(job.id)
        await retention.tidy(services, job.id)
    if row.webhook_url:
        await webhooks.announce(services, job.id)
    return row


async def delete(services: Services, principal: Principal, escalation_id: UUID) -> None:
    """Delete an escalation, and with the last one of its job the media, verdict and evidence.

    Raises:
        ProblemError: there is no such escalation.
    """
    async with services.db.session() as session:
        row, job = await _lock(session, principal, escalation_id)
        last = not await _is_shared(session, job, besides=row)
        unfinished = job.state not in FINAL
        stopped = unfinished and not await _is_wanted(session, job, besides=row)
        record(
            session,
            actor=principal.who,
            action="escalation.deleted",
            subject=str(row.id),
            tenant=row.tenant,
        )
        batch = row.batch_id
        await session.delete(row)
        await session.flush()
        await _delete_empty_batch(session, batch)
        if last:
            # Before the rows: should this fail, they are still there to ask again.
            await services.blobs.delete_prefix(job_prefix(job.id))
            await session.execute(delete_rows(Job).where(Job.id == job.id))
        elif stopped:
            _end(job)
    if stopped:
        await services.queue.cancel(job.id)
    if last:
        await services.queue.forget(job.id)
        # Once more, for what a worker wrote before it noticed.
        await services.blobs.delete_prefix(job_prefix(job.id))


async def _lock(
    session: AsyncSession, principal: Principal, escalation_id: UUID
) -> tuple[Escalation, Job]:
    """The escalation and its job, the latter kept from all others until the transaction ends."""
    query = select(Escalation).where(
        Escalation.id == escalation_id, Escalation.tenant == principal.tenant
    )
    found = await session.scalar(query)
    if found is not None:
        await session.execute(select(Job.id).where(Job.id == found.job_id).with_for_update())
        # What was read before the lock may have changed while waiting for it.
        found = await session.scalar(query.execution_options(populate_existing=True))
    if found is None:
        raise ProblemError("not_found", "There is no such escalation; it may have been deleted.")
    return found, found.job


async def _is_shared(session: AsyncSession, job: Job, *, besides: Escalation) -> bool:
    return bool(await _count_others(session, job, besides))


async def _is_wanted(session: AsyncSession, job: Job, *, besides: Escalation) -> bool:
    """Whether another escalation waits for the job."""
    return bool(await _count_others(session, job, besides, waiting=True))


async def _count_others(
    session: AsyncSession, job: Job, besides: Escalation, *, waiting: bool = False
) -> int:
    query = (
        select(func.count())
        .select_from(Escalation)
        .where(Escalation.job_id == job.id, Escalation.id != besides.id)
    )
    if waiting:
        query = query.where(Escalation.cancelled_at.is_(None))
    return await session.scalar(query) or 0


async def _delete_empty_batch(session: AsyncSession, batch_id: UUID | None) -> None:
    if batch_id is None:
        return
    left = await session.scalar(
        select(func.count()).select_from(Escalation).where(Escalation.batch_id == batch_id)
    )
    if not left:
        await session.execute(delete_rows(Batch).where(Batch.id == batch_id))


def _end(job: Job) -> None:
    job.state = State.CANCELLED.value
    job.finished_at = datetime.now(UTC)
    job.stage = msgspec.to_builtins(Stage(name="done"))

"""Rows as the client sees them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import msgspec
from litestar import Request
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from dfedge.escalation import wire
from dfedge.escalation.wire import State
from dfedge.verdict import Label, Verdict
from dfedge_server.db.models import Escalation, Evidence, Job, Override
from dfedge_server.services import Services
from dfedge_server.settings import Settings


def base_url(request: Request[Any, Any, Any], settings: Settings) -> str:
    """What the addresses in an answer begin with, without a slash at the end."""
    return (settings.public_url or str(request.base_url)).rstrip("/")


def state_of(row: Escalation) -> State:
    """Where an escalation stands: with its job, unless it was cancelled itself."""
    return State.CANCELLED if row.cancelled_at else State(row.job.state)


async def view(services: Services, row: Escalation, *, base_url: str) -> wire.Escalation:
    """An escalation with its evidence."""
    return (await view_all(services, [row], base_url=base_url))[0]


async def view_all(
    services: Services, rows: Sequence[Escalation], *, base_url: str
) -> tuple[wire.Escalation, ...]:
    """Several at once, with two queries for all of them."""
    shown = {row.job_id for row in rows if state_of(row) is State.DONE}
    async with services.db.reading() as session:
        evidence = await _evidence(session, shown) if shown else defaultdict(list)
        waiting = await _waiting(session) if any(_waits(row) for row in rows) else []
    return tuple(_view(row, evidence[row.job_id], waiting, base_url) for row in rows)


def _view(
    row: Escalation, evidence: Sequence[Evidence], waiting: list[UUID], base_url: str
) -> wire.Escalation:
    job, state = row.job, state_of(row)
    done = state is State.DONE
    href = f"{base_url}/v1/escalations/{row.id}"
    return wire.Escalation(
        id=row.id,
        state=state,
        kind=job.kind,  # type: ignore[arg-type]
        name=row.name,
        created_at=row.created_at,
        started_at=job.started_at,
        finished_at=row.cancelled_at or job.finished_at,
        expires_at=row.expires_at,
        stage=_stage(job, state),
        queue_position=waiting.index(job.id) if _waits(row) and job.id in waiting else None,
        device_label=Label(row.device_label) if row.device_label else None,
        verdict=_verdict(row) if done else None,
        thresholds=_thresholds(job) if done else None,
        problem=msgspec.convert(job.problem, wire.Problem)
        if state is State.FAILED and job.problem
        else None,
        evidence=tuple(_picture(e, n, href) for n, e in enumerate(evidence)) if done else (),
        media=tuple(wire.Media(part=part, href=f"{href}/media/{part}") for part in job.media),
        notes=tuple(job.notes) if done else (),
        overrides=tuple(_override(override) for override in row.overrides),
        reused=row.reused,
        batch_id=row.batch_id,
        href=href,
        review_href=f"{base_url}/review/{row.id}",
    )


async def _evidence(
    session: AsyncSession, job_ids: Iterable[UUID]
) -> defaultdict[UUID, list[Evidence]]:
    """In the order of :func:`dfedge_server.escalations.pictures.numbered`."""
    found: defaultdict[UUID, list[Evidence]] = defaultdict(list)
    query = select(Evidence).where(Evidence.job_id.in_(list(job_ids))).order_by(Evidence.id)
    for one in await session.scalars(query):
        found[one.job_id].append(one)
    return found


async def _waiting(session: AsyncSession) -> list[UUID]:
    """Jobs that wait, in the order they came; workers take tenants in turn, so about in theirs."""
    query = select(Job.id).where(Job.state == State.QUEUED.value)
    return list(await session.scalars(query.order_by(Job.created_at, Job.id)))


def _waits(row: Escalation) -> bool:
    return state_of(row) is State.QUEUED


def _stage(job: Job, state: State) -> wire.Stage:
    if state in wire.FINAL:
        return wire.Stage(name="done")
    return msgspec.convert(job.stage, wire.Stage) if job.stage else wire.Stage(name="waiting")


def _verdict(row: Escalation) -> Verdict | None:
    """Under the name this caller gave, where others asked for the same bytes under another."""
    if row.job.verdict is None:
        return None
    verdict = msgspec.convert(row.job.verdict, Verdict)
    if not row.name or verdict.source.name == row.name:
        return verdict
    source = msgspec.structs.replace(verdict.source, name=row.name)
    return msgspec.structs.replace(verdict, source=source)


def _thresholds(job: Job) -> wire.Thresholds | None:
    return msgspec.convert(job.thresholds, wire.Thresholds) if job.thresholds else None


def _picture(row: Evidence, number: int, href: str) -> wire.Picture:
    return wire.Picture(
        kind=row.kind,  # type: ignore[arg-type]
        href=f"{href}/evidence/{number}",
        media_type=row.media_type,
        track_id=row.track_id,
        frame_index=row.frame_index,
        pts_seconds=row.pts_seconds,
        model=row.model,
    )


def _override(row: Override) -> wire.Override:
    return wire.Override(label=Label(row.label), note=row.note, by=row.by, at=row.created_at)

"""Escalations as the client sees them, read in as few statements as can be.

Columns that hold JSON come as text and are decoded straight into their types.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Request
from sqlalchemy import Connection, Row, Select, Text, bindparam, cast, exists, select

from dfedge.escalation import wire
from dfedge.escalation.wire import State
from dfedge.verdict import Label, Verdict
from dfedge_server.db.models import Escalation, Evidence, Job, Override
from dfedge_server.services import Services
from dfedge_server.settings import Settings

_STAGE: Final = msgspec.json.Decoder(wire.Stage)
_VERDICT: Final = msgspec.json.Decoder(Verdict | None)
_THRESHOLDS: Final = msgspec.json.Decoder(wire.Thresholds | None)
_PROBLEM: Final = msgspec.json.Decoder(wire.Problem | None)
_NOTES: Final = msgspec.json.Decoder(tuple[str, ...])
_MEDIA: Final = msgspec.json.Decoder(dict[str, str])
_NULL: Final = "null"
"""A column without a value may be NULL or hold this."""


def base_url(request: Request[Any, Any, Any], settings: Settings) -> str:
    """What the addresses in an answer begin with, without a slash at the end."""
    return (settings.public_url or str(request.base_url)).rstrip("/")


def state_of(row: Escalation) -> State:
    """Where an escalation stands: with its job, unless it was cancelled itself."""
    return State.CANCELLED if row.cancelled_at else State(row.job.state)


SHOWN: Final = select(
    Escalation.id,
    Escalation.tenant,
    Escalation.job_id,
    Escalation.name,
    Escalation.created_at,
    Escalation.expires_at,
    Escalation.cancelled_at,
    Escalation.reused,
    Escalation.batch_id,
    Escalation.device_label,
    Job.state,
    Job.kind,
    Job.started_at,
    Job.finished_at,
    *(
        cast(column, Text).label(column.key)
        for column in (Job.stage, Job.verdict, Job.thresholds, Job.problem, Job.notes, Job.media)
    ),
    exists().where(Evidence.job_id == Escalation.job_id).label("has_evidence"),
    exists().where(Override.escalation_id == Escalation.id).label("has_overrides"),
).join(Job, Job.id == Escalation.job_id)
"""Escalations, of which :func:`view_all` is to show some."""

_ONE: Final = SHOWN.where(Escalation.id == bindparam("wanted"))


async def view(
    services: Services, escalation_id: UUID, *, base_url: str, tenant: str | None = None
) -> wire.Escalation | None:
    """An escalation; None where there is none.

    Args:
        tenant: whose it must be, or there is none.
    """

    def work(connection: Connection) -> tuple[wire.Escalation, ...]:
        rows = connection.execute(_ONE, {"wanted": escalation_id}).all()
        rows = [row for row in rows if tenant is None or row.tenant == tenant]
        return _views(connection, rows, base_url)

    return next(iter(await services.db.read(work)), None)


async def view_all(
    services: Services, query: Select[*tuple[Any, ...]], *, base_url: str
) -> tuple[wire.Escalation, ...]:
    """Those that a query gives, which is made of :data:`SHOWN`."""
    return await services.db.read(
        lambda connection: _views(connection, connection.execute(query).all(), base_url)
    )


def _views(
    connection: Connection, rows: Sequence[Row[*tuple[Any, ...]]], base_url: str
) -> tuple[wire.Escalation, ...]:
    states = [State.CANCELLED if row.cancelled_at else State(row.state) for row in rows]
    done = {
        row.job_id
        for row, state in zip(rows, states, strict=True)
        if row.has_evidence and state is State.DONE
    }
    evidence = _evidence(connection, done) if done else {}
    decided = [row.id for row in rows if row.has_overrides]
    overrides = _overrides(connection, decided) if decided else {}
    waiting = _waiting(connection) if State.QUEUED in states else {}
    return tuple(
        _view(
            row,
            state,
            evidence.get(row.job_id, ()),
            overrides.get(row.id, ()),
            waiting.get(row.job_id) if state is State.QUEUED else None,
            base_url,
        )
        for row, state in zip(rows, states, strict=True)
    )


def _view(
    row: Row[*tuple[Any, ...]],
    state: State,
    evidence: Sequence[Row[*tuple[Any, ...]]],
    overrides: Sequence[Row[*tuple[Any, ...]]],
    position: int | None,
    base_url: str,
) -> wire.Escalation:
    done = state is State.DONE
    href = f"{base_url}/v1/escalations/{row.id}"
    return wire.Escalation(
        id=row.id,
        state=state,
        kind=row.kind,
        name=row.name,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.cancelled_at or row.finished_at,
        expires_at=row.expires_at,
        stage=_stage(row.stage, state),
        queue_position=position,
        device_label=Label(row.device_label) if row.device_label else None,
        verdict=_verdict(row) if done else None,
        thresholds=_THRESHOLDS.decode(row.thresholds or _NULL) if done else None,
        problem=_PROBLEM.decode(row.problem or _NULL) if state is State.FAILED else None,
        evidence=tuple(_picture(e, n, href) for n, e in enumerate(evidence)),
        media=tuple(
            wire.Media(part=part, href=f"{href}/media/{part}") for part in _MEDIA.decode(row.media)
        ),
        notes=_NOTES.decode(row.notes) if done else (),
        overrides=tuple(_override(each) for each in overrides),
        reused=row.reused,
        batch_id=row.batch_id,
        href=href,
        review_href=f"{base_url}/review/{row.id}",
    )


def _evidence(
    connection: Connection, job_ids: Iterable[UUID]
) -> Mapping[UUID, Sequence[Row[*tuple[Any, ...]]]]:
    """In the order of :func:`dfedge_server.escalations.pictures.picture`."""
    query = select(*Evidence.__table__.columns).where(Evidence.job_id.in_(list(job_ids)))
    found: defaultdict[UUID, list[Row[*tuple[Any, ...]]]] = defaultdict(list)
    for row in connection.execute(query.order_by(Evidence.id)):
        found[row.job_id].append(row)
    return found


def _overrides(
    connection: Connection, escalation_ids: Sequence[UUID]
) -> Mapping[UUID, Sequence[Row[*tuple[Any, ...]]]]:
    """Newest first."""
    query = select(
        Override.escalation_id, Override.label, Override.note, Override.by, Override.created_at
    ).where(Override.escalation_id.in_(escalation_ids))
    found: defaultdict[UUID, list[Row[*tuple[Any, ...]]]] = defaultdict(list)
    for row in connection.execute(query.order_by(Override.created_at.desc())):
        found[row.escalation_id].append(row)
    return found


def _waiting(connection: Connection) -> Mapping[UUID, int]:
    """Places of the jobs that wait, in the order they came; workers take tenants in turn, so about
    in theirs."""
    query = select(Job.id).where(Job.state == State.QUEUED.value)
    ids = connection.scalars(query.order_by(Job.created_at, Job.id))
    return {job_id: place for place, job_id in enumerate(ids)}


def _stage(text: str, state: State) -> wire.Stage:
    if state in wire.FINAL:
        return wire.Stage(name="done")
    return wire.Stage(name="waiting") if text == "{}" else _STAGE.decode(text)


def _verdict(row: Row[*tuple[Any, ...]]) -> Verdict | None:
    """Under the name this caller gave, where others asked for the same bytes under another."""
    verdict: Verdict | None = _VERDICT.decode(row.verdict or _NULL)
    if verdict is None or not row.name or verdict.source.name == row.name:
        return verdict
    source = msgspec.structs.replace(verdict.source, name=row.name)
    return msgspec.structs.replace(verdict, source=source)


def _picture(row: Row[*tuple[Any, ...]], number: int, href: str) -> wire.Picture:
    return wire.Picture(
        kind=row.kind,
        href=f"{href}/evidence/{number}",
        media_type=row.media_type,
        track_id=row.track_id,
        frame_index=row.frame_index,
        pts_seconds=row.pts_seconds,
        model=row.model,
    )


def _override(row: Row[*tuple[Any, ...]]) -> wire.Override:
    return wire.Override(label=Label(row.label), note=row.note, by=row.by, at=row.created_at)

"""Waiting for an escalation and telling how it goes; any API process can: it asks the rows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Final
from uuid import UUID

import msgspec
from litestar.response import ServerSentEventMessage
from sqlalchemy import bindparam, select

from dfedge.escalation.wire import FINAL, Stage, State
from dfedge_server.db.models import Escalation, Job
from dfedge_server.escalations.views import view
from dfedge_server.services import Services

SHORTEST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 0.5
"""Seconds between two looks at the row: short at first, since many answers come soon."""

PING_SECONDS: Final = 15.0
"""Silence after which a comment is sent, so that proxies keep the connection open."""

STREAM_SECONDS: Final = 600.0
"""A stream ends after so long, and the client connects again with a key that is checked again."""

RETRY_MILLISECONDS: Final = 1000

_STATE: Final = (
    select(Escalation.cancelled_at, Job.state, Job.stage)
    .join(Job, Job.id == Escalation.job_id)
    .where(Escalation.id == bindparam("wanted"))
)


async def wait_until_final(services: Services, escalation_id: UUID, seconds: float) -> bool:
    """Wait until an escalation has ended or is deleted, but no longer than so; whether it did."""
    deadline = time.monotonic() + seconds
    pause = SHORTEST_PAUSE
    while True:
        seen = await _look(services, escalation_id)
        if seen is None or seen[0] in FINAL:
            return True
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        await asyncio.sleep(min(pause, left))
        pause = min(pause * 1.5, LONGEST_PAUSE)


async def ended_with(services: Services, escalation_id: UUID, last_event_id: str) -> bool:
    """Whether a client that comes back has already had the last event there will be."""
    seen = await _look(services, escalation_id)
    return seen is not None and seen[0] in FINAL and last_event_id == _event_id(*seen)


async def events(
    services: Services, escalation_id: UUID, *, last_event_id: str, base_url: str
) -> AsyncIterator[ServerSentEventMessage]:
    """``progress`` for each new stage, then ``end`` with the escalation; pings in between.

    An event's id says what it tells, so a client that comes back with Last-Event-ID, to this API
    process or another, is told only what is new.
    """
    started = spoken = time.monotonic()
    told = last_event_id
    yield ServerSentEventMessage(data=None, retry=RETRY_MILLISECONDS)
    while time.monotonic() - started < STREAM_SECONDS:
        seen = await _look(services, escalation_id)
        if seen is None:
            yield ServerSentEventMessage(event="deleted", data="{}")
            return
        if seen[0] in FINAL:
            yield await _end(services, escalation_id, seen, base_url)
            return
        now = time.monotonic()
        if _event_id(*seen) != told:
            told, spoken = _event_id(*seen), now
            yield ServerSentEventMessage(event="progress", id=told, data=_progress(*seen))
        elif now - spoken >= PING_SECONDS:
            spoken = now
            yield ServerSentEventMessage(comment="ping", data=None)
        await asyncio.sleep(LONGEST_PAUSE)


async def _end(
    services: Services, escalation_id: UUID, seen: tuple[State, Stage], base_url: str
) -> ServerSentEventMessage:
    told = await view(services, escalation_id, base_url=base_url)
    if told is None:
        return ServerSentEventMessage(event="deleted", data="{}")
    return ServerSentEventMessage(
        event="end", id=_event_id(*seen), data=msgspec.json.encode(told).decode()
    )


async def _look(services: Services, escalation_id: UUID) -> tuple[State, Stage] | None:
    """State and stage; None when the escalation is gone."""
    found = await services.db.read(
        lambda connection: connection.execute(_STATE, {"wanted": escalation_id}).one_or_none()
    )
    if found is None:
        return None
    cancelled_at, state, stage = found
    if cancelled_at is not None:
        return State.CANCELLED, Stage(name="done")
    return State(state), msgspec.convert(stage, Stage) if stage else Stage(name="waiting")


def _event_id(state: State, stage: Stage) -> str:
    return f"{state}-{stage.name}-{stage.done}-{stage.total}"


def _progress(state: State, stage: Stage) -> str:
    return msgspec.json.encode({"state": state, "stage": stage}).decode()

"""What one worker leaves, another does."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from tests.server.conftest import with_settings

from dfedge_server.db.migrate import migrate
from dfedge_server.db.models import Job, Worker
from dfedge_server.services import Services, open_services
from dfedge_server.settings import Settings
from dfedge_server.work import worker as module

from .conftest import MadeTier, accept, ended, job_of, until, working

pytestmark = pytest.mark.anyio


async def test_tenants_are_served_in_turn(services: Services, tier: MadeTier) -> None:
    """One that sent many jobs first does not keep the others waiting."""
    jobs = []
    for tenant, count in (("a", 3), ("b", 2)):
        for ahead in range(count):
            job_id = await accept(services, name=f"{tenant}{ahead}", tenant=tenant, enqueue=False)
            await services.queue.enqueue(job_id, ahead=ahead)
            jobs.append(job_id)
    async with working(services, tier):
        for job_id in jobs:
            await ended(services, job_id)
    assert ["a0", "b0", "a1", "b1", "a2"] == [name for name, _ in tier.seen]


async def test_a_job_that_never_reached_the_queue_is_found(
    services: Services, tier: MadeTier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row of an accepted job is enough: an API that died after writing it loses nothing."""
    monkeypatch.setattr(module, "SWEEP_SECONDS", 0.2)
    job_id = await accept(services, enqueue=False)
    async with working(services, tier):
        job = await ended(services, job_id)
    assert "done" == job.state


async def test_a_job_the_queue_has_done_and_the_table_not_is_done_again(
    services: Services, tier: MadeTier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table counts, should the two not agree."""
    monkeypatch.setattr(module, "SWEEP_SECONDS", 0.2)
    async with working(services, tier):
        job_id = await accept(services)
        await ended(services, job_id)

        async def left() -> bool:
            return not await services.queue.waiting([str(job_id)])

        await until(left)
        async with services.db.session() as session:
            reset = {"state": "queued", "updated_at": datetime.now(UTC) - timedelta(minutes=1)}
            await session.execute(update(Job).where(Job.id == job_id).values(**reset))
        job = await ended(services, job_id)
    assert ("done", 2, 2) == (job.state, job.attempts, len(tier.seen))


async def test_a_stopped_worker_hands_its_job_back(services: Services, tier: MadeTier) -> None:
    """What it had begun counts as never begun, and the next worker does it."""
    tier.hold.set()
    async with working(services, tier):
        job_id = await accept(services)

        async def runs() -> bool:
            return "running" == (await job_of(services, job_id)).state

        await until(runs)
    job = await job_of(services, job_id)
    assert ("queued", 0, None) == (job.state, job.attempts, job.worker)
    assert await asyncio.to_thread(tier.stopped.wait, 30)
    tier.hold.clear()
    async with working(services, tier):
        job = await ended(services, job_id)
    assert ("done", 1) == (job.state, job.attempts)


async def test_a_worker_that_has_time_ends_its_job_first(
    services: Services, tier: MadeTier
) -> None:
    """A worker that is asked to stop gives what runs its patience."""
    tier.hold.set()
    async with working(services, tier, patience=10.0):
        job_id = await accept(services)

        async def runs() -> bool:
            return bool(tier.seen)

        await until(runs)
        tier.hold.clear()
    job = await job_of(services, job_id)
    assert ("done", 1) == (job.state, job.attempts)


@pytest.mark.parametrize(("seconds_from_now", "state"), [(-60, "done"), (60, "running")])
async def test_only_the_silent_are_taken_over(
    settings: Settings,
    postgres: Any,
    tier: MadeTier,
    monkeypatch: pytest.MonkeyPatch,
    seconds_from_now: int,
    state: str,
) -> None:
    """On PostgreSQL a job begun by a worker is begun anew when that one shows no more life."""
    own = with_settings(settings, database_url=postgres(), worker_timeout_seconds=2.0)
    await migrate(own)
    async with open_services(own) as services:
        tier.hold.set()
        async with working(services, tier) as first:
            job_id = await accept(services)

            async def runs() -> bool:
                return bool(tier.seen)

            await until(runs)
            # It dies: its row and what it holds stay.
            monkeypatch.setattr(first, "_hand_back", first._show_life)
        assert await asyncio.to_thread(tier.stopped.wait, 30)
        tier.hold.clear()
        seen_at = datetime.now(UTC) + timedelta(seconds=seconds_from_now)
        async with services.db.session() as session:
            await session.execute(update(Worker).values(seen_at=seen_at))
        async with working(services, tier) as second:
            if state == "done":
                job = await ended(services, job_id)
                assert second.executor_id == job.worker
            else:
                await ended(services, await accept(services))
                await second._take_over()
        job = await job_of(services, job_id)
        assert state == job.state
        async with services.db.reading() as session:
            left = set(await session.scalars(select(Worker.executor_id)))
        assert ({first.executor_id} if state == "running" else set()) == left

"""What has had its time is deleted, wholly, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from dfedge_server.blobs import job_prefix
from dfedge_server.db.models import Escalation, Job, Worker
from dfedge_server.services import Services
from dfedge_server.work import retention

from .conftest import accept, job_of

pytestmark = pytest.mark.anyio


async def _count(services: Services, table: type) -> int:
    async with services.db.reading() as session:
        return await session.scalar(select(func.count()).select_from(table)) or 0


async def test_an_expired_escalation_goes_with_its_job_and_media(services: Services) -> None:
    """Rows and blobs of the one whose time is over are gone; the other is untouched."""
    old = await accept(services, expires_in=timedelta(seconds=-1), state="done", enqueue=False)
    young = await accept(services, state="done", enqueue=False)
    await retention.sweep(services)
    assert (1, 1) == (await _count(services, Escalation), await _count(services, Job))
    assert [] == await services.blobs.keys(job_prefix(old))
    assert 1 == len(await services.blobs.keys(job_prefix(young)))


async def test_a_job_lives_as_long_as_somebody_asks_for_it(services: Services) -> None:
    """Of two escalations of a job the expired one goes alone."""
    job_id = await accept(services, expires_in=timedelta(seconds=-1), state="done", enqueue=False)
    async with services.db.session() as session:
        later = datetime.now(UTC) + timedelta(days=1)
        session.add(
            Escalation(tenant="newsroom", job_id=job_id, request_sha256="1" * 64, expires_at=later)
        )
    await retention.sweep(services)
    assert (1, 1) == (await _count(services, Escalation), await _count(services, Job))
    assert 1 == len(await services.blobs.keys(job_prefix(job_id)))


async def test_media_nobody_wants_kept_goes_later_too(services: Services) -> None:
    """A worker that died between verdict and deletion leaves media that the sweep deletes."""
    job_id = await accept(services, keep=False, state="done", enqueue=False)
    running = await accept(services, keep=False, state="running", enqueue=False)
    await retention.sweep(services)
    assert [] == await services.blobs.keys(job_prefix(job_id))
    assert {} == (await job_of(services, job_id)).media
    assert 1 == len(await services.blobs.keys(job_prefix(running)))


async def test_an_upload_without_a_job_is_deleted_after_a_day(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An upload that still streams in has no job yet and stays; one of yesterday goes."""
    key = "jobs/00000000-0000-7000-8000-000000000000/media/clip"
    await services.blobs.put(key, b"half an upload")
    await services.blobs.put("jobs/of somebody else/file", b"")
    await retention.sweep(services)
    assert key in await services.blobs.keys("jobs/")
    monkeypatch.setattr(retention, "ORPHAN_HOURS", -1)
    await retention.sweep(services)
    assert ["jobs/of somebody else/file"] == [
        key.replace("%20", " ") for key in await services.blobs.keys("jobs/")
    ]


async def test_old_rows_of_workers_go(services: Services) -> None:
    """A worker not seen for a day is forgotten."""
    async with services.db.session() as session:
        for name, age in (("old", timedelta(days=2)), ("new", timedelta(0))):
            seen = datetime.now(UTC) - age
            session.add(Worker(executor_id=name, host="h", pid=1, seen_at=seen))
    await retention.sweep(services)
    async with services.db.reading() as session:
        assert ["new"] == list(await session.scalars(select(Worker.executor_id)))

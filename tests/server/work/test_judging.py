"""A job ends once, with what its models say or with a problem."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError

from dfedge.errors import MediaFetchError, MediaFormatError
from dfedge_server.blobs import job_prefix
from dfedge_server.db.models import Evidence, Job, Worker
from dfedge_server.services import Services

from .conftest import MEDIA, MadeTier, accept, ended, job_of, until, working

pytestmark = pytest.mark.anyio


async def _evidence(services: Services, job_id: UUID) -> list[Evidence]:
    async with services.db.reading() as session:
        return list(await session.scalars(select(Evidence).where(Evidence.job_id == job_id)))


async def test_a_job_ends_with_a_verdict_and_its_evidence(
    services: Services, tier: MadeTier
) -> None:
    """Media reaches the models; verdict, notes and pictures are kept, and the media with them."""
    async with working(services, tier):
        job = await ended(services, await accept(services, name="clip.mp4"))
    assert ("done", 1) == (job.state, job.attempts)
    assert [("clip.mp4", {"clip": MEDIA})] == tier.seen
    assert job.verdict is not None
    assert "NO_FACE" == job.verdict["label"]
    assert ["a note"] == job.notes
    assert "done" == job.stage["name"]
    (row,) = await _evidence(services, job.id)
    assert ("face", 3, b"picture") == (
        row.kind,
        row.frame_index,
        await services.blobs.get(row.blob),
    )
    assert MEDIA == await services.blobs.get(job.media["clip"])


async def test_zero_retention_leaves_the_verdict_alone(services: Services, tier: MadeTier) -> None:
    """With keep: false neither media nor pictures of faces outlive the verdict."""
    async with working(services, tier):
        job = await ended(services, await accept(services, keep=False))

        async def nothing_kept() -> bool:
            return not await services.blobs.keys(job_prefix(job.id))

        await until(nothing_kept)
    job = await job_of(services, job.id)
    assert job.verdict is not None
    assert {} == job.media
    assert job.media_deleted_at is not None
    assert [] == await _evidence(services, job.id)


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (MediaFormatError("clip.mp4", "is no video"), "media_unreadable"),
        (MediaFetchError("http://x", "leads to a private network"), "fetch_failed"),
        (ZeroDivisionError(), "internal_error"),
    ],
)
async def test_a_failure_is_told_and_not_tried_again(
    services: Services, tier: MadeTier, failure: Exception, code: str
) -> None:
    """What would fail again ends the job at once, with a problem that has a code."""
    tier.failures = [failure]
    async with working(services, tier):
        job = await ended(services, await accept(services))
    assert "failed" == job.state
    assert job.problem is not None
    assert code == job.problem["code"]
    assert 1 == len(tier.seen)


async def test_what_does_not_answer_is_asked_again(services: Services, tier: MadeTier) -> None:
    """A database that is away and an address that answers 503 cost time, not the job."""
    tier.failures = [
        OperationalError("select", {}, Exception("away")),
        MediaFetchError("http://x", "answers HTTP 503; try again later"),
    ]
    async with working(services, tier):
        job = await ended(services, await accept(services))
    assert ("done", 1, 3) == (job.state, job.attempts, len(tier.seen))


async def test_lost_media_is_a_problem(services: Services, tier: MadeTier) -> None:
    """A job whose media is gone says so instead of waiting for it."""
    job_id = await accept(services, enqueue=False)
    await services.blobs.delete_prefix(job_prefix(job_id))
    async with working(services, tier):
        await services.queue.enqueue(job_id, ahead=0)
        job = await ended(services, job_id)
    assert job.problem is not None
    assert "media_unreadable" == job.problem["code"]


async def test_a_job_that_ends_its_workers_is_given_up(services: Services, tier: MadeTier) -> None:
    """After three beginnings without an end the job fails, and is not begun a fourth time."""
    job_id = await accept(services, attempts=3, state="running", worker="dead")
    async with working(services, tier):
        job = await ended(services, job_id)
    assert job.problem is not None
    assert ("failed", "worker_lost") == (job.state, job.problem["code"])
    assert [] == tier.seen


async def test_a_second_run_replaces_the_first(services: Services, tier: MadeTier) -> None:
    """A job that is begun anew after its pictures were stored has them once."""
    job_id = await accept(services)
    async with working(services, tier):
        await ended(services, job_id)
        async with services.db.session() as session:
            await session.execute(update(Job).where(Job.id == job_id).values(state="running"))
        await services.queue.enqueue(job_id, ahead=0)
        job = await ended(services, job_id)

        async def one_picture() -> bool:
            return 1 == len(await services.blobs.keys(f"{job_prefix(job_id)}evidence/"))

        await until(one_picture)
    assert ("done", 2) == (job.state, job.attempts)
    assert 1 == len(await _evidence(services, job_id))


async def test_a_cancelled_job_stops(services: Services, tier: MadeTier) -> None:
    """Its models are told to stop, and what they found is not kept."""
    tier.hold.set()
    async with working(services, tier):
        job_id = await accept(services)

        async def runs() -> bool:
            return "models" == (await job_of(services, job_id)).stage["name"]

        await until(runs)
        async with services.db.session() as session:
            await session.execute(update(Job).where(Job.id == job_id).values(state="cancelled"))
        await services.queue.cancel(job_id)
        following = await accept(services)  # done by the same worker, once the first has stopped
        tier.hold.clear()
        await ended(services, following)
    job = await job_of(services, job_id)
    assert ("cancelled", None) == (job.state, job.verdict)


async def test_a_run_that_was_taken_over_writes_nothing(services: Services, tier: MadeTier) -> None:
    """A worker that was taken for dead, and lives, loses to the one that took its job."""
    tier.hold.set()
    async with working(services, tier):
        job_id = await accept(services)

        async def runs() -> bool:
            return 1 == len(tier.seen)

        await until(runs)
        async with services.db.session() as session:
            taken = update(Job).where(Job.id == job_id).values(worker="another", attempts=2)
            await session.execute(taken)
        tier.hold.clear()

        async def left() -> bool:
            return not await services.queue.waiting([str(job_id)])

        await until(left)
    job = await job_of(services, job_id)
    assert ("running", "another", None) == (job.state, job.worker, job.verdict)
    assert [] == await services.blobs.keys(f"{job_prefix(job_id)}evidence/")


async def test_a_worker_shows_its_models(services: Services, tier: MadeTier) -> None:
    """Its row names the models it answers with, and goes when it stops."""
    async with working(services, tier) as worker:
        async with services.db.reading() as session:
            (row,) = await session.scalars(select(Worker))
        assert (worker.executor_id, "made") == (row.executor_id, row.models[0]["name"])
    async with services.db.reading() as session:
        assert [] == list(await session.scalars(select(Worker)))

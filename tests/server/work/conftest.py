"""Jobs for real workers with a made tier, whose answer is told by the test and takes no time."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4

import msgspec
import pytest

from dfedge.escalation.wire import FINAL, ModelState, Stage, Submission
from dfedge.verdict import Label, SourceInfo, Timing, Verdict
from dfedge_server.blobs import media_key
from dfedge_server.db.migrate import migrate
from dfedge_server.db.models import Escalation, Job
from dfedge_server.heavy.result import EvidencePicture, HeavyResult
from dfedge_server.services import Services, open_services
from dfedge_server.settings import Settings
from dfedge_server.work.worker import WorkerProcess

MEDIA = b"media of a test"
WAIT_SECONDS = 30.0


class MadeTier:
    """Stands in for the models.

    Attributes:
        failures: raised one after the other, before it answers.
        hold: while set, a job runs on until it is cancelled or this is cleared.
        stopped: set once a job that was held has been cancelled.
        seen: names and media of what it was asked to judge.
    """

    notes = ("made for a test",)

    def __init__(self) -> None:
        self.failures: list[Exception] = []
        self.hold = threading.Event()
        self.stopped = threading.Event()
        self.seen: list[tuple[str, dict[str, bytes]]] = []

    def models(self) -> tuple[ModelState, ...]:
        """One."""
        return (
            ModelState(
                name="made",
                version="1.0.0",
                sha256="0" * 64,
                architecture="made",
                summary="made",
                weight=1.0,
                heavy=True,
                loaded=True,
            ),
        )

    def judge(
        self,
        submission: Submission,
        media: Mapping[str, Path],
        *,
        name: str,
        workdir: Path,
        progress: Callable[[Stage], None],
        cancelled: Callable[[], bool],
    ) -> HeavyResult:
        """What the test told."""
        self.seen.append((name, {part: path.read_bytes() for part, path in media.items()}))
        progress(Stage(name="models", done=1, total=2))
        while self.hold.is_set():
            if cancelled():
                self.stopped.set()
                raise InterruptedError("cancelled")
            time.sleep(0.02)
        if self.failures:
            raise self.failures.pop(0)
        picture = EvidencePicture(
            kind="face", data=b"picture", media_type="image/png", track_id=0, frame_index=3
        )
        return HeavyResult(made_verdict(name), (picture,), ("a note",))

    def close(self) -> None:
        """Nothing is open."""


def made_verdict(name: str) -> Verdict:
    """A verdict of a source without a face."""
    return Verdict(
        source=SourceInfo(
            name=name,
            kind="image",
            width=8,
            height=8,
            duration_seconds=None,
            sampling="all",
            frames_sampled=1,
            frames_with_face=0,
        ),
        label=Label.NO_FACE,
        fake_probability=None,
        confidence=None,
        reasons=(),
        tracks=(),
        timeline=(),
        opinions=(),
        models=(),
        timing=Timing(
            total_seconds=0.0, decode_seconds=0.0, faces_seconds=0.0, classify_seconds=0.0
        ),
        dfedge_version="test",
    )


@pytest.fixture
def tier() -> MadeTier:
    """What the workers of a test ask."""
    return MadeTier()


@pytest.fixture
async def services(settings: Settings, anyio_backend: str) -> AsyncIterator[Services]:
    """Everything opened on SQLite, and no worker."""
    await migrate(settings)
    async with open_services(settings) as opened:
        yield opened


@asynccontextmanager
async def working(
    services: Services, tier: MadeTier, *, patience: float = 0.0
) -> AsyncIterator[WorkerProcess]:
    """A worker, as long as the block lasts."""
    worker = WorkerProcess(services, open_tier=lambda settings: cast("Any", tier))
    await worker.start()
    try:
        yield worker
    finally:
        await worker.stop(patience=patience)


Working = Callable[..., AbstractAsyncContextManager[WorkerProcess]]


async def accept(
    services: Services,
    *,
    name: str = "clip",
    enqueue: bool = True,
    keep: bool = True,
    webhook_url: str | None = None,
    expires_in: timedelta = timedelta(days=1),
    **changes: Any,
) -> UUID:
    """A job with one escalation and its media, as the API makes them; its id."""
    job_id = uuid4()
    key = media_key(job_id, "clip")
    await services.blobs.put(key, MEDIA)
    submission = Submission(kind="clip", name=name, keep=keep)
    fields: dict[str, Any] = {
        "tenant": "newsroom",
        "input_sha256": job_id.hex,
        "policy_sha256": "0" * 64,
        "kind": "clip",
        "submission": msgspec.to_builtins(submission),
        "media": {"clip": key},
        "stage": msgspec.to_builtins(Stage(name="waiting")),
    }
    async with services.db.session() as session:
        session.add(Job(id=job_id, **(fields | changes)))
        await session.flush()
        session.add(
            Escalation(
                tenant="newsroom",
                job_id=job_id,
                name=name,
                request_sha256="0" * 64,
                keep=keep,
                webhook_url=webhook_url,
                expires_at=datetime.now(UTC) + expires_in,
            )
        )
    if enqueue:
        await services.queue.enqueue(job_id, ahead=0)
    return job_id


async def job_of(services: Services, job_id: UUID) -> Job:
    """The job as it stands."""
    async with services.db.reading() as session:
        job = await session.get(Job, job_id)
    assert job is not None
    return job


async def ended(services: Services, job_id: UUID) -> Job:
    """The job, once it has ended."""

    async def has_ended() -> bool:
        return (await job_of(services, job_id)).state in FINAL

    await until(has_ended)
    return await job_of(services, job_id)


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something holds; fail when it does not for too long."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not await holds():
            await asyncio.sleep(0.05)

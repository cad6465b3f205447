"""What was accepted is done once, whatever process dies: real processes, kill -9, real databases.

``DFEDGE_DURABILITY=200/20`` has 200 jobs and 20 kills; 40 and 5 by default. The figures are printed
(``pytest -s``).
"""

from __future__ import annotations

import asyncio
import io
import os
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import msgspec
import numpy as np
import pytest
from PIL import Image
from sqlalchemy import func, select
from tests.server.conftest import LiveServer, StartServer, free_port, new_key, with_settings

from dfedge.escalation.wire import FINAL, Crop, Submission
from dfedge_server.db.engine import Database
from dfedge_server.db.models import Escalation, Evidence, Job, Worker
from dfedge_server.settings import Settings

JOBS, KILLS = (int(n) for n in os.environ.get("DFEDGE_DURABILITY", "40/5").split("/"))
END_SECONDS = 60 + 6 * JOBS
SIDE = 64
LONG_CROPS = 200
"""Crops of a job that takes some seconds."""

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(2 * END_SECONDS + 300)]


@dataclass
class Client:
    """Sends pictures, each until it is accepted, as a client with retries does.

    Attributes:
        accepted: identities that were given back, by idempotency key.
        answers: how often a status was answered; 0 where the connection broke.
    """

    url: str
    headers: dict[str, str]
    accepted: dict[str, str] = field(default_factory=dict)
    answers: dict[int, int] = field(default_factory=dict)

    def send(self, number: int, *, crops: int = 4) -> None:
        """Until the answer is 2xx."""
        key = f"job-{number}"
        while key not in self.accepted:
            try:
                answer = httpx.post(
                    f"{self.url}/v1/escalations",
                    headers=self.headers | {"Idempotency-Key": key},
                    files=_parts(number, crops),
                    timeout=30.0,
                )
            except httpx.TransportError:
                status = 0
            else:
                status = answer.status_code
                if status // 100 == 2:
                    self.accepted[key] = answer.json()["id"]
            self.answers[status] = self.answers.get(status, 0) + 1
            assert status in (0, 200, 202, 503), answer.text
            if status not in (200, 202):
                time.sleep(0.1)

    def send_all(self, count: int) -> None:
        """One after the other, some while processes die."""
        for number in range(count):
            self.send(number)


def _parts(number: int, crops: int) -> dict[str, tuple[str | None, bytes, str]]:
    """A submission of made crops that no other has."""
    noise = np.random.default_rng(number).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    picture = io.BytesIO()
    Image.fromarray(noise).save(picture, "PNG")
    manifest = Submission(
        kind="crops",
        name=f"{number}",
        crops=tuple(_crop(frame) for frame in range(crops)),
        frames_sampled=crops,
    )
    parts: dict[str, tuple[str | None, bytes, str]] = {
        "manifest": (None, msgspec.json.encode(manifest), "application/json")
    }
    for crop in manifest.crops:
        parts[crop.part] = (f"{crop.part}.png", picture.getvalue(), "image/png")
    return parts


def _crop(frame: int) -> Crop:
    return Crop(
        part=f"face-{frame}",
        track_id=0,
        frame_index=frame,
        pts_seconds=float(frame),
        frame_width=SIDE,
        frame_height=SIDE,
        left=0,
        top=0,
        box=(16.0, 16.0, 48.0, 48.0),
        detection_score=0.9,
    )


@pytest.fixture
def quick(settings: Settings) -> Settings:
    """Dead workers are noticed soon, and nothing is limited."""
    return with_settings(
        settings,
        port=free_port(),
        worker_timeout_seconds=4.0,
        requests_per_minute=100_000,
        max_queue_per_tenant=1000,
        heatmaps=1,
    )


async def test_every_job_ends_once_on_sqlite(
    quick: Settings, live_server: StartServer, database: Database
) -> None:
    """The one process of the default set-up is killed again and again."""
    servers = {"all": live_server(settings=quick)}
    await _survive(quick, live_server, servers, database)


async def test_every_job_ends_once_on_postgres(
    quick: Settings, live_server: StartServer, postgres: Callable[[], str]
) -> None:
    """An API and two workers are killed again and again, at random."""
    own = with_settings(quick, database_url=postgres())
    servers = {"api": live_server("api", settings=own, ready=False)}
    servers |= {f"worker {n}": live_server("worker", settings=own) for n in (1, 2)}
    database = Database(own)
    try:
        await _survive(own, live_server, servers, database)
    finally:
        await database.close()


async def test_another_worker_ends_the_job_of_one_that_is_gone(
    settings: Settings, live_server: StartServer, postgres: Callable[[], str]
) -> None:
    """A worker killed for good in the middle of a job: the other ends it within 60 s."""
    own = with_settings(settings, database_url=postgres(), port=free_port())
    api = live_server("api", settings=own, ready=False)
    started = [live_server("worker", settings=own) for _ in range(2)]
    workers = {server.process.pid: server for server in started}
    client = Client(api.url, new_key(own).headers)
    database = Database(own)
    try:
        client.send(0, crops=LONG_CROPS)
        job = await _wait(database, lambda job: job.state == "running")
        async with database.reading() as session:
            pid = await session.scalar(select(Worker.pid).where(Worker.executor_id == job.worker))
        workers[pid or 0].kill()
        died = time.monotonic()
        assert "running" == (await _jobs(database))[0].state
        ended = await _wait(database, lambda job: job.state in FINAL)
        seconds = time.monotonic() - died
    finally:
        await database.close()
    _tell(f"the other worker had ended the job {seconds:.1f} s after the first died")
    assert ("done", 2) == (ended.state, ended.attempts)
    assert job.worker != ended.worker
    assert seconds < 60


async def _survive(
    settings: Settings,
    start: StartServer,
    servers: dict[str, LiveServer],
    database: Database,
) -> None:
    """Send jobs while processes die, and look at what is left in the end."""
    began = time.monotonic()
    client = Client(f"http://127.0.0.1:{settings.port}", new_key(settings).headers)
    sender = threading.Thread(target=client.send_all, args=(JOBS,))
    sender.start()
    killed = await _kill_at_random(settings, start, servers, database)
    sender.join(END_SECONDS)
    assert JOBS == len(client.accepted)
    await _wait_for_all(database)
    seconds = time.monotonic() - began
    jobs = await _jobs(database)
    _tell(
        f"{len(jobs)} jobs, {len(killed)} kills ({', '.join(killed)}), {seconds:.0f} s; "
        f"begun {sum(job.attempts for job in jobs)} times; answers {client.answers}"
    )
    assert {"done"} == {job.state for job in jobs}
    assert JOBS == len(jobs)
    assert all(job.verdict is not None and job.problem is None for job in jobs)
    await _check_nothing_is_doubled(settings, database, set(client.accepted.values()))


async def _kill_at_random(
    settings: Settings, start: StartServer, servers: dict[str, LiveServer], database: Database
) -> list[str]:
    """Kill and start again, spread over the jobs; the names of what was killed."""
    dice = random.Random(5)
    killed: list[str] = []
    while len(killed) < KILLS:
        done = await _count_done(database)
        due = JOBS * (len(killed) + dice.random()) / (KILLS + 1)
        patience = time.monotonic() + END_SECONDS / KILLS
        while done < due and time.monotonic() < patience:
            await asyncio.sleep(0.02)
            done = await _count_done(database)
        await asyncio.sleep(dice.random() / 2)  # anywhere in a job, or between two
        name = dice.choice(sorted(servers))
        servers[name].kill()
        killed.append(name)
        words = () if name == "all" else (name.split()[0],)
        servers[name] = start(*words, settings=settings, ready=False)
    return killed


async def _check_nothing_is_doubled(
    settings: Settings, database: Database, accepted: set[str]
) -> None:
    async with database.reading() as session:
        escalations = [str(one) for one in await session.scalars(select(Escalation.id))]
        evidence = list(await session.scalars(select(Evidence)))
    assert JOBS == len(escalations) == len(set(escalations))
    assert accepted == set(escalations)
    pictures = [
        (row.job_id, row.kind, row.track_id, row.frame_index, row.model) for row in evidence
    ]
    assert len(pictures) == len(set(pictures))
    media = {path.relative_to(settings.data_dir / "media") for path in _files(settings)}
    kept = {row.blob for row in evidence}
    assert kept == {str(path) for path in media if "evidence" in path.parts}


def _files(settings: Settings) -> Iterator[Path]:
    return (path for path in (settings.data_dir / "media" / "jobs").rglob("*") if path.is_file())


async def _count_done(database: Database) -> int:
    async with database.reading() as session:
        query = select(func.count()).select_from(Job).where(Job.state.in_(FINAL))
        return await session.scalar(query) or 0


async def _wait_for_all(database: Database) -> None:
    end = time.monotonic() + END_SECONDS
    while await _count_done(database) < JOBS:
        assert time.monotonic() < end, [
            (job.id, job.state, job.attempts, job.worker)
            for job in await _jobs(database)
            if job.state not in FINAL
        ]
        await asyncio.sleep(0.2)


async def _jobs(database: Database) -> list[Job]:
    async with database.reading() as session:
        return list(await session.scalars(select(Job)))


async def _wait(database: Database, holds: Callable[[Job], bool]) -> Job:
    """The one job, once something holds of it."""
    end = time.monotonic() + 120
    while True:
        for job in await _jobs(database):
            if holds(job):
                return job
        assert time.monotonic() < end
        await asyncio.sleep(0.02)


def _tell(figures: str) -> None:
    sys.stdout.write(f"\n{figures}\n")

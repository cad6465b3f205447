"""One job from its queue to its verdict.

A job may be begun more than once: its worker may die, or be taken for dead and live. Each beginning
has a number (``Job.attempts``) and a worker, and only the newest may write; so a job ends once,
whoever else still works at it. What it writes replaces what an earlier beginning left.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import tempfile
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import delete, update

from dfedge.escalation.wire import FINAL, Stage, State, Submission
from dfedge_server.blobs import evidence_key
from dfedge_server.db.models import Evidence, Job
from dfedge_server.services import Services
from dfedge_server.telemetry.work import measure_job
from dfedge_server.work import retention
from dfedge_server.work.failures import TransientError, lost_worker, problem_for, tries_for

if TYPE_CHECKING:
    from dfedge_server.heavy.result import EvidencePicture, HeavyResult
    from dfedge_server.heavy.tier import HeavyTier

MAX_ATTEMPTS: Final = 3
"""Times a job may be begun without ending before it is taken for what ends its workers."""

STAGE_SECONDS: Final = 0.5
"""Between two looks at a job that runs: its progress is written, its cancellation noticed."""

_SUFFIXES: Final = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}

_WAITING: Final = Stage(name="waiting")

_log = logging.getLogger(__name__)


class SupersededError(Exception):
    """The job was cancelled, deleted or begun by another: what this one finds is not wanted."""


@dataclass(eq=False)
class Run:
    """One time that a job is begun.

    Attributes:
        attempt: its number; None until it is begun.
        stage: how far it has come, as the models tell.
        failures: how often it could not go on.
        stopped: nobody wants its result any more.
    """

    job_id: UUID
    attempt: int | None = None
    stage: Stage = _WAITING
    failures: int = 0
    stopped: bool = False


class Judge:
    """Does jobs; one for a worker process."""

    def __init__(
        self, services: Services, tier: HeavyTier, executor: Executor, *, worker: str, scratch: Path
    ) -> None:
        self._services = services
        self._scratch = scratch
        self._tier = tier
        self._executor = executor
        self._worker = worker
        self._running: set[Run] = set()

    async def judge(self, run: Run) -> str:
        """Do a job to its end, and tell the state it is in.

        Raises:
            TransientError: the database, the storage or an address does not answer just now.
        """
        try:
            job = await self._begin(run)
        except Exception as error:
            _perhaps_again(run, error)
            raise
        if job is None:
            return "nothing to do"
        with measure_job(run.job_id, job.traceparent) as measure:
            try:
                await self._keep(run, job, await self._compute(run, job))
                measure.outcome = State.DONE
            except SupersededError:
                measure.outcome = None
                return "superseded"
            except Exception as error:
                measure.outcome = None
                _perhaps_again(run, error)
                await self._fail(run, error)
                measure.outcome = State.FAILED
            return measure.outcome

    async def change_tier(self, tier: HeavyTier) -> HeavyTier:
        """Let jobs to come use other models; gives back the former ones when no job uses them."""
        former, self._tier = self._tier, tier
        using = set(self._running)
        while using & self._running:
            await asyncio.sleep(STAGE_SECONDS)
        return former

    def stop(self) -> None:
        """Ask what runs to end soon; its jobs are begun anew elsewhere."""
        for run in self._running:
            run.stopped = True

    async def _begin(self, run: Run) -> Job | None:
        """Take the job; None where there is nothing to do for this run."""
        async with self._services.db.session() as session:
            job = await session.get(Job, run.job_id, with_for_update=True)
            if job is None or job.state in FINAL:
                return None
            if run.attempt is not None:  # another try of the same run
                return job if self._is_mine(job, run) else None
            if job.attempts >= MAX_ATTEMPTS:
                _end(job, State.FAILED)
                job.problem = msgspec.to_builtins(lost_worker(job.attempts))
                return None
            job.attempts += 1
            job.worker = self._worker
            job.state = State.RUNNING
            job.started_at = datetime.now(UTC)
            job.stage = msgspec.to_builtins(run.stage)
        run.attempt = job.attempts
        return job

    async def _compute(self, run: Run, job: Job) -> HeavyResult:
        """The verdict; in a folder that is gone afterwards."""
        with tempfile.TemporaryDirectory(prefix="job-", dir=self._scratch) as folder:
            media = await self._download(job, Path(folder))
            submission = msgspec.convert(job.submission, Submission)
            self._running.add(run)
            watch = asyncio.create_task(self._watch(run))
            try:
                call = self._call(run, submission, media, Path(folder))
                context = contextvars.copy_context()  # log lines and spans of the job's
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(self._executor, context.run, call)
            except Exception as error:
                if run.stopped:
                    raise SupersededError from error
                raise
            finally:
                self._running.discard(run)
                watch.cancel()
                with suppress(asyncio.CancelledError):
                    await watch

    async def _download(self, job: Job, folder: Path) -> dict[str, Path]:
        media = {}
        for number, (part, key) in enumerate(job.media.items()):
            path = folder / f"media-{number}"
            await self._services.blobs.download(key, path)
            media[part] = path
        return media

    def _call(
        self, run: Run, submission: Submission, media: dict[str, Path], folder: Path
    ) -> Callable[[], HeavyResult]:
        tier = self._tier  # to its end, whatever is loaded meanwhile

        def progress(stage: Stage) -> None:
            run.stage = stage

        def call() -> HeavyResult:
            return tier.judge(
                submission,
                media,
                name=submission.name,
                workdir=folder,
                progress=progress,
                cancelled=lambda: run.stopped,
            )

        return call

    async def _watch(self, run: Run) -> None:
        """Write progress and notice that the job is not wanted any more."""
        written: Stage | None = None
        while True:
            await asyncio.sleep(STAGE_SECONDS)
            stage = run.stage
            try:
                if not await self._touch(run, None if stage == written else stage):
                    run.stopped = True
                    return
                written = stage
            except Exception:
                _log.warning("the progress of job %s cannot be written", run.job_id, exc_info=True)

    async def _touch(self, run: Run, stage: Stage | None) -> bool:
        """Write the stage, where there is one; whether the job is still this run's."""
        if stage is None:
            async with self._services.db.reading() as session:
                job = await session.get(Job, run.job_id)
            return job is not None and job.state not in FINAL and self._is_mine(job, run)
        async with self._services.db.session() as session:
            changed = await session.execute(
                update(Job)
                .where(Job.id == run.job_id, Job.state == State.RUNNING)
                .where(Job.worker == self._worker, Job.attempts == run.attempt)
                .values(stage=msgspec.to_builtins(stage))
            )
            return bool(changed.rowcount)  # type: ignore[attr-defined]

    async def _keep(self, run: Run, job: Job, result: HeavyResult) -> None:
        """Store pictures, then verdict and rows in one transaction."""
        pictures = result.pictures if await retention.keeps_media(self._services, job.id) else ()
        rows = await self._put_pictures(run, pictures)
        try:
            await self._write(run, result, rows)
        except SupersededError:
            await self._services.blobs.delete(row.blob for row in rows)
            raise
        await retention.tidy(self._services, job.id)

    async def _write(self, run: Run, result: HeavyResult, rows: list[Evidence]) -> None:
        async with self._services.db.session() as session:
            current = await session.get(Job, run.job_id, with_for_update=True)
            if current is None or current.state in FINAL or not self._is_mine(current, run):
                raise SupersededError
            await session.execute(delete(Evidence).where(Evidence.job_id == run.job_id))
            session.add_all(rows)
            current.verdict = msgspec.to_builtins(result.verdict)
            current.thresholds = (
                None if result.thresholds is None else msgspec.to_builtins(result.thresholds)
            )
            current.notes = list(result.notes)
            current.problem = None
            _end(current, State.DONE)

    async def _put_pictures(
        self, run: Run, pictures: tuple[EvidencePicture, ...]
    ) -> list[Evidence]:
        """Under names of this attempt's own, so that no two runs write the same blob."""
        rows = []
        for number, picture in enumerate(pictures):
            name = f"{run.attempt}-{number}.{_SUFFIXES.get(picture.media_type, 'bin')}"
            key = evidence_key(run.job_id, name)
            await self._services.blobs.put(key, picture.data)
            rows.append(_evidence(run.job_id, key, picture))
        return rows

    async def _fail(self, run: Run, error: Exception) -> None:
        """End a job without a verdict."""
        problem = problem_for(error)
        if problem.code == "internal_error":
            _log.error("job %s failed", run.job_id, exc_info=error)
        async with self._services.db.session() as session:
            job = await session.get(Job, run.job_id, with_for_update=True)
            if job is None or job.state in FINAL or not self._is_mine(job, run):
                return
            _end(job, State.FAILED)
            job.problem = msgspec.to_builtins(problem)
        await retention.tidy(self._services, run.job_id)

    def _is_mine(self, job: Job, run: Run) -> bool:
        return job.worker == self._worker and job.attempts == run.attempt


def _perhaps_again(run: Run, error: Exception) -> None:
    """Raise TransientError where another try may help."""
    run.failures += 1
    if run.failures < tries_for(error):
        raise TransientError(error) from error


def _end(job: Job, state: State) -> None:
    job.state = state
    job.finished_at = datetime.now(UTC)
    job.stage = msgspec.to_builtins(Stage(name="done"))


def _evidence(job_id: UUID, key: str, picture: EvidencePicture) -> Evidence:
    fields: dict[str, Any] = {
        name: getattr(picture, name)
        for name in ("kind", "media_type", "track_id", "frame_index", "pts_seconds", "model")
    }
    return Evidence(job_id=job_id, blob=key, **fields)

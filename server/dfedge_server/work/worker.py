"""A worker process: takes jobs from the queue, shows that it lives, and does what others left.

DBOS runs each workflow in a thread of its own; the thread waits for a coroutine on the one event
loop, where database and storage are reached, and the models run in threads beside it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar
from uuid import UUID, uuid4

import msgspec
from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer, StepOptions
from sqlalchemy import delete, select, update

from dfedge.errors import DfedgeError
from dfedge.escalation.wire import FINAL, ModelState, State
from dfedge_server.db.locks import TAKEOVER, try_lock
from dfedge_server.db.models import Job, Worker
from dfedge_server.services import Services
from dfedge_server.settings import Settings
from dfedge_server.work import reloading, retention, webhooks
from dfedge_server.work.failures import MOST_TRIES, TransientError
from dfedge_server.work.judging import Judge, Run
from dfedge_server.work.queue import (
    APPLICATION,
    DELIVER,
    JOBS,
    JUDGE,
    SHAPE,
    WEBHOOKS,
    quieten,
)
from dfedge_server.work.scratch import scratch_folder

if TYPE_CHECKING:
    from dfedge_server.heavy.tier import HeavyTier

SWEEP_SECONDS: Final = 10.0
"""Between two looks for jobs that were accepted and are in no queue."""

RETENTION_SECONDS: Final = 600.0
WEBHOOKS_AT_ONCE: Final = 8
POLL_SECONDS: Final = 0.25

_T = TypeVar("_T")
_log = logging.getLogger(__name__)


def _open_tier(settings: Settings) -> HeavyTier:
    """Imported when first needed: the models' libraries take a second to load."""
    from dfedge_server.heavy.tier import HeavyTier

    return HeavyTier(settings)


class WorkerProcess:
    """The worker of this process; DBOS allows one.

    Args:
        open_tier: loads the models; blocking.
    """

    def __init__(
        self, services: Services, *, open_tier: Callable[[Settings], HeavyTier] = _open_tier
    ) -> None:
        self._services = services
        self._open_tier = open_tier
        self._host = socket.gethostname()[:100]
        self.executor_id = f"{self._host[:40]}-{os.getpid()}-{uuid4().hex[:8]}"
        self._tier: HeavyTier | None = None
        self._judge: Judge | None = None
        self._threads: ThreadPoolExecutor | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._loaded_at = datetime.now(UTC)
        self._tasks: list[asyncio.Task[None]] = []
        self._folders = ExitStack()

    @property
    def models(self) -> tuple[ModelState, ...]:
        """The models it answers with; none before it has started."""
        return () if self._tier is None else self._tier.models()

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about the models, fit for a user."""
        return () if self._tier is None else tuple(self._tier.notes)

    async def start(self) -> None:
        """Load the models, then take jobs.

        Raises:
            DfedgeError: a model cannot be used.
        """
        settings = self._services.settings
        self._loop = asyncio.get_running_loop()
        self._loaded_at = datetime.now(UTC)
        self._tier = await asyncio.to_thread(self._open_tier, settings)
        self._threads = ThreadPoolExecutor(settings.workers, thread_name_prefix="judge")
        self._judge = Judge(
            self._services,
            self._tier,
            self._threads,
            worker=self.executor_id,
            scratch=self._folders.enter_context(scratch_folder()),
        )
        await self._show_life()
        await self._launch()
        beat = min(5.0, settings.worker_timeout_seconds / 4)
        self._tasks = [
            self._every(beat, self._show_life),
            self._every(beat, self._take_over),
            self._every(beat, self._reload),
            self._every(SWEEP_SECONDS, self._sweep),
            self._every(RETENTION_SECONDS, self._clean),
        ]

    async def stop(self, *, patience: float = 0.0) -> None:
        """Take no more jobs, give those that run ``patience`` seconds, and hand back the others."""
        for task in self._tasks[1:]:  # it lives until it is done
            task.cancel()
        await asyncio.to_thread(
            DBOS.destroy, destroy_registry=True, workflow_completion_timeout_sec=round(patience)
        )
        if self._judge is not None:
            self._judge.stop()
        if self._tasks:
            self._tasks[0].cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            await self._hand_back()
        except Exception:
            _log.warning("jobs could not be handed back: others take them over", exc_info=True)
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
        if self._tier is not None:
            await asyncio.to_thread(self._tier.close)
        self._folders.close()

    async def _launch(self) -> None:
        settings = self._services.settings
        quieten()
        config: DBOSConfig = {
            "name": APPLICATION,
            "system_database_url": settings.dbos_database_url,
            "application_version": SHAPE,
            "executor_id": self.executor_id,
            "serializer": DBOSPortableJSONSerializer(),
            "run_migrations": False,
            "log_level": "WARNING",
            "enable_otlp": False,
        }
        DBOS(config=config)
        self._register()
        await asyncio.to_thread(DBOS.launch)
        if settings.is_sqlite:
            await self._take_over()  # what was there before is dead: the folder is locked
        await asyncio.to_thread(
            DBOS.register_queue,
            JOBS,
            worker_concurrency=settings.workers,
            polling_interval_sec=POLL_SECONDS,
            on_conflict="always_update",
        )
        await asyncio.to_thread(
            DBOS.register_queue,
            WEBHOOKS,
            worker_concurrency=WEBHOOKS_AT_ONCE,
            on_conflict="always_update",
        )

    def _register(self) -> None:
        """Tell DBOS the two workflows; each may be begun anew from its start at any time."""

        @DBOS.workflow(name=JUDGE, max_recovery_attempts=None)
        def judge(job_id: str) -> str:
            return self._do_job(UUID(job_id))

        @DBOS.workflow(name=DELIVER, max_recovery_attempts=None)
        def deliver(delivery_id: str, attempt: int) -> str:
            return self._wait(webhooks.deliver(self._services, UUID(delivery_id), attempt))

    def _do_job(self, job_id: UUID) -> str:
        """The whole work on a job, in a thread of DBOS."""
        assert self._judge is not None
        judge, run = self._judge, Run(job_id)
        tries = StepOptions(
            name="judge",
            retries_allowed=True,
            max_attempts=MOST_TRIES,
            interval_seconds=1.0,
            backoff_rate=2.0,
            should_retry=lambda problem: isinstance(problem, TransientError),
        )
        outcome = DBOS.run_step(tries, lambda: self._wait(judge.judge(run)))
        self._wait(webhooks.announce(self._services, job_id))
        return outcome

    def _wait(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Do it on the event loop, and wait here, in a thread of DBOS."""
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _every(self, seconds: float, work: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        async def repeat() -> None:
            while True:
                await asyncio.sleep(seconds)
                try:
                    await work()
                except Exception as problem:
                    _log.warning("%s will be tried again: %s", work.__name__.strip("_"), problem)

        return asyncio.create_task(repeat())

    async def _show_life(self) -> None:
        now = datetime.now(UTC)
        models = [msgspec.to_builtins(model) for model in self.models]
        async with self._services.db.session() as session:
            changed = await session.execute(
                update(Worker)
                .where(Worker.executor_id == self.executor_id)
                .values(seen_at=now, models=models)
            )
            if not changed.rowcount:  # type: ignore[attr-defined]
                session.add(
                    Worker(
                        executor_id=self.executor_id,
                        host=self._host,
                        pid=os.getpid(),
                        seen_at=now,
                        models=models,
                    )
                )

    async def _reload(self) -> None:
        """Load the models anew if an administrator asked for it; where that fails, keep the old."""
        async with self._services.db.reading() as session:
            if not await reloading.asked_since(session, self._loaded_at):
                return
        self._loaded_at = datetime.now(UTC)
        assert self._judge is not None
        try:
            tier = await asyncio.to_thread(self._open_tier, self._services.settings)
        except DfedgeError as error:
            _log.error("models cannot be loaded anew, those before stay: %s", error)
            return
        self._tier = tier
        former = await self._judge.change_tier(tier)
        await asyncio.to_thread(former.close)
        _log.info("models loaded anew")

    async def _take_over(self) -> None:
        """Begin anew what workers began that show no more life."""
        settings = self._services.settings
        since = datetime.now(UTC) - timedelta(seconds=settings.worker_timeout_seconds)
        async with self._services.db.session() as session:
            # One at a time: what another has put back may already be begun by a third.
            if not await try_lock(session, TAKEOVER):
                return
            living = {self.executor_id}
            if not settings.is_sqlite:
                seen = select(Worker.executor_id).where(Worker.seen_at >= since)
                living |= set(await session.scalars(seen))
            held = await self._services.queue.held_by_others(living)
            await self._services.queue.put_back(held)
            await session.execute(delete(Worker).where(Worker.executor_id.not_in(living)))
        if held:
            _log.warning("took over %d workflows of workers that show no more life", len(held))

    async def _sweep(self) -> None:
        """Let the queue know of what our tables say is to be done."""
        before = datetime.now(UTC) - timedelta(seconds=SWEEP_SECONDS)
        async with self._services.db.reading() as session:
            unfinished = (
                select(Job.id)
                .where(Job.state.not_in(FINAL), Job.updated_at < before)
                .order_by(Job.created_at)
                .limit(self._services.settings.max_queue)
            )
            ids = list(await session.scalars(unfinished))
        known = await self._services.queue.waiting(str(job_id) for job_id in ids)
        for job_id in ids:
            if str(job_id) not in known:
                _log.warning("job %s was in no queue", job_id)
                await self._services.queue.enqueue(job_id, ahead=0)
        await webhooks.sweep(self._services)

    async def _clean(self) -> None:
        await retention.sweep(self._services)

    async def _hand_back(self) -> None:
        """Let others do what this process began; that is no fault of the jobs."""
        held = await self._services.queue.held_by(self.executor_id)
        async with self._services.db.session() as session:
            await session.execute(
                update(Job)
                .where(Job.worker == self.executor_id, Job.state == State.RUNNING)
                .values(state=State.QUEUED, worker=None, attempts=Job.attempts - 1)
            )
            await session.execute(delete(Worker).where(Worker.executor_id == self.executor_id))
        await self._services.queue.put_back(held)

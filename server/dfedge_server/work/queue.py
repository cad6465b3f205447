"""The queue of jobs and of webhooks, as every process of the server sees it.

DBOS keeps it in tables of its own beside ours; what is put in stays until it has ended. A client
only writes rows: the workers (:mod:`dfedge_server.work.worker`) take them.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import Iterable
from contextlib import closing
from datetime import datetime
from typing import Final
from uuid import UUID

from dbos import DBOS, DBOSClient, DBOSPortableJSONSerializer, EnqueueOptions, error

from dfedge_server.settings import Settings

APPLICATION: Final = "dfedge"
"""Owner of the rows, should the database serve other applications of DBOS."""

SHAPE: Final = "1"
"""DBOS's application version. It stays, so that a newer release finishes what an older one began:
each workflow is one call that may be made again from its start."""

JOBS: Final = "jobs"
WEBHOOKS: Final = "webhooks"
JUDGE: Final = "judge"
DELIVER: Final = "deliver"

TURN_SECONDS: Final = 10
"""A job of a tenant that has n unfinished ones waits as if it had come n times this much later."""

SAY_AGAIN_SECONDS: Final = 60.0
"""Between two warnings of DBOS with the same words."""

_EPOCH: Final = datetime.fromisoformat("2025-01-01T00:00:00+00:00").timestamp()
_ENDED: Final = frozenset({"SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"})


class JobQueue:
    """Puts work into the queue and takes it out again; safe to use from several tasks at once."""

    def __init__(self, client: DBOSClient) -> None:
        self._client = client

    @classmethod
    async def open(cls, settings: Settings) -> JobQueue:
        """Connect; the tables must be there (:func:`migrate_system`)."""
        quieten()
        client = await asyncio.to_thread(
            DBOSClient,
            system_database_url=settings.dbos_database_url,
            serializer=DBOSPortableJSONSerializer(),
            application_name=APPLICATION,
            retry_connection_errors=False,
        )
        return cls(client)

    async def enqueue(self, job_id: UUID, *, ahead: int) -> None:
        """Let a job be done, once: a job that waits or runs already is left alone.

        Args:
            job_id: its row is committed, in state ``queued``.
            ahead: unfinished jobs of its tenant; tenants are served in turn.
        """
        turn = int(time.time() - _EPOCH) + max(0, ahead) * TURN_SECONDS
        options = _options(JUDGE, JOBS, str(job_id))
        options["priority"] = turn
        await self._put(options, str(job_id))

    async def enqueue_delivery(
        self, delivery_id: UUID, *, attempt: int, delay_seconds: float = 0.0
    ) -> None:
        """Let a webhook be sent for the ``attempt``-th time, counted from 0, once."""
        options = _options(DELIVER, WEBHOOKS, delivery_workflow(delivery_id, attempt))
        if delay_seconds > 0:
            options["delay_seconds"] = delay_seconds
        await self._put(options, str(delivery_id), attempt)

    async def cancel(self, job_id: UUID) -> None:
        """Take a job out of the queue; one that runs is told by its row."""
        await self._client.cancel_workflow_async(str(job_id))

    async def forget(self, job_id: UUID) -> None:
        """Drop what the queue knows of a job that is deleted."""
        await self._client.delete_workflow_async(str(job_id))

    async def held_by_others(self, living: Iterable[str]) -> list[tuple[str, str]]:
        """Workflows, and their queues, begun by executors that are not among the living."""
        found = await self._client.list_workflows_async(
            status="PENDING", queue_name=[JOBS, WEBHOOKS], load_input=False, load_output=False
        )
        alive = set(living)
        return [
            (one.workflow_id, one.queue_name)
            for one in found
            if one.queue_name is not None and one.executor_id not in alive
        ]

    async def held_by(self, executor_id: str) -> list[tuple[str, str]]:
        """Workflows, and their queues, that this executor has begun and not ended."""
        found = await self._client.list_workflows_async(
            status="PENDING", executor_id=executor_id, load_input=False, load_output=False
        )
        return [(one.workflow_id, one.queue_name) for one in found if one.queue_name is not None]

    async def put_back(self, held: Iterable[tuple[str, str]]) -> None:
        """Let others begin these anew; one that has ended meanwhile stays so."""
        for workflow_id, queue in held:
            await self._client.resume_workflow_async(workflow_id, queue_name=queue)

    async def waiting(self, workflow_ids: Iterable[str]) -> set[str]:
        """Those of the workflows that wait or run."""
        ids = list(workflow_ids)
        if not ids:
            return set()
        found = await self._client.list_workflows_async(
            workflow_ids=ids, load_input=False, load_output=False
        )
        return {one.workflow_id for one in found if one.status not in _ENDED}

    async def close(self) -> None:
        """Let go of all connections."""
        await asyncio.to_thread(self._client.destroy)

    async def _put(self, options: EnqueueOptions, *args: str | int) -> None:
        try:
            await self._client.enqueue_async(options, *args)
        except error.DBOSWorkflowIDInUseError:
            workflow_id = options["workflow_id"]
            if await self.waiting([workflow_id]):
                return
            # It ran, but our row says that it is to be done: the row counts.
            await self._client.delete_workflow_async(workflow_id)
            await self._client.enqueue_async(options, *args)


def _options(workflow: str, queue: str, workflow_id: str) -> EnqueueOptions:
    return {
        "workflow_name": workflow,
        "queue_name": queue,
        "workflow_id": workflow_id,
        "workflow_id_reuse_policy": "reject",
        "app_version": SHAPE,
    }


def delivery_workflow(delivery_id: UUID, attempt: int) -> str:
    """Name of the workflow of one attempt to send a webhook."""
    return f"webhook-{delivery_id}-{attempt}"


async def migrate_system(settings: Settings) -> None:
    """Create or update DBOS's own tables; safe to call from several processes at once."""
    quieten()
    await asyncio.to_thread(_migrate, settings)


def _migrate(settings: Settings) -> None:
    if settings.is_sqlite:
        # Kept in the file from then on: readers and the one writer do not wait for each other.
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = settings.dbos_database_url.removeprefix("sqlite:///")
        with closing(sqlite3.connect(path, timeout=30)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
    DBOS.migrate(settings.dbos_database_url)


def quieten() -> None:
    """Keep DBOS from writing to stderr by itself, and its talk of its inside out of our logs."""
    logger = logging.getLogger("dbos")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
        logger.setLevel(logging.WARNING)
    if not any(isinstance(one, _Sparse) for one in logger.filters):
        logger.addFilter(_Sparse())


class _Sparse(logging.Filter):
    """Lets a warning that comes again and again, as while the database is away, pass now and then.

    Of its text the first line is kept: the rest is SQL, or how to reach the library's authors.
    """

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno > logging.WARNING:
            return True
        record.msg = record.getMessage().partition("\n")[0]
        record.args = ()
        now = time.monotonic()
        if now - self._said.get(record.msg, -SAY_AGAIN_SECONDS) < SAY_AGAIN_SECONDS:
            return False
        if len(self._said) > 100:
            self._said.clear()
        self._said[record.msg] = now
        return True

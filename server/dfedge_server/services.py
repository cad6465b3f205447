"""What every request and every job may use; made once for a process, by hand, no framework."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from dfedge_server.blobs import Blobs
from dfedge_server.db.engine import Database
from dfedge_server.security.callers import KnownCallers
from dfedge_server.settings import Settings
from dfedge_server.work.queue import JobQueue


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of a running server; ``app.state.services``."""

    settings: Settings
    db: Database
    blobs: Blobs
    queue: JobQueue
    callers: KnownCallers


@asynccontextmanager
async def open_services(settings: Settings) -> AsyncIterator[Services]:
    """Open everything, and close it when the block ends; the database must be migrated."""
    db = Database(settings)
    try:
        # Opening a folder or a bucket touches the disk.
        blobs = await asyncio.to_thread(Blobs, settings)
        queue = await JobQueue.open(settings)
        try:
            yield Services(settings, db, blobs, queue, KnownCallers(settings.key_cache_seconds))
        finally:
            await queue.close()
    finally:
        await db.close()

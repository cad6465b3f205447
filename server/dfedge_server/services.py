"""What every request and every job may use; made once for a process, by hand, no framework."""

from __future__ import annotations

from dataclasses import dataclass

from dfedge_server.blobs import Blobs
from dfedge_server.db.engine import Database
from dfedge_server.settings import Settings
from dfedge_server.work.queue import JobQueue


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of a running server; ``app.state.services``."""

    settings: Settings
    db: Database
    blobs: Blobs
    queue: JobQueue

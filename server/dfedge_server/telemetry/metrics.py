"""What Prometheus is told. Names begin with ``dfedge_``; no label holds what a client sent.

Counts of requests are of this API process, seconds of models of this worker process; jobs, workers
and bytes are read from the database and the store when asked, so every API process tells the same.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from sqlalchemy import func, select

from dfedge.escalation.wire import State
from dfedge_server.db.models import Job, Worker
from dfedge_server.services import Services

BLOB_SECONDS = 300.0
"""The store is listed no more often than this to add up its bytes."""

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each counter that nobody asked for
REGISTRY = CollectorRegistry()
for _collector in (ProcessCollector, PlatformCollector, GCCollector):
    _collector(registry=REGISTRY)

REQUESTS = Counter(
    "dfedge_requests", "Requests answered", ("method", "route", "status"), registry=REGISTRY
)
REQUEST_SECONDS = Histogram(
    "dfedge_request_seconds",
    "Seconds from a request to the end of its answer",
    ("method", "route"),
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120),
    registry=REGISTRY,
)
JOBS_FINISHED = Counter(
    "dfedge_jobs_finished", "Jobs this process has ended", ("outcome",), registry=REGISTRY
)
JOB_SECONDS = Histogram(
    "dfedge_job_seconds",
    "Seconds of work on a job",
    buckets=(0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800),
    registry=REGISTRY,
)
MODEL_SECONDS = Histogram(
    "dfedge_model_seconds",
    "Seconds of one model on one source",
    ("model",),
    buckets=(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120),
    registry=REGISTRY,
)
JOBS = Gauge("dfedge_jobs", "Jobs kept, by state: the queue", ("state",), registry=REGISTRY)
OLDEST_QUEUED = Gauge(
    "dfedge_queue_oldest_seconds", "Age of the job that waits longest", registry=REGISTRY
)
WORKERS = Gauge("dfedge_workers_alive", "Workers with a sign of life", registry=REGISTRY)
BLOB_BYTES = Gauge("dfedge_blob_bytes", "Bytes of media and evidence kept", registry=REGISTRY)


@dataclass(slots=True)
class Reading:
    """Reads database and store into the gauges; one for a process."""

    services: Services
    _blobs_read: float = field(default=float("-inf"), init=False)

    async def take(self) -> None:
        """Bring all gauges up to date."""
        now = datetime.now(UTC)
        since = now - timedelta(seconds=self.services.settings.worker_timeout_seconds)
        async with self.services.db.reading() as session:
            counts = dict(
                (await session.execute(select(Job.state, func.count()).group_by(Job.state)))
                .tuples()
                .all()
            )
            oldest = await session.scalar(
                select(func.min(Job.created_at)).where(Job.state == State.QUEUED)
            )
            workers = await session.scalar(
                select(func.count()).select_from(Worker).where(Worker.seen_at >= since)
            )
        for state in State:
            JOBS.labels(state.value).set(counts.get(state.value, 0))
        OLDEST_QUEUED.set(max(0.0, (now - oldest).total_seconds()) if oldest else 0.0)
        WORKERS.set(workers or 0)
        await self._read_blobs()

    async def _read_blobs(self) -> None:
        if time.monotonic() - self._blobs_read < BLOB_SECONDS:
            return
        self._blobs_read = time.monotonic()
        BLOB_BYTES.set(await self.services.blobs.size("jobs/"))

"""Measures of work: a job and each model, as metrics, spans and the ids on log lines."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

import structlog

from dfedge.escalation.wire import State
from dfedge_server.telemetry import metrics, tracing

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class JobMeasure:
    """What becomes of a job; set ``outcome`` before the block ends.

    Attributes:
        outcome: None where the job does not end here, but is begun again; it is not counted then.
    """

    outcome: State | None = State.FAILED


@contextmanager
def measure_job(job_id: UUID, traceparent: str | None) -> Iterator[JobMeasure]:
    """Measure the work on a job; all log lines inside carry its id."""
    measure = JobMeasure()
    started = time.perf_counter()
    with (
        structlog.contextvars.bound_contextvars(job_id=str(job_id)),
        tracing.span("job", {"dfedge.job_id": str(job_id)}, traceparent=traceparent) as span,
    ):
        try:
            yield measure
        finally:
            seconds = time.perf_counter() - started
            if measure.outcome is not None:
                span.set_attribute("dfedge.outcome", measure.outcome.value)
                metrics.JOBS_FINISHED.labels(measure.outcome.value).inc()
                metrics.JOB_SECONDS.observe(seconds)
                _log.info("job ended", outcome=measure.outcome.value, seconds=round(seconds, 3))


def tell_model(name: str, seconds: float) -> None:
    """Tell what a model took for one source; models take turns frame by frame, so its span, which
    ends now, is as long as all its turns together."""
    metrics.MODEL_SECONDS.labels(name).observe(seconds)
    end = time.time_ns()
    tracing.past_span("model", {"dfedge.model": name}, end - round(seconds * 1e9), end)

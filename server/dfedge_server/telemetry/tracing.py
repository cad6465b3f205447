"""OpenTelemetry traces: a request, its job in whichever process, and each model; off by default.

A job carries the trace context of the request that asked first (``Job.traceparent``), so one trace
leads from the API through the queue to the worker.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from dfedge_server.settings import Settings

Attributes = Mapping[str, str | int | float | bool]

_propagator = TraceContextTextMapPropagator()
_provider: TracerProvider | None = None
_tracer: Tracer = trace.NoOpTracer()


def configure(settings: Settings) -> None:
    """Send traces of this process to ``otlp_endpoint``; nothing is made or sent without one."""
    global _provider, _tracer
    shutdown()
    if not settings.otlp_endpoint:
        return
    _provider = TracerProvider(resource=Resource.create({"service.name": "dfedge-server"}))
    exporter = OTLPSpanExporter(endpoint=f"{settings.otlp_endpoint.rstrip('/')}/v1/traces")
    _provider.add_span_processor(BatchSpanProcessor(exporter))
    _tracer = _provider.get_tracer("dfedge_server")


def shutdown() -> None:
    """Send what is left and stop."""
    global _provider, _tracer
    if _provider is not None:
        _provider.shutdown()
    _provider, _tracer = None, trace.NoOpTracer()


@contextmanager
def span(
    name: str,
    attributes: Attributes | None = None,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    traceparent: str | None = None,
) -> Iterator[Span]:
    """A span around a block, under ``traceparent`` if given, else under the one around it."""
    context = _propagator.extract({"traceparent": traceparent}) if traceparent else None
    with _tracer.start_as_current_span(
        name,
        context,
        kind,
        dict(attributes or {}),
        record_exception=False,  # its message may hold what a client sent
        set_status_on_exception=False,
    ) as current:
        try:
            yield current
        except Exception as error:
            current.set_status(StatusCode.ERROR, type(error).__name__)
            raise


def past_span(name: str, attributes: Attributes, start: int, end: int) -> None:
    """A span under the one around the caller, over a time that has passed (ns since 1970)."""
    _tracer.start_span(name, attributes=dict(attributes), start_time=start).end(end)


def current_traceparent() -> str | None:
    """The trace context of the span around the caller, to be carried elsewhere; None when off."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get("traceparent")

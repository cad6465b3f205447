"""Tells of every request, answered or refused, wherever in the application: log, metrics, trace.

Of a request only its route is told (``/v1/escalations/{id}``), never its path or query. The
envelope around it gives the request its identity, which stands on every line.
"""

from __future__ import annotations

import time
from typing import Final

import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send
from opentelemetry.trace import Span, SpanKind, StatusCode

from dfedge_server.telemetry import metrics, tracing

CLIENT_LEFT: Final = 499
"""Told where the client went away before it was answered."""

_log = structlog.get_logger(__name__)
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_OFTEN_ASKED: Final = frozenset({"/health", "/ready", "/healthcheck", "/metrics"})


class Observed:
    """Wraps an application; inside of the envelope, around everything else."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        status = 0

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        started = time.perf_counter()
        with tracing.span("request", kind=SpanKind.SERVER, traceparent=_traceparent(scope)) as span:
            try:
                await self._app(scope, receive, noted)
            finally:
                _tell(scope, span, status or CLIENT_LEFT, time.perf_counter() - started)


def _traceparent(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"traceparent":
            return value.decode("latin-1")
    return None


def _tell(scope: HTTPScope, span: Span, status: int, seconds: float) -> None:
    route = str(scope.get("path_template") or "unmatched")
    method = scope["method"] if scope["method"] in _METHODS else "OTHER"
    metrics.REQUESTS.labels(method, route, str(status)).inc()
    metrics.REQUEST_SECONDS.labels(method, route).observe(seconds)
    span.update_name(f"{method} {route}")
    span.set_attributes(
        {"http.request.method": method, "http.route": route, "http.response.status_code": status}
    )
    if status >= 500:
        span.set_status(StatusCode.ERROR)
    tell = _log.debug if route in _OFTEN_ASKED else _log.info
    tell(
        "request",
        method=method,
        route=route,
        status=status,
        milliseconds=round(seconds * 1000, 1),
        tenant=getattr(scope.get("user"), "tenant", None),
    )

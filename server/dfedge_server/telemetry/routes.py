"""``GET /metrics`` for Prometheus; needs a key of scope ``admin``.

There is no exception for callers on the same machine: behind a reverse proxy all seem to be.
"""

from __future__ import annotations

from litestar import Request, Response, get
from litestar.datastructures import State
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from dfedge_server.escalations.openapi import refusals
from dfedge_server.problems import ProblemError
from dfedge_server.security.guards import requires
from dfedge_server.security.principal import Principal, Scope
from dfedge_server.telemetry.metrics import REGISTRY, Reading


@get(
    "/metrics",
    guards=[requires(Scope.ADMIN)],
    operation_id="metrics",
    tags=["operation"],
    summary="Measures for Prometheus",
    media_type=CONTENT_TYPE_LATEST,
    responses=refusals("not_found"),
)
async def metrics(request: Request[Principal, None, State]) -> Response[bytes]:
    """All measures of this process, and those of database and store."""
    services = request.app.state.services
    if not services.settings.metrics:
        raise ProblemError("not_found", "Metrics are off (setting metrics).")
    reading = request.app.state.setdefault("reading", Reading(services))
    await reading.take()
    return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)


ROUTES = [metrics]

"""Whether the server lives, and whether a model answers; without a key, since probes have none."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get
from litestar.openapi.datastructures import ResponseSpec

from dfedge_server.compat import threshold
from dfedge_server.compat.schemas import Health, HealthCheck, Readiness
from dfedge_server.compat.workers import living
from dfedge_server.services import Services

TAGS = ["health"]


@get("/health", security=[], operation_id="health", tags=TAGS, summary="Whether the process lives")
async def health() -> Health:
    """Always the same while the process answers; it asks nothing of database and workers."""
    return Health()


@get(
    "/ready",
    security=[],
    operation_id="ready",
    tags=TAGS,
    summary="Whether a model answers",
    responses={
        503: ResponseSpec(Readiness, description="No living worker has a model that answers")
    },
)
async def ready(request: Request[Any, Any, Any]) -> Response[Readiness]:
    """By the signs of life of the workers, which load and try their models before the first."""
    services: Services = request.app.state.services
    async with services.db.reading() as session:
        found = await living(session, services.settings)
        limit = await threshold.read(session)
    answer = Readiness(
        status="ready" if found.answers else "degraded",
        model_loaded=found.answers,
        workers=found.workers,
        threshold=limit,
        model_versions=found.versions,
    )
    return Response(answer, status_code=200 if found.answers else 503)


@get(
    "/healthcheck",
    security=[],
    operation_id="healthcheck",
    tags=TAGS,
    summary="Whether a model answers, in the form clients of /predict know",
    responses={503: ResponseSpec(HealthCheck, description="healthy is false")},
)
async def healthcheck(request: Request[Any, Any, Any]) -> Response[HealthCheck]:
    """The same as ``/ready``."""
    services: Services = request.app.state.services
    async with services.db.reading() as session:
        found = await living(session, services.settings)
    answer = HealthCheck(healthy=found.answers, model_versions=found.versions)
    return Response(answer, status_code=200 if found.answers else 503)


ROUTES = [health, ready, healthcheck]

"""``POST /admin/threshold`` and ``/admin/reload-model``; always with a key of scope ``admin``."""

from __future__ import annotations

from typing import Any

from litestar import Request, post
from litestar.params import JSONBody

from dfedge_server.compat import threshold
from dfedge_server.compat.openapi import TAGS
from dfedge_server.compat.schemas import ReloadAsked, ThresholdChange, ThresholdState
from dfedge_server.compat.workers import living
from dfedge_server.escalations.openapi import refusals
from dfedge_server.security import audit
from dfedge_server.security.guards import requires
from dfedge_server.security.principal import Principal, Scope
from dfedge_server.services import Services
from dfedge_server.work import reloading

MAX_BODY_BYTES = 1024


@post(
    "/admin/threshold",
    guards=[requires(Scope.ADMIN)],
    status_code=200,
    operation_id="set_threshold",
    tags=TAGS,
    summary="Set the threshold of /predict and /detect",
    responses=refusals("upload_too_large"),
    request_max_body_size=MAX_BODY_BYTES,
)
async def set_threshold(
    request: Request[Principal, Any, Any], data: JSONBody[ThresholdChange]
) -> ThresholdState:
    """P(fake) from which these endpoints, and no others, say FAKE; kept and audited."""
    services: Services = request.app.state.services
    async with services.db.session() as session:
        before = await threshold.write(session, data.threshold)
        audit.record(
            session,
            actor=request.user.who,
            action="threshold.changed",
            tenant=request.user.tenant,
            before=before,
            after=data.threshold,
        )
    return ThresholdState(threshold=data.threshold)


@post(
    "/admin/reload-model",
    guards=[requires(Scope.ADMIN)],
    status_code=202,
    operation_id="reload_model",
    tags=TAGS,
    summary="Let all workers load their models anew",
    responses=refusals(),
)
async def reload_model(request: Request[Principal, Any, Any]) -> ReloadAsked:
    """Workers do so within seconds, between jobs; those that run are finished by the old models."""
    services: Services = request.app.state.services
    async with services.db.session() as session:
        requested_at = await reloading.ask(session)
        found = await living(session, services.settings)
        audit.record(
            session,
            actor=request.user.who,
            action="models.reload_asked",
            tenant=request.user.tenant,
        )
    return ReloadAsked(
        model_loaded=found.answers, workers=found.workers, requested_at=requested_at.isoformat()
    )


ROUTES = [set_threshold, reload_model]

"""``/v1``: escalations, batches and models over HTTP."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from litestar import Request, Response, delete, get, post
from litestar.datastructures import State as AppState
from litestar.params import (
    FromPath,
    FromQuery,
    HeaderParameter,
    JSONBody,
    PathParameter,
    QueryParameter,
)
from litestar.response import ServerSentEvent

from dfedge.escalation import wire
from dfedge.escalation.wire import FINAL, State
from dfedge.verdict import Label
from dfedge_server.escalations import batches, opinions, pictures, progress, service
from dfedge_server.escalations.access import any_key, may_read, may_submit
from dfedge_server.escalations.listing import MAX_PAGE, Filters
from dfedge_server.escalations.models import list_models
from dfedge_server.escalations.openapi import Submitting, answer, refusals
from dfedge_server.escalations.uploads import receive
from dfedge_server.escalations.views import base_url
from dfedge_server.problems import ProblemError
from dfedge_server.security.principal import Principal
from dfedge_server.services import Services
from dfedge_server.telemetry.tracing import current_traceparent

LOOK_AGAIN_SECONDS: Final = 2
"""``Retry-After`` of what has not ended."""

_WAIT: Final = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,9})\"?(?:$|[,;\s])", re.IGNORECASE)

Call = Request[Principal, Any, AppState]
IdempotencyKey = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        pattern=r"^[!-~]{1,200}$",
        description="The same key with the same request gives the same answer and no second job.",
    ),
]
Prefer = Annotated[
    str | None,
    HeaderParameter(
        name="Prefer",
        description="`wait=N` waits up to N seconds for the end (RFC 7240).",
    ),
]


@post(
    "/escalations",
    guards=[may_submit],
    operation_id="submit",
    operation_class=Submitting,
    tags=["escalations"],
    summary="Ask for a heavier verdict",
    status_code=202,
    response_description="Accepted: it will be done. `Location` says where to look.",
    request_max_body_size=None,  # settings.max_upload_bytes, while it streams in
    responses={200: answer(wire.Escalation, "It has ended: the verdict, or why there is none.")}
    | refusals(
        "upload_stalled",
        "upload_too_large",
        "content_type_unsupported",
        "media_unsupported",
        "parts_mismatch",
        "idempotency_conflict",
        "queue_full",
    ),
)
async def submit(
    request: Call, idempotency_key: IdempotencyKey = None, prefer: Prefer = None
) -> Response[wire.Escalation]:
    """Send face crops, a clip or an address. The same bytes are computed once."""
    services = _services(request)
    submission, media = await receive(request, services)
    escalation_id = await service.submit(
        services,
        request.user,
        submission,
        media,
        idempotency_key=idempotency_key,
        traceparent=current_traceparent(),
    )
    return await _answer(request, escalation_id, prefer, accepted=True)


@get(
    "/escalations/{escalation_id:uuid}",
    guards=[any_key],
    operation_id="get_escalation",
    tags=["escalations"],
    summary="See how an escalation stands",
    responses=refusals("not_found"),
)
async def look(
    request: Call, escalation_id: FromPath[UUID], prefer: Prefer = None
) -> Response[wire.Escalation]:
    """State, progress, and at the end verdict, evidence, overrides; or the problem."""
    return await _answer(request, escalation_id, prefer, accepted=False)


@get(
    "/escalations/{escalation_id:uuid}/events",
    guards=[any_key],
    operation_id="watch_escalation",
    tags=["escalations"],
    summary="Follow an escalation as server-sent events",
    media_type="text/event-stream",
    response_description=(
        "Events `progress` ({state, stage}) and at last `end` (the escalation) or `deleted`; "
        "comments keep the connection open."
    ),
    responses={204: answer(None, "The client has had the last event already.")}
    | refusals("not_found"),
)
async def watch(
    request: Call,
    escalation_id: FromPath[UUID],
    last_event_id: Annotated[str, HeaderParameter(name="Last-Event-ID", max_length=200)] = "",
) -> Response[Any]:
    """Ends with the escalation; a client that comes back is told only what is new."""
    services = _services(request)
    await service.get(services, request.user, escalation_id)
    if last_event_id and await progress.ended_with(services, escalation_id, last_event_id):
        return Response(None, status_code=204)
    return ServerSentEvent(
        progress.events(
            services,
            escalation_id,
            last_event_id=last_event_id,
            base_url=base_url(request, services.settings),
        )
    )


@post(
    "/escalations/{escalation_id:uuid}/cancel",
    guards=[may_submit],
    operation_id="cancel_escalation",
    tags=["escalations"],
    summary="Stop an escalation",
    status_code=200,
    responses=refusals("not_found"),
)
async def cancel(request: Call, escalation_id: FromPath[UUID]) -> wire.Escalation:
    """One that has ended stays as it is."""
    await service.cancel(_services(request), request.user, escalation_id)
    return await _look(request, escalation_id)


@delete(
    "/escalations/{escalation_id:uuid}",
    guards=[may_submit],
    operation_id="delete_escalation",
    tags=["escalations"],
    summary="Delete an escalation with its media and results",
    responses=refusals("not_found"),
)
async def remove(request: Call, escalation_id: FromPath[UUID]) -> None:
    """Media, verdict and evidence go with the last escalation that asked for the same bytes."""
    await service.delete(_services(request), request.user, escalation_id)


@get(
    "/escalations",
    guards=[may_read],
    operation_id="list_escalations",
    tags=["escalations"],
    summary="List escalations, newest first",
    responses=refusals(),
)
async def list_all(
    request: Call,
    in_state: Annotated[State | None, QueryParameter(name="state")] = None,
    label: FromQuery[Label | None] = None,
    kind: FromQuery[Literal["crops", "clip", "url"] | None] = None,
    since: FromQuery[datetime | None] = None,
    until: FromQuery[datetime | None] = None,
    name: Annotated[str | None, QueryParameter(max_length=200)] = None,
    batch: FromQuery[UUID | None] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=MAX_PAGE)] = 20,
    cursor: Annotated[str | None, QueryParameter(max_length=200)] = None,
) -> wire.EscalationPage:
    """`next` of a page is the `cursor` of the following one."""
    for moment in (since, until):
        if moment is not None and moment.tzinfo is None:
            raise ProblemError("invalid_request", "since and until need a time zone, such as Z.")
    if name is not None and "\0" in name:
        raise ProblemError("invalid_request", "name holds the character U+0000; leave it out.")
    services = _services(request)
    items, following = await service.list_page(
        services,
        request.user,
        Filters(
            state=in_state, label=label, kind=kind, since=since, until=until, name=name, batch=batch
        ),
        limit=limit,
        cursor=cursor,
        base_url=base_url(request, services.settings),
    )
    return wire.EscalationPage(items=items, next=following)


@get(
    "/escalations/{escalation_id:uuid}/evidence/{number:int}",
    guards=[any_key],
    operation_id="get_evidence",
    tags=["evidence"],
    summary="A picture behind the verdict",
    media_type="image/*",
    responses=refusals("not_found", "media_gone"),
)
async def evidence(
    request: Call,
    escalation_id: FromPath[UUID],
    number: Annotated[int, PathParameter(ge=0, le=100_000)],
) -> Response[bytes]:
    """By its number in the escalation's list `evidence`, from 0."""
    services = _services(request)
    row = await service.get(services, request.user, escalation_id)
    return await pictures.picture(services, row, number)


@get(
    "/escalations/{escalation_id:uuid}/media/{part:str}",
    guards=[may_read],
    operation_id="get_media",
    tags=["evidence"],
    summary="What was sent, for review",
    media_type="*/*",
    responses={206: answer(bytes, "The range that was asked for.", media_type="*/*")}
    | refusals("not_found", "media_gone", "range_not_satisfiable"),
)
async def media(
    request: Call,
    escalation_id: FromPath[UUID],
    part: Annotated[str, PathParameter(pattern=r"^[A-Za-z0-9._-]{1,64}$")],
    byte_range: Annotated[str | None, HeaderParameter(name="Range")] = None,
) -> Response[Any]:
    """The clip, or a crop by the name of its part; ranges let players seek."""
    services = _services(request)
    row = await service.get(services, request.user, escalation_id)
    return await pictures.media(services, row, part, byte_range)


@post(
    "/escalations/{escalation_id:uuid}/overrides",
    guards=[may_read],
    operation_id="override_verdict",
    tags=["review"],
    summary="Say what a person makes of it",
    status_code=201,
    responses=refusals("not_found", "not_finished", "upload_too_large"),
)
async def override(
    request: Call, escalation_id: FromPath[UUID], data: JSONBody[wire.NewOverride]
) -> wire.Escalation:
    """Stands beside the verdict; the newest counts, all are kept."""
    await opinions.override(_services(request), request.user, escalation_id, data)
    return await _look(request, escalation_id)


@post(
    "/escalations/{escalation_id:uuid}/feedback",
    guards=[any_key],
    operation_id="give_feedback",
    tags=["review"],
    summary="Say which kind of mistake a verdict was",
    status_code=204,
    responses=refusals("not_found", "not_finished", "upload_too_large"),
)
async def feedback(
    request: Call, escalation_id: FromPath[UUID], data: JSONBody[wire.Feedback]
) -> None:
    """Kept for those who train and set thresholds."""
    await opinions.feedback(_services(request), request.user, escalation_id, data)


@post(
    "/batches",
    guards=[may_submit],
    operation_id="submit_batch",
    tags=["batches"],
    summary="Ask for verdicts on several addresses",
    status_code=202,
    response_description="Accepted, all of them. `Location` says where to look.",
    responses=refusals("idempotency_conflict", "queue_full", "upload_too_large"),
)
async def submit_batch(
    request: Call, data: JSONBody[wire.BatchRequest], idempotency_key: IdempotencyKey = None
) -> Response[wire.Batch]:
    """All are taken or none is."""
    services = _services(request)
    batch_id = await batches.submit_batch(
        services,
        request.user,
        data,
        idempotency_key=idempotency_key,
        traceparent=current_traceparent(),
    )
    base = base_url(request, services.settings)
    batch = await batches.view_batch(services, request.user, batch_id, base_url=base)
    headers = {
        "Location": f"{base}/v1/batches/{batch_id}",
        "Retry-After": str(LOOK_AGAIN_SECONDS),
    }
    return Response(batch, headers=headers)


@get(
    "/batches/{batch_id:uuid}",
    guards=[any_key],
    operation_id="get_batch",
    tags=["batches"],
    summary="See how a batch stands",
    responses=refusals("not_found"),
)
async def look_at_batch(request: Call, batch_id: FromPath[UUID]) -> wire.Batch:
    """How many are in which state, and each of them."""
    services = _services(request)
    base = base_url(request, services.settings)
    return await batches.view_batch(services, request.user, batch_id, base_url=base)


@get(
    "/models",
    guards=[any_key],
    operation_id="list_models",
    tags=["models"],
    summary="Which models answer",
    responses=refusals(),
)
async def models(request: Call) -> wire.ModelList:
    """The models of the workers that show life, and how their opinions become one verdict."""
    return await list_models(_services(request))


async def _answer(
    request: Call, escalation_id: UUID, prefer: str | None, *, accepted: bool
) -> Response[wire.Escalation]:
    """200 with what has ended, after waiting as the client prefers; else where to look again."""
    services = _services(request)
    headers = {}
    told = await _look(request, escalation_id)
    wait = _wait_seconds(prefer, services)
    if wait is not None:
        headers["Preference-Applied"] = f"wait={wait}"
        if told.state not in FINAL:
            await service.wait_until_final(services, escalation_id, wait)
            told = await _look(request, escalation_id)
    ended = told.state in FINAL
    if accepted:
        headers["Location"] = told.href
    if not ended:
        headers["Retry-After"] = str(LOOK_AGAIN_SECONDS)
    return Response(told, headers=headers, status_code=202 if accepted and not ended else 200)


def _wait_seconds(prefer: str | None, services: Services) -> int | None:
    match = _WAIT.search(prefer or "")
    return min(int(match[1]), int(services.settings.max_wait_seconds)) if match else None


async def _look(request: Call, escalation_id: UUID) -> wire.Escalation:
    services = _services(request)
    base = base_url(request, services.settings)
    return await service.look(services, request.user, escalation_id, base_url=base)


def _services(request: Call) -> Services:
    services: Services = request.app.state.services
    return services


ANSWER_HEADERS: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "submit": {
        "200": ("Location", "Preference-Applied"),
        "202": ("Location", "Retry-After", "Preference-Applied"),
    },
    "get_escalation": {"200": ("Retry-After", "Preference-Applied")},
    "submit_batch": {"202": ("Location", "Retry-After")},
    "get_media": {"200": ("Accept-Ranges",), "206": ("Accept-Ranges", "Content-Range")},
}
"""Operation -> status -> headers of the answer, for the OpenAPI document."""

ROUTES = [
    submit,
    look,
    watch,
    cancel,
    remove,
    list_all,
    evidence,
    media,
    override,
    feedback,
    submit_batch,
    look_at_batch,
    models,
]
"""Under ``/v1``."""

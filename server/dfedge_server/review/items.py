"""The inbox, and the page of one escalation with what an analyst may do there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import MediaType, Request, Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from dfedge.escalation.wire import FINAL, Feedback, Mistake, NewOverride
from dfedge.report.view import TONES
from dfedge.verdict import Label
from dfedge_server.escalations import opinions, service
from dfedge_server.problems import ProblemError
from dfedge_server.review.forms import MAX_BYTES, read_form, text_of
from dfedge_server.review.inbox import PAGE, read_filters, row_view
from dfedge_server.review.page import OVERRIDE_LABELS, item_view, source_name
from dfedge_server.review.pages import page
from dfedge_server.review.words import LABELS, MISTAKES, megabytes
from dfedge_server.security.guards import requires
from dfedge_server.security.principal import Scope
from dfedge_server.services import Services

MAX_NOTE: Final = 2000

_READ: Final = [requires(Scope.READ)]
_ESCALATE: Final = [requires(Scope.ESCALATE)]


@get("/review", guards=_READ)
async def _inbox(request: Request[Any, Any, Any]) -> Response[str]:
    services: Services = request.app.state.services
    wanted, shown = read_filters(request.query_params)
    cursor = request.query_params.get("cursor")
    escalations, following = await service.list_page(
        services, request.user, wanted, limit=PAGE, cursor=cursor, base_url=""
    )
    limit = services.settings.max_upload_bytes
    return page(
        request,
        "inbox.html.j2",
        rows=[row_view(escalation) for escalation in escalations],
        filters=shown,
        first_page=cursor is None,
        first_href=shown.href(),
        next_href=shown.href(following) if following else "",
        upload_limit=limit,
        upload_limit_text=megabytes(limit),
    )


@get("/review/{escalation_id:uuid}", guards=_READ)
async def _item(request: Request[Any, Any, Any], escalation_id: FromPath[UUID]) -> Response[str]:
    return await _show(request, escalation_id)


@get("/review/{escalation_id:uuid}/verdict.json", guards=_READ)
async def _download(
    request: Request[Any, Any, Any], escalation_id: FromPath[UUID]
) -> Response[bytes]:
    services: Services = request.app.state.services
    escalation = await service.look(services, request.user, escalation_id, base_url="")
    return Response(
        msgspec.json.format(msgspec.json.encode(escalation), indent=2),
        media_type=MediaType.JSON,
        headers={"Content-Disposition": f'attachment; filename="dfedge-{escalation_id}.json"'},
    )


@post("/review/{escalation_id:uuid}/override", guards=_READ, request_max_body_size=MAX_BYTES)
async def _override(
    request: Request[Any, Any, Any], escalation_id: FromPath[UUID]
) -> Response[Any]:
    fields = await read_form(request)
    try:
        given = NewOverride(
            label=_one_of(Label, fields.get("label", ""), "A label"),
            note=text_of(fields, "note", most=MAX_NOTE, title="The reason"),
        )
    except ProblemError as error:
        return await _show(request, escalation_id, problem=error.detail, asked=fields)
    services: Services = request.app.state.services
    await opinions.override(services, request.user, escalation_id, given)
    return Redirect(f"/review/{escalation_id}#history", status_code=303)


@post("/review/{escalation_id:uuid}/feedback", guards=_READ, request_max_body_size=MAX_BYTES)
async def _feedback(
    request: Request[Any, Any, Any], escalation_id: FromPath[UUID]
) -> Response[Any]:
    fields = await read_form(request)
    try:
        given = Feedback(
            mistake=_one_of(Mistake, fields.get("mistake", ""), "A kind of mistake"),
            note=fields.get("note", "").strip()[:MAX_NOTE],
        )
    except ProblemError as error:
        return await _show(request, escalation_id, problem=error.detail)
    services: Services = request.app.state.services
    await opinions.feedback(services, request.user, escalation_id, given)
    return Redirect(f"/review/{escalation_id}#feedback", status_code=303)


@post("/review/{escalation_id:uuid}/cancel", guards=_ESCALATE, request_max_body_size=MAX_BYTES)
async def _cancel(request: Request[Any, Any, Any], escalation_id: FromPath[UUID]) -> Redirect:
    await read_form(request)
    services: Services = request.app.state.services
    await service.cancel(services, request.user, escalation_id)
    return Redirect(f"/review/{escalation_id}", status_code=303)


@get("/review/{escalation_id:uuid}/delete", guards=_ESCALATE)
async def _ask_to_delete(
    request: Request[Any, Any, Any], escalation_id: FromPath[UUID]
) -> Response[str]:
    services: Services = request.app.state.services
    escalation = await service.look(services, request.user, escalation_id, base_url="")
    return page(request, "delete.html.j2", id=str(escalation_id), name=source_name(escalation))


@post("/review/{escalation_id:uuid}/delete", guards=_ESCALATE, request_max_body_size=MAX_BYTES)
async def _delete(request: Request[Any, Any, Any], escalation_id: FromPath[UUID]) -> Redirect:
    await read_form(request)
    services: Services = request.app.state.services
    await service.delete(services, request.user, escalation_id)
    return Redirect("/review", status_code=303)


HANDLERS: Final = (
    _inbox,
    _item,
    _download,
    _override,
    _feedback,
    _cancel,
    _ask_to_delete,
    _delete,
)


async def _show(
    request: Request[Any, Any, Any],
    escalation_id: UUID,
    *,
    problem: str = "",
    asked: Mapping[str, str] | None = None,
) -> Response[str]:
    """The page of one escalation, and what did not fit in a form that was sent from it.

    Args:
        asked: fields of the decision that was not taken, to be filled in again.
    """
    asked = asked or {}
    services: Services = request.app.state.services
    row = await service.get(services, request.user, escalation_id)
    escalation = await service.look(services, request.user, escalation_id, base_url="")
    told = await opinions.feedback_of(services, row.id) if escalation.state in FINAL else ()
    return page(
        request,
        "item.html.j2",
        status_code=422 if problem else 200,
        item=item_view(
            escalation, row.job.submission, media_gone=row.job.media_deleted_at is not None
        ),
        problem=problem,
        chosen=asked.get("label", ""),
        reason=asked.get("note", ""),
        feedback=[
            {"text": MISTAKES[Mistake(one.mistake)], "note": one.note, "at": one.created_at}
            for one in told
        ],
        override_labels=[(label.value, LABELS[label], TONES[label]) for label in OVERRIDE_LABELS],
        mistakes=[(mistake.value, text) for mistake, text in MISTAKES.items()],
    )


def _one_of(kind: Any, value: str, title: str) -> Any:
    try:
        return kind(value)
    except ValueError:
        raise ProblemError("invalid_request", f"{title} must be chosen.") from None

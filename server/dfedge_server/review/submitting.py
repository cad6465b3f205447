"""Having something judged from a page: a file or an address."""

from __future__ import annotations

from contextlib import aclosing
from pathlib import PurePosixPath
from typing import Any, Final
from uuid import UUID

from litestar import Request, Response, post
from litestar.response import Redirect

from dfedge.escalation.wire import Submission
from dfedge_server.escalations import service
from dfedge_server.escalations.intake import CLIP
from dfedge_server.escalations.parts import Part, form_parts, limited
from dfedge_server.escalations.uploads import StoredPart, discard, new_job_id, store
from dfedge_server.problems import ProblemError
from dfedge_server.review.csrf import check_csrf
from dfedge_server.review.forms import MAX_BYTES, read_form, text_of
from dfedge_server.security.guards import requires
from dfedge_server.security.principal import Scope
from dfedge_server.services import Services

_MAX_FIELD: Final = 200
_MAX_PARTS: Final = 4


@post("/review/submit", guards=[requires(Scope.ESCALATE)], request_max_body_size=None)
async def _upload(request: Request[Any, Any, Any]) -> Response[Any]:
    services: Services = request.app.state.services
    name, keep, stored = await _receive(request, services)
    submission = Submission(kind="clip", name=name, keep=keep)
    escalation_id = await service.submit(services, request.user, submission, {CLIP: stored})
    return _accepted(request, escalation_id)


@post("/review/fetch", guards=[requires(Scope.ESCALATE)], request_max_body_size=MAX_BYTES)
async def _fetch(request: Request[Any, Any, Any]) -> Response[Any]:
    services: Services = request.app.state.services
    fields = await read_form(request)
    url = text_of(fields, "url", most=2048, title="The address")
    name = PurePosixPath(url.partition("?")[0]).name or url
    submission = Submission(kind="url", name=name[:_MAX_FIELD], url=url)
    escalation_id = await service.submit(services, request.user, submission, {})
    return _accepted(request, escalation_id)


HANDLERS: Final = (_upload, _fetch)


def _accepted(request: Request[Any, Any, Any], escalation_id: UUID) -> Response[Any]:
    href = f"/review/{escalation_id}"
    if "application/json" in request.headers.get("accept", ""):
        return Response({"href": href}, status_code=201, headers={"Location": href})
    return Redirect(href, status_code=303)


async def _receive(
    request: Request[Any, Any, Any], services: Services
) -> tuple[str, bool, StoredPart]:
    """Name, whether to keep it, and the file; the token comes before the file or all is refused."""
    limit = services.settings.max_upload_bytes
    name, keep, stored, allowed = "", True, None, False
    parts = form_parts(request, limit=limit, max_parts=_MAX_PARTS)
    try:
        async with aclosing(parts):
            async for part in parts:
                if part.name == "csrf":
                    check_csrf(request, await _field(part))
                    allowed = True
                elif part.name == "forget":
                    keep = False
                elif part.name == "file" and stored is None:
                    if not allowed:
                        check_csrf(request, "")
                    name = _file_name(part.filename)
                    stored = await _store(services, part, limit)
    except BaseException:
        if stored is not None:
            await discard(services, [stored.job_id])
        raise
    if stored is None:
        raise ProblemError("invalid_request", "Choose a file.")
    return name, keep, stored


async def _store(services: Services, part: Part, limit: int) -> StoredPart:
    try:
        return await store(services, limited(part, limit), job_id=new_job_id(), part=CLIP)
    except ProblemError as error:
        # A person sent a file, not a part of a form.
        said = error.detail.replace(f"The part {CLIP!r}", "This file")
        said = said.replace("The part 'file'", "This file")
        raise ProblemError(error.code, said, headers=error.headers) from None


def _file_name(name: str) -> str:
    """Without the folders that some browsers send, short enough for a name."""
    return name.replace("\\", "/").rpartition("/")[2].replace("\x00", "")[-_MAX_FIELD:]


async def _field(part: Part) -> str:
    """A short text."""
    data = b"".join([piece async for piece in limited(part, _MAX_FIELD)])
    return data.decode(errors="replace")

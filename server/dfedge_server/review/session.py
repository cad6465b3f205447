"""Signing in and out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from litestar import Request, Response, get, post
from litestar.response import Redirect

from dfedge_server.problems import ProblemError
from dfedge_server.review.forms import MAX_BYTES, read_form, text_of
from dfedge_server.review.pages import page
from dfedge_server.security import sessions
from dfedge_server.services import Services

MAX_NAME: Final = 100
MAX_KEY: Final = 200


@get("/review/sign-in", name="sign in")
async def _ask(request: Request[Any, Any, Any]) -> Response[Any]:
    back = _own_page(request.query_params.get("next", ""))
    if request.user is not None:
        return Redirect(back, status_code=303)
    return page(request, "sign_in.html.j2", problem="", name="", next=back)


@post("/review/sign-in", request_max_body_size=MAX_BYTES)
async def _sign_in(request: Request[Any, Any, Any]) -> Response[Any]:
    sessions.refuse_other_sites(request)
    services: Services = request.app.state.services
    fields = await read_form(request, csrf=False)
    back = _own_page(fields.get("next", ""))
    try:
        who = text_of(fields, "who", most=MAX_NAME, title="Your name")
        key = text_of(fields, "key", most=MAX_KEY, title="The key")
    except ProblemError as error:
        return _again(request, fields, error.detail)
    async with services.db.session() as session:
        value = await sessions.sign_in(session, key, who=who, settings=services.settings)
    if value is None:
        return _again(request, fields, "This key is unknown, revoked or expired.")
    response = Redirect(back, status_code=303)
    response.cookies.append(sessions.cookie(value, request, services.settings))
    return response


@post("/review/sign-out", request_max_body_size=MAX_BYTES)
async def _sign_out(request: Request[Any, Any, Any]) -> Redirect:
    services: Services = request.app.state.services
    await read_form(request)
    async with services.db.session() as session:
        await sessions.sign_out(session, request.cookies.get(sessions.COOKIE, ""))
    response = Redirect("/review/sign-in", status_code=303)
    response.cookies.append(sessions.cookie("", request, services.settings))
    return response


HANDLERS: Final = (_ask, _sign_in, _sign_out)


def _again(
    request: Request[Any, Any, Any], fields: Mapping[str, str], problem: str
) -> Response[Any]:
    return page(
        request,
        "sign_in.html.j2",
        status_code=422,
        problem=problem,
        name=fields.get("who", "")[:MAX_NAME],
        next=_own_page(fields.get("next", "")),
    )


def _own_page(address: str) -> str:
    """Where to go on: a page of these, or the inbox for anything else."""
    own = address == "/review" or address.startswith(("/review/", "/review?"))
    return address if own and address.isprintable() and "\\" not in address else "/review"

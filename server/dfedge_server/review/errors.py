"""Errors as pages: the words of the problem details, where a person reads them."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.response import Redirect

from dfedge.escalation.wire import Problem
from dfedge_server import problems
from dfedge_server.review.pages import page


def show_error(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """Litestar's handler of whatever a page raises; scripts of the pages get problem details."""
    told: Response[bytes]
    if isinstance(error, HTTPException):
        told = problems.on_http_exception(request, error)
    else:
        told = problems.on_exception(request, error)
    if "application/json" in request.headers.get("accept", ""):
        return told
    if told.status_code == 401:
        return _to_sign_in(request)
    problem = msgspec.json.decode(told.content, type=Problem)
    shown = page(
        request,
        "message.html.j2",
        status_code=problem.status,
        title=problem.title,
        text=problem.detail,
    )
    for name in ("Connection", "Retry-After"):
        if value := told.headers.get(name):
            shown.headers[name] = value
    return shown


def _to_sign_in(request: Request[Any, Any, Any]) -> Response[Any]:
    """Where somebody goes who is not signed in, and comes back from."""
    loads = request.method == "GET"
    # A form is sent to an address below that of its page.
    back = request.url.path if loads else request.url.path.rpartition("/")[0]
    if loads and request.url.query:
        back += f"?{request.url.query}"
    if loads and request.headers.get("sec-fetch-site") == "cross-site":
        # A link in a chat or a mail: the browser keeps the SameSite=Strict cookie back until a
        # page of this server asks for the address itself.
        return page(request, "again.html.j2", here=back)
    query = "" if back in ("/", "/review") else "?" + urlencode({"next": back})
    return Redirect(f"/review/sign-in{query}", status_code=303)

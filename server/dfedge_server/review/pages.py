"""Templates to answers: what surrounds every page, and the headers that keep it harmless."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import MediaType, Request, Response

from dfedge import __version__
from dfedge_server.review.csrf import csrf_token
from dfedge_server.review.words import when
from dfedge_server.security.principal import Principal, Scope

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "media-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    # A page of this server tells its own forms where they come from, and nobody else.
    "Referrer-Policy": "same-origin",
}
"""Of every page, beside those of every answer."""


def page(
    request: Request[Any, Any, Any], template: str, *, status_code: int = 200, **values: Any
) -> Response[str]:
    """A page; templates see who is signed in and what they may do."""
    principal: Principal | None = request.scope.get("user")
    text = (
        _environment()
        .get_template(template)
        .render(
            version=__version__,
            who="" if principal is None else principal.who,
            csrf="" if principal is None else csrf_token(request),
            may_submit=principal is not None and principal.may(Scope.ESCALATE),
            **values,
        )
    )
    return Response(text, status_code=status_code, media_type=MediaType.HTML, headers=HEADERS)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("dfedge_server.review"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["when"] = when
    return environment

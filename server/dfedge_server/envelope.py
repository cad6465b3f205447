"""What surrounds every request and answer: the request's identity, and headers for safety."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from uuid import uuid4

import structlog
from litestar.datastructures import MutableScopeHeaders
from litestar.types import ASGIApp, Message, Receive, Scope, Send

HEADER: Final = "X-Request-ID"

SAFE_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}
"""Set where the handler did not set its own (pages have another policy)."""

HSTS: Final = "max-age=31536000"

LONG_BYTES: Final = 1024**2
"""A body that is longer is not heard out once it is refused."""

_IDENTITY: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_KEY: Final = "dfedge_request_id"


def request_id(scope: Mapping[str, Any]) -> str:
    """The identity of a request, as in the answer's X-Request-ID and in every line of the log."""
    return str(scope.get(_KEY, ""))


class Envelope:
    """Wraps the whole application, errors and unknown addresses too."""

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self._app = app
        self._https = https

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        identity = _given(scope) or uuid4().hex
        scope[_KEY] = identity  # type: ignore[typeddict-unknown-key]
        awaited = _is_long(scope)

        async def heard() -> Any:
            nonlocal awaited
            message = await receive()
            if message["type"] == "http.request" and not message["more_body"]:
                awaited = False
            return message

        async def sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableScopeHeaders.from_message(message)
                if awaited:  # answered before the end of the body: the rest is not wanted
                    headers["Connection"] = "close"
                headers[HEADER] = identity
                for name, value in SAFE_HEADERS.items():
                    headers.setdefault(name, value)
                if self._https:
                    headers.setdefault("Strict-Transport-Security", HSTS)
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=identity):
            await self._app(scope, heard, sealed)


def _is_long(scope: Scope) -> bool:
    """Whether a body is announced that would take a while to come, or forever."""
    for name, value in scope["headers"]:
        if name == b"transfer-encoding":
            return True
        if name == b"content-length":
            return not value.isdigit() or int(value) > LONG_BYTES
    return False


def _given(scope: Scope) -> str | None:
    """The client's own identity for it, where that is harmless in a log."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _IDENTITY.fullmatch(value):
            return value.decode()
    return None

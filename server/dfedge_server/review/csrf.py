"""A token in every form, which only a page of this server can know.

The browser already says where a request comes from, and :mod:`dfedge_server.security.sessions`
refuses other sites; the token holds where a browser says nothing.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from litestar.connection import ASGIConnection

from dfedge_server.problems import ProblemError
from dfedge_server.security.sessions import COOKIE


def csrf_token(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    """Made of the session's cookie: as secret as that, and without a way back to it."""
    cookie = connection.cookies.get(COOKIE, "")
    return hmac.new(cookie.encode(), b"dfedge review form", hashlib.sha256).hexdigest()


def check_csrf(connection: ASGIConnection[Any, Any, Any, Any], presented: str) -> None:
    """Let a form pass that carries the token.

    Raises:
        ProblemError: it carries another or none (403).
    """
    if not hmac.compare_digest(csrf_token(connection).encode(), presented.encode()):
        raise ProblemError("forbidden", "This form is out of date. Load the page again.")

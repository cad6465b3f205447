"""Small forms: their fields, once their token is right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from litestar import Request

from dfedge_server.problems import ProblemError
from dfedge_server.review.csrf import check_csrf

MAX_BYTES: Final = 64 * 1024
"""Of a form without a file; give it to the handler as ``request_max_body_size``."""


async def read_form(request: Request[Any, Any, Any], *, csrf: bool = True) -> Mapping[str, str]:
    """The fields of a form, as text.

    Raises:
        ProblemError: it carries no valid token, where ``csrf`` asks for one.
    """
    form = await request.form()
    fields = {name: value for name, value in form.items() if isinstance(value, str)}
    if csrf:
        check_csrf(request, fields.get("csrf", ""))
    return fields


def text_of(fields: Mapping[str, str], name: str, *, most: int, title: str) -> str:
    """A field that must not be empty, without white space around it.

    Raises:
        ProblemError: it is empty or longer than ``most`` characters.
    """
    text = fields.get(name, "").replace("\r\n", "\n").strip()
    if not text:
        raise ProblemError("invalid_request", f"{title} is empty; fill it in.")
    if len(text) > most:
        raise ProblemError("invalid_request", f"{title} is longer than {most} characters.")
    if "\x00" in text:
        raise ProblemError("invalid_request", f"{title} holds the character U+0000.")
    return text

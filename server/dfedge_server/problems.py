"""Every error over HTTP: RFC 9457 problem details with a stable code and a sentence that helps.

A handler raises :class:`ProblemError` with a code of :data:`PROBLEMS`. What Litestar and the SDK
raise by themselves is told in the same form. Nothing of an unexpected error leaves the server but
the identity of the request, by which the log has the rest.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import msgspec
from litestar import Request, Response
from litestar.exceptions import (
    HTTPException,
    InternalServerException,
    SerializationException,
    ValidationException,
)
from obstore.exceptions import BaseError as StorageError

from dfedge import errors
from dfedge.escalation.wire import Problem
from dfedge_server.db.engine import AWAY
from dfedge_server.envelope import request_id

MEDIA_TYPE: Final = "application/problem+json"

PROBLEMS: Final[Mapping[str, tuple[int, str, str]]] = {
    "malformed_request": (
        400,
        "The request cannot be read",
        "Send the body that the OpenAPI document at /v1/openapi.json describes.",
    ),
    "key_missing": (
        401,
        "A key is needed",
        "Send a key as `Authorization: Bearer KEY`; `dfedge keys create` makes one.",
    ),
    "key_refused": (
        401,
        "The key is not taken",
        "Check it against `dfedge keys list`, or make a new one with `dfedge keys create`.",
    ),
    "scope_missing": (
        403,
        "The key may not do this",
        "Use a key that may; `dfedge keys create` makes one with the scopes you name.",
    ),
    "forbidden": (
        403,
        "This is not allowed",
        "Load the page again, or ask the operator for the right to do this.",
    ),
    "other_site": (
        403,
        "The request came from another site",
        "Use the pages of this server, or send a key.",
    ),
    "not_found": (
        404,
        "Not found",
        "There is nothing at this address; /v1/openapi.json lists all addresses.",
    ),
    "method_not_allowed": (
        405,
        "The method does not fit",
        "Use a method that the header Allow, or /v1/openapi.json, names for this address.",
    ),
    "upload_stalled": (
        408,
        "The upload stopped",
        "Nothing came for too long; send the request again.",
    ),
    "not_finished": (
        409,
        "The escalation has not ended",
        "Wait until its state is done.",
    ),
    "media_gone": (
        410,
        "The media is deleted",
        "Its time of retention is over, or it was sent with keep: false.",
    ),
    "upload_too_large": (
        413,
        "The upload is too large",
        "Send less, or ask the operator to raise max_upload_bytes or max_crop_bytes.",
    ),
    "content_type_unsupported": (
        415,
        "The body has a type that is not taken",
        "Send multipart/form-data with media, or application/json for an address.",
    ),
    "media_unsupported": (
        415,
        "The media has a format that is not taken",
        "Send a clip as MP4, WebM, MKV, MOV, AVI or MPEG, or a picture as PNG, JPEG or WebP.",
    ),
    "range_not_satisfiable": (
        416,
        "The range lies outside the media",
        "Ask for bytes within the size that the header Content-Range tells.",
    ),
    "invalid_request": (
        422,
        "A value does not fit",
        "Correct the value that is named.",
    ),
    "parts_mismatch": (
        422,
        "The parts are not those of the manifest",
        "Send the part `manifest` first, then each part it names exactly once, and no other.",
    ),
    "idempotency_conflict": (
        422,
        "The Idempotency-Key was used for another request",
        "Send a new key with a new request, or the same request with the same key.",
    ),
    "media_unreadable": (
        422,
        "The media cannot be read",
        "Send the file as it left the camera or the site.",
    ),
    "media_limit": (
        422,
        "The media is over a limit",
        "Send a shorter or smaller clip.",
    ),
    "fetch_failed": (
        422,
        "The address could not be fetched",
        "Check that the address is public and answers with the media itself.",
    ),
    "queue_full": (
        429,
        "Too many jobs are waiting",
        "Ask again after the seconds that the header Retry-After tells.",
    ),
    "rate_limited": (
        429,
        "Too many requests",
        "Ask again after the seconds that the header Retry-After tells.",
    ),
    "internal_error": (
        500,
        "The server failed",
        "Send the request again; if it fails again, tell the operator the request id.",
    ),
    "unavailable": (
        503,
        "The server cannot do this now",
        "Ask again in a while.",
    ),
    "still_working": (
        504,
        "The verdict is not there yet",
        "Look at the address of the header Location in a while.",
    ),
}
"""Code -> status, title, and what to do when the occurrence has no sentence of its own."""

_OF_STATUS: Final = {
    400: "malformed_request",
    401: "key_missing",
    403: "scope_missing",
    404: "not_found",
    405: "method_not_allowed",
    408: "upload_stalled",
    410: "media_gone",
    413: "upload_too_large",
    415: "content_type_unsupported",
    422: "invalid_request",
    429: "rate_limited",
    503: "unavailable",
}
_OF_ERROR: Final[tuple[tuple[type[errors.DfedgeError], str], ...]] = (
    (errors.MediaFetchError, "fetch_failed"),
    (errors.MediaNotFoundError, "fetch_failed"),
    (errors.MediaLimitError, "media_limit"),
    (errors.MediaError, "media_unreadable"),
    (errors.UsageError, "invalid_request"),
)

_log = logging.getLogger(__name__)


class ProblemError(HTTPException):
    """An error that is told to the client.

    Attributes:
        code: one of :data:`PROBLEMS`.
    """

    def __init__(
        self, code: str, detail: str = "", *, headers: dict[str, str] | None = None
    ) -> None:
        status, _, way_out = PROBLEMS[code]
        self.code = code
        super().__init__(detail=detail or way_out, status_code=status, headers=headers)


def problem_of(error: errors.DfedgeError) -> Problem:
    """What is told of an error of the SDK, over HTTP or as the end of a job."""
    for kind, code in _OF_ERROR:
        if isinstance(error, kind):
            return _problem(code, str(error))
    return _problem("internal_error", "")


def on_http_exception(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """Litestar's handler of what was refused."""
    if isinstance(error, ProblemError):
        return _respond(request, _problem(error.code, error.detail), error.headers)
    if error.status_code >= 500:
        return on_exception(request, error)
    if isinstance(error, ValidationException):
        return _respond(request, _problem("invalid_request", _what_does_not_fit(error)))
    given = str(error.extra.get("code")) if isinstance(error.extra, dict) else ""
    if given in PROBLEMS:
        way_out = PROBLEMS[given][2]
        said = f"{error.detail[:1].upper()}{error.detail[1:]}. {way_out}"
        detail = way_out if given == "key_missing" else said
        return _respond(request, _problem(given, detail), error.headers)
    code = _OF_STATUS.get(error.status_code)
    if code is None:
        title = HTTPStatus(error.status_code).phrase
        code = title.lower().replace(" ", "_").replace("'", "")
        own = Problem(title=title, status=error.status_code, detail=error.detail, code=code)
        return _respond(request, own, error.headers)
    return _respond(request, _problem(code, ""), error.headers)


def on_dfedge_error(request: Request[Any, Any, Any], error: errors.DfedgeError) -> Response[bytes]:
    """Litestar's handler of an error of the SDK."""
    problem = problem_of(error)
    if problem.status >= 500:
        return on_exception(request, error)
    return _respond(request, problem)


def on_exception(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Litestar's handler of what nobody expected: the log has it, the client an identity."""
    cause = error.__cause__
    if isinstance(error, SerializationException) or isinstance(cause, SerializationException):
        return _respond(
            request, _problem("malformed_request", "The body is not the JSON expected.")
        )
    if isinstance(error, (*AWAY, StorageError)):
        _log.error("database or storage: %s", str(error).partition("\n")[0])
        return _respond(request, _problem("unavailable", ""), {"Retry-After": "10"})
    _log.error("request failed", exc_info=error)
    return _respond(request, _problem("internal_error", ""))


HANDLERS: Final[dict[int | type[Exception], Any]] = {
    HTTPException: on_http_exception,
    InternalServerException: on_exception,
    errors.DfedgeError: on_dfedge_error,
    Exception: on_exception,
}
"""For ``Litestar(exception_handlers=...)``."""


def _problem(code: str, detail: str) -> Problem:
    status, title, way_out = PROBLEMS[code]
    return Problem(title=title, status=status, detail=detail or way_out, code=code)


def _respond(
    request: Request[Any, Any, Any], problem: Problem, headers: Mapping[str, str] | None = None
) -> Response[bytes]:
    identity = request_id(request.scope)
    if identity:
        problem = msgspec.structs.replace(problem, instance=f"urn:dfedge:request:{identity}")
    return Response(
        msgspec.json.encode(problem),
        status_code=problem.status,
        media_type=MEDIA_TYPE,
        headers=dict(headers or {}),
    )


def _what_does_not_fit(error: ValidationException) -> str:
    """The first value at fault, without the value itself."""
    extra = error.extra
    if isinstance(extra, list) and extra and isinstance(extra[0], dict):
        first = extra[0]
        where = " ".join(str(first[name]) for name in ("source", "key") if first.get(name))
        return f"{where}: {first.get('message', 'does not fit')}." if where else str(first)
    return ""

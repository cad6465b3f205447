"""What the OpenAPI document says beyond what Litestar reads off the handlers.

Every answer a handler can give is documented beside it, refusals by their codes; bodies that are
read as they stream in, and so are no parameter of a handler, are described here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import (
    Components,
    Example,
    OpenAPI,
    OpenAPIHeader,
    OpenAPIMediaType,
    OpenAPIResponse,
    OpenAPIType,
    Operation,
    Reference,
    RequestBody,
    Schema,
    SecurityRequirement,
    SecurityScheme,
)

from dfedge.escalation.wire import MAX_CROPS, Problem
from dfedge_server.envelope import HEADER
from dfedge_server.problems import MEDIA_TYPE, PROBLEMS
from dfedge_server.security.sessions import COOKIE

EVERYWHERE: Final = (
    "malformed_request",
    "key_missing",
    "key_refused",
    "scope_missing",
    "other_site",
    "invalid_request",
    "rate_limited",
    "internal_error",
    "unavailable",
)
"""Codes that any address which needs a key may answer with."""

SECURITY: Final[list[SecurityRequirement]] = [{"bearer": []}, {"key": []}, {"session": []}]

COMPONENTS: Final = Components(
    security_schemes={
        "bearer": SecurityScheme(
            type="http", scheme="bearer", description="A key, made by `dfedge keys create`."
        ),
        "key": SecurityScheme(
            type="apiKey", name="X-API-Key", security_scheme_in="header", description="The same."
        ),
        "session": SecurityScheme(
            type="apiKey",
            name=COOKIE,
            security_scheme_in="cookie",
            description="An analyst who is signed in to the review pages.",
        ),
    }
)

DESCRIPTION: Final = (
    "Heavier verdicts on media that a device is unsure of. Send face crops, a clip or an address; "
    "get the verdict at once (`Prefer: wait=N`), by looking again, as server-sent events or by a "
    "webhook. Every error is `application/problem+json` with a stable `code` and a `detail` that "
    "says what to do."
)


def refusals(*codes: str) -> dict[int, ResponseSpec]:
    """The refusals a handler may answer with, by status; those of :data:`EVERYWHERE` with them."""
    by_status: dict[int, list[str]] = {}
    for code in dict.fromkeys((*codes, *EVERYWHERE)):
        by_status.setdefault(PROBLEMS[code][0], []).append(code)
    return {
        status: ResponseSpec(
            Problem,
            generate_examples=False,
            description="; ".join(f"`{code}`: {PROBLEMS[code][1]}" for code in ours),
            media_type=MEDIA_TYPE,
            examples=[_example(code) for code in ours],
        )
        for status, ours in sorted(by_status.items())
    }


def answer(kind: Any, description: str, *, media_type: str = "application/json") -> ResponseSpec:
    """Another successful answer of a handler."""
    return ResponseSpec(
        kind, generate_examples=False, description=description, media_type=media_type
    )


@dataclass
class Submitting(Operation):
    """The operation whose body is a manifest with media, or an address."""

    def __post_init__(self) -> None:
        """Describe the body, which the handler reads as it streams in."""
        manifest = Reference(ref="#/components/schemas/Submission")
        binary = Schema(type=OpenAPIType.STRING, content_media_type="application/octet-stream")
        form = Schema(
            type=OpenAPIType.OBJECT,
            required=["manifest"],
            properties={"manifest": manifest, "clip": binary},
            additional_properties=binary,
            description=(
                "The part `manifest` comes first, then for kind `clip` the part `clip`, for kind "
                f"`crops` one part for each crop, named as the manifest says (at most {MAX_CROPS})."
            ),
        )
        self.request_body = RequestBody(
            required=True,
            description="Media as a form, an address (kind `url`) as JSON.",
            content={
                "multipart/form-data": OpenAPIMediaType(schema=form, examples={"clip": _CLIP}),
                "application/json": OpenAPIMediaType(schema=manifest, examples={"url": _ADDRESS}),
            },
        )


def complete(document: OpenAPI, headers: Mapping[str, Mapping[str, tuple[str, ...]]]) -> None:
    """Add the headers of answers.

    Args:
        headers: operation id -> status -> names of :data:`HEADERS`.
    """
    for path in (document.paths or {}).values():
        for method in ("get", "post", "put", "patch", "delete"):
            operation: Operation | None = getattr(path, method)
            if operation is None:
                continue
            ours = headers.get(operation.operation_id or "", {})
            for status, response in (operation.responses or {}).items():
                if isinstance(response, OpenAPIResponse):
                    names = (*ours.get(status, ()), *_OF_STATUS.get(status, ()), HEADER)
                    response.headers = {**(response.headers or {}), **_headers(names)}


HEADERS: Final = {
    HEADER: ("string", "The request's identity, for the operator's log."),
    "Location": ("string", "Where to look."),
    "Retry-After": ("integer", "Seconds until it is worth asking again."),
    "Preference-Applied": ("string", "`wait=N` where the server waited."),
    "WWW-Authenticate": ("string", "How to show a key."),
    "Content-Range": ("string", "Which bytes these are, or how many there are."),
    "Accept-Ranges": ("string", "`bytes`."),
    "ETag": ("string", "Of this content; `If-None-Match` with it is answered 304 while it holds."),
}

_OF_STATUS: Final = {
    "401": ("WWW-Authenticate",),
    "416": ("Content-Range",),
    "429": ("Retry-After",),
}
_CLIP: Final = Example(
    summary="A clip",
    value={"manifest": {"schema": "dfedge.escalation/1", "kind": "clip", "name": "talk.mp4"}},
)
_ADDRESS: Final = Example(
    summary="An address",
    value={"schema": "dfedge.escalation/1", "kind": "url", "url": "https://example.org/talk.mp4"},
)


def _headers(names: tuple[str, ...]) -> dict[str, OpenAPIHeader | Reference]:
    return {
        name: OpenAPIHeader(
            schema=Schema(type=OpenAPIType(HEADERS[name][0])), description=HEADERS[name][1]
        )
        for name in names
    }


def _example(code: str) -> Example:
    status, title, way_out = PROBLEMS[code]
    return Example(
        id=code,
        summary=title,
        value={
            "type": "about:blank",
            "title": title,
            "status": status,
            "detail": way_out,
            "code": code,
            "instance": None,
        },
    )

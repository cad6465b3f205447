"""``/v1/web-bundle``: the signed model for browsers over HTTP."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Response, get
from litestar.datastructures import State as AppState
from litestar.params import HeaderParameter, PathParameter
from litestar.response import Stream

from dfedge.bundles.web import SignedManifest
from dfedge_server.delivery.folder import pieces, signed
from dfedge_server.escalations.access import may_submit
from dfedge_server.escalations.openapi import answer, refusals
from dfedge_server.problems import ProblemError
from dfedge_server.security.principal import Principal
from dfedge_server.settings import Settings

Call = Request[Principal, Any, AppState]
Known = Annotated[
    str,
    HeaderParameter(
        name="If-None-Match", max_length=1000, description="ETags of what the client has."
    ),
]

_REVALIDATED: Final = {"Cache-Control": "private, no-cache"}
"""A client may keep it, but asks each time whether it holds."""


@get(
    "/web-bundle",
    guards=[may_submit],
    operation_id="get_web_bundle",
    tags=["models"],
    summary="The model for browsers: its signed manifest",
    responses={304: answer(None, "The client has it.")} | refusals("not_found"),
)
async def manifest(request: Call, known: Known = "") -> Response[SignedManifest | None]:
    """`manifest` is the exact text that `signature` signs; it names the files and their sha256."""
    _, _, told = await signed(_settings(request))
    etag = hashlib.sha256(msgspec.json.encode(told)).hexdigest()
    if _has(known, etag):
        return Response(None, status_code=304, headers=_headers(etag))
    return Response(told, headers=_headers(etag))


@get(
    "/web-bundle/files/{name:str}",
    guards=[may_submit],
    operation_id="get_web_bundle_file",
    tags=["models"],
    summary="A file of the model for browsers",
    media_type="application/octet-stream",
    responses={304: answer(None, "The client has it.")} | refusals("not_found"),
)
async def content(
    request: Call,
    name: Annotated[str, PathParameter(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")],
    known: Known = "",
) -> Response[Any]:
    """By the name that the manifest gives it; its ETag is its sha256."""
    folder, read, _ = await signed(_settings(request))
    file = next((file for file in read.files if file.name == name), None)
    if file is None:
        raise ProblemError("not_found", "The manifest names no such file.")
    headers = _headers(file.sha256)
    if _has(known, file.sha256):
        return Response(b"", status_code=304, headers=headers)
    headers["Content-Length"] = str(file.size_bytes)
    return Stream(await pieces(folder, file), headers=headers)


def _headers(etag: str) -> dict[str, str]:
    return {"ETag": f'"{etag}"', **_REVALIDATED}


def _has(known: str, etag: str) -> bool:
    """Whether `If-None-Match` names it (RFC 9110: weak comparison, or any)."""
    names = {name.strip().removeprefix("W/") for name in known.split(",")}
    return not names.isdisjoint({f'"{etag}"', "*"})


def _settings(request: Call) -> Settings:
    settings: Settings = request.app.state.services.settings
    return settings


ANSWER_HEADERS: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "get_web_bundle": {"200": ("ETag",), "304": ("ETag",)},
    "get_web_bundle_file": {"200": ("ETag",), "304": ("ETag",)},
}
"""Operation -> status -> headers of the answer, for the OpenAPI document."""

ROUTES = [manifest, content]
"""Under ``/v1``."""

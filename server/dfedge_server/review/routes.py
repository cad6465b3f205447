"""The pages for analysts, at ``/`` and ``/review``."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from litestar import Router, get
from litestar.datastructures import CacheControlHeader
from litestar.exceptions import HTTPException
from litestar.response import Redirect
from litestar.static_files import create_static_files_router

from dfedge_server.review import items, session, submitting
from dfedge_server.review.errors import show_error

_STATIC: Final = Path(__file__).parent / "static"


@get("/", name="front door")
async def _front_door() -> Redirect:
    return Redirect("/review", status_code=303)


_PAGES = Router(
    "/",
    route_handlers=[_front_door, *session.HANDLERS, *items.HANDLERS, *submitting.HANDLERS],
    exception_handlers={HTTPException: show_error, Exception: show_error},
    include_in_schema=False,
)

ROUTES: Final[list[Router]] = [
    _PAGES,
    create_static_files_router(
        "/review/static",
        directories=[_STATIC],
        include_in_schema=False,
        cache_control=CacheControlHeader(no_cache=True),  # asked again, by its ETag
    ),
]
"""For the application."""

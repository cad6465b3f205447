"""The web application: routes, and what every request passes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from urllib.parse import urlsplit

from litestar import Litestar, Router
from litestar.config.cors import CORSConfig
from litestar.middleware import DefineMiddleware
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin

from dfedge import __version__
from dfedge_server.bodies import JsonRequest
from dfedge_server.compat.routes import ROUTES as COMPAT
from dfedge_server.delivery.routes import ANSWER_HEADERS as DELIVERY_HEADERS
from dfedge_server.delivery.routes import ROUTES as DELIVERY
from dfedge_server.envelope import HEADER, Envelope
from dfedge_server.escalations import openapi, routes
from dfedge_server.problems import HANDLERS
from dfedge_server.review.routes import ROUTES as REVIEW
from dfedge_server.security.limits import RateLimiter, RateLimitMiddleware
from dfedge_server.security.middleware import KeyMiddleware
from dfedge_server.services import open_services
from dfedge_server.settings import Settings
from dfedge_server.telemetry.requests import Observed
from dfedge_server.telemetry.routes import ROUTES as TELEMETRY

EXPOSED = (
    "Location",
    "Retry-After",
    "Preference-Applied",
    "Content-Range",
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    HEADER,
)
"""Headers that pages of allowed origins may read."""


def create_app(settings: Settings) -> Litestar:
    """The application of the API; the database must be migrated before it starts."""
    app = Litestar(
        [Router("/v1", route_handlers=[*routes.ROUTES, *DELIVERY]), *COMPAT, *REVIEW, *TELEMETRY],
        lifespan=[_lifespan(settings)],
        middleware=[
            DefineMiddleware(KeyMiddleware),
            DefineMiddleware(RateLimitMiddleware, limiter=RateLimiter()),
        ],
        exception_handlers=HANDLERS,
        cors_config=_cors(settings),
        openapi_config=_openapi(),
        request_class=JsonRequest,
        debug=False,
        logging_config=None,  # telemetry.logging leads all loggers, not Litestar's queue
    )
    openapi.complete(app.openapi_schema, {**routes.ANSWER_HEADERS, **DELIVERY_HEADERS})
    https = urlsplit(settings.public_url).scheme == "https"
    app.asgi_handler = Envelope(Observed(app.asgi_handler), https=https)
    return app


def _lifespan(settings: Settings) -> Callable[[Litestar], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        async with open_services(settings) as services:
            app.state.services = services
            yield

    return lifespan


def _cors(settings: Settings) -> CORSConfig | None:
    """Exactly the origins that are named; cookies are never sent along."""
    if not settings.allowed_origins:
        return None
    return CORSConfig(
        allow_origins=list(settings.allowed_origins),
        allow_methods=["GET", "POST", "DELETE"],
        allow_headers=[
            "Authorization",
            "Content-Type",
            "Idempotency-Key",
            "Last-Event-ID",
            "Prefer",
            "Range",
            "X-API-Key",
            HEADER,
        ],
        expose_headers=list(EXPOSED),
    )


def _openapi() -> OpenAPIConfig:
    return OpenAPIConfig(
        title="dfedge escalation server",
        version=__version__,
        description=openapi.DESCRIPTION,
        components=openapi.COMPONENTS,
        security=openapi.SECURITY,
        use_handler_docstrings=True,
        path="/v1/openapi.json",
        render_plugins=[JsonRenderPlugin(path="/")],
    )

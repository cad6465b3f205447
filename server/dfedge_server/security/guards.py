"""What a route demands of its caller."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from litestar.connection import ASGIConnection
from litestar.exceptions import NotAuthorizedException, PermissionDeniedException
from litestar.handlers import BaseRouteHandler

from dfedge_server.security.principal import Principal, Scope

Connection: TypeAlias = ASGIConnection[Any, Any, Any, Any]


def requires(scope: Scope) -> Callable[[Connection, BaseRouteHandler], Awaitable[None]]:
    """A guard that lets callers pass who have the scope, or ``admin``.

    It is a coroutine since Litestar calls plain functions in a thread.

    Raises:
        NotAuthorizedException: the caller shows no key (401).
        PermissionDeniedException: the key lacks the scope (403).
    """

    async def guard(connection: Connection, _: BaseRouteHandler) -> None:
        principal: Principal | None = connection.user
        if principal is None:
            raise NotAuthorizedException(
                "send an API key: Authorization: Bearer dfe_...",
                headers={"WWW-Authenticate": "Bearer"},
                extra={"code": "key_missing"},
            )
        if not principal.may(scope):
            raise PermissionDeniedException(
                f"this key lacks the scope {scope.value}", extra={"code": "scope_missing"}
            )

    return guard

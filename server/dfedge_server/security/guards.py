"""What a route demands of its caller."""

from __future__ import annotations

from typing import Any

from litestar.connection import ASGIConnection
from litestar.exceptions import NotAuthorizedException, PermissionDeniedException
from litestar.handlers import BaseRouteHandler
from litestar.types import Guard

from dfedge_server.security.principal import Principal, Scope


def requires(scope: Scope) -> Guard:
    """A guard that lets callers pass who have the scope, or ``admin``.

    Raises:
        NotAuthorizedException: the caller shows no key (401).
        PermissionDeniedException: the key lacks the scope (403).
    """

    def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
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

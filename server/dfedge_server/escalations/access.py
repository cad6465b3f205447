"""Which keys may do what with escalations.

A device's key (``escalate``) submits, and sees, cancels and deletes what it knows the identity of.
An analyst's (``read``) lists everything of its tenant, sees the media and overrides. Nobody sees
another tenant's.
"""

from __future__ import annotations

from typing import Any

from litestar.connection import ASGIConnection
from litestar.exceptions import PermissionDeniedException
from litestar.handlers import BaseRouteHandler

from dfedge_server.security.guards import requires
from dfedge_server.security.principal import Scope

may_submit = requires(Scope.ESCALATE)
may_read = requires(Scope.READ)


async def any_key(
    connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler
) -> None:
    """A guard that lets every key pass, of whichever scope."""
    try:
        await may_read(connection, handler)
    except PermissionDeniedException:
        await may_submit(connection, handler)

"""Analysts who are signed in: a cookie of 256 random bits, of which only SHA-256 is kept.

The cookie is HttpOnly and SameSite=Strict. Against forged posts from other pages every request that
changes something by way of the cookie must come from a page of this server, which the browser
itself tells in ``Sec-Fetch-Site`` or ``Origin``; forms need no token for it.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie
from litestar.exceptions import PermissionDeniedException
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from dfedge_server.db.models import ApiKey, Session
from dfedge_server.security.audit import record
from dfedge_server.security.keys import authenticate, is_live
from dfedge_server.settings import Settings

COOKIE = "dfedge_session"

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


async def sign_in(
    session: AsyncSession, presented: str, *, who: str, settings: Settings
) -> str | None:
    """Open a session with an API key under a person's name: the cookie's value.

    None when the key is unknown, revoked or expired.
    """
    principal = await authenticate(session, presented)
    if principal is None or principal.key_id is None:
        return None
    value = secrets.token_urlsafe(32)
    now = datetime.now(UTC)
    await session.execute(delete(Session).where(Session.expires_at <= now))
    session.add(
        Session(
            digest=_digest(value),
            key_id=principal.key_id,
            who=who,
            expires_at=now + timedelta(hours=settings.session_hours),
        )
    )
    record(
        session, actor=who, action="session.opened", subject=principal.who, tenant=principal.tenant
    )
    return value


async def sign_out(session: AsyncSession, value: str) -> None:
    """End the session of a cookie; one that is over already is no error."""
    found = await _find(session, value)
    if found is None:
        return
    row, key = found
    record(session, actor=row.who, action="session.closed", subject=key.prefix, tenant=key.tenant)
    await session.delete(row)


async def live_session(session: AsyncSession, value: str) -> tuple[Session, ApiKey] | None:
    """The session of a cookie and its key; None when either is unknown or over."""
    found = await _find(session, value)
    if found is None:
        return None
    row, key = found
    return found if row.expires_at > datetime.now(UTC) and is_live(key) else None


def cookie(
    value: str, connection: ASGIConnection[Any, Any, Any, Any], settings: Settings
) -> Cookie:
    """The cookie to set at sign-in; with an empty value, the one that removes it."""
    return Cookie(
        key=COOKIE,
        value=value,
        max_age=int(settings.session_hours * 3600) if value else 0,
        path="/",
        httponly=True,
        samesite="strict",
        secure=_own_url(connection, settings).scheme == "https",
    )


def refuse_other_sites(connection: ASGIConnection[Any, Any, Any, Any]) -> None:
    """Let a request that changes something pass only when no other site's page sent it.

    The middleware calls it for every request with a session; the route that signs in calls it too.

    Raises:
        PermissionDeniedException: another site's page sent it (403, ``other_site``).
    """
    if connection.scope["method"] in _SAFE_METHODS:  # type: ignore[typeddict-item]
        return
    site = connection.headers.get("sec-fetch-site")
    origin = connection.headers.get("origin")
    if site is not None:
        own = site in ("same-origin", "none")
    else:
        # Neither header: no browser sent it, and so no page of another site either.
        own = origin is None or urlsplit(origin).netloc in _own_hosts(connection)
    if not own:
        raise PermissionDeniedException(
            "this form was sent from another site's page", extra={"code": "other_site"}
        )


def _own_hosts(connection: ASGIConnection[Any, Any, Any, Any]) -> set[str]:
    settings: Settings = connection.app.state.services.settings
    return {connection.headers.get("host", ""), urlsplit(settings.public_url).netloc} - {""}


def _own_url(connection: ASGIConnection[Any, Any, Any, Any], settings: Settings) -> Any:
    return urlsplit(settings.public_url or str(connection.base_url))


async def _find(session: AsyncSession, value: str) -> tuple[Session, ApiKey] | None:
    query = (
        select(Session, ApiKey)
        .join(ApiKey, ApiKey.id == Session.key_id)
        .where(Session.digest == _digest(value))
    )
    found = (await session.execute(query)).one_or_none()
    return None if found is None else (found[0], found[1])


def _digest(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()

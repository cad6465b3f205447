"""API keys: made, checked, rotated, revoked.

A key reads ``dfe_<8 letters and digits>_<43 characters>``: the first part is no secret and finds
it, the last is 256 random bits of which only SHA-256 is kept. It is shown once, when it is made.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import string
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from dfedge.errors import UsageError
from dfedge_server.db.models import ApiKey
from dfedge_server.security.audit import record
from dfedge_server.security.principal import Principal, Scope

_PREFIX = re.compile(r"dfe_[a-z0-9]{8}")
_KEY = re.compile(r"(dfe_[a-z0-9]{8})_[A-Za-z0-9_-]{43}")
_NO_DIGEST = hashlib.sha256(b"").hexdigest()


async def create_key(
    session: AsyncSession,
    *,
    name: str,
    tenant: str,
    scopes: Collection[Scope],
    requests_per_minute: int | None = None,
    expires_at: datetime | None = None,
    actor: str,
) -> tuple[ApiKey, str]:
    """A new key and its text, which cannot be had again.

    Args:
        requests_per_minute: None for the server's default.
        expires_at: with a time zone; None for never.
        actor: who asks, for the audit log.

    Raises:
        UsageError: without a name, tenant or scope, or one that has expired already.
    """
    _check(name, tenant, scopes, requests_per_minute, expires_at)
    prefix = "dfe_" + "".join(
        secrets.choice(string.ascii_lowercase + string.digits) for _ in range(8)
    )
    presented = f"{prefix}_{secrets.token_urlsafe(32)}"
    row = ApiKey(
        name=name,
        tenant=tenant,
        prefix=prefix,
        digest=_digest(presented),
        scopes=sorted(scopes),
        requests_per_minute=requests_per_minute,
        expires_at=expires_at,
    )
    session.add(row)
    await session.flush()
    record(
        session,
        actor=actor,
        action="key.created",
        subject=prefix,
        tenant=tenant,
        name=name,
        scopes=row.scopes,
        expires_at=None if expires_at is None else expires_at.isoformat(),
    )
    return row, presented


async def revoke_key(session: AsyncSession, prefix: str, *, actor: str) -> ApiKey:
    """End a key at once, and all sessions that were opened with it; it stays in the list.

    Raises:
        UsageError: there is no such key, or it is revoked already.
    """
    row = await find_key(session, prefix)
    row.revoked_at = datetime.now(UTC)
    record(session, actor=actor, action="key.revoked", subject=row.prefix, tenant=row.tenant)
    return row


async def rotate_key(
    session: AsyncSession, prefix: str, *, grace: timedelta, actor: str
) -> tuple[ApiKey, str]:
    """A new key for the same use; the old one still works for the grace time.

    The new one has the name, tenant, scopes and limit of the old, and lives as long as that was
    made to.

    Raises:
        UsageError: there is no such key, or it is revoked or expired.
    """
    old = await find_key(session, prefix)
    now = datetime.now(UTC)
    if old.expires_at is not None and old.expires_at <= now:
        raise UsageError(f"{old.prefix}: this key has expired; make a new one")
    new, presented = await create_key(
        session,
        name=old.name,
        tenant=old.tenant,
        scopes=[Scope(scope) for scope in old.scopes],
        requests_per_minute=old.requests_per_minute,
        expires_at=None if old.expires_at is None else now + (old.expires_at - old.created_at),
        actor=actor,
    )
    old.expires_at = min(now + grace, old.expires_at or now + grace)
    record(
        session,
        actor=actor,
        action="key.rotated",
        subject=old.prefix,
        tenant=old.tenant,
        to=new.prefix,
        until=old.expires_at.isoformat(),
    )
    return new, presented


async def list_keys(session: AsyncSession, *, tenant: str | None = None) -> Sequence[ApiKey]:
    """All keys, or those of a tenant, oldest first; revoked and expired ones too."""
    query = select(ApiKey).order_by(ApiKey.created_at, ApiKey.prefix)
    if tenant is not None:
        query = query.where(ApiKey.tenant == tenant)
    return (await session.scalars(query)).all()


async def find_key(session: AsyncSession, prefix: str) -> ApiKey:
    """A key that is not revoked, by its prefix, or by its whole text.

    Raises:
        UsageError: there is none.
    """
    match = _KEY.fullmatch(prefix)
    prefix = match[1] if match else prefix
    row = None
    if _PREFIX.fullmatch(prefix):
        row = await session.scalar(select(ApiKey).where(ApiKey.prefix == prefix))
    if row is None:
        raise UsageError(f"{prefix}: there is no such key; dfedge keys list shows all")
    if row.revoked_at is not None:
        raise UsageError(f"{prefix}: this key was revoked on {row.revoked_at:%Y-%m-%d}")
    return row


async def authenticate(session: AsyncSession, presented: str) -> Principal | None:
    """Whom a key stands for; None when it is unknown, wrong, revoked or expired."""
    row = await live_key(session, presented)
    return None if row is None else principal_of(row)


async def live_key(session: AsyncSession, presented: str) -> ApiKey | None:
    """The row of a key; None when it is unknown, wrong, revoked or expired."""
    match = _KEY.fullmatch(presented)
    if match is None:
        return None
    row = await session.scalar(select(ApiKey).where(ApiKey.prefix == match[1]))
    expected = _NO_DIGEST if row is None else row.digest
    same = hmac.compare_digest(expected, _digest(presented))
    return row if row is not None and same and is_live(row) else None


def principal_of(row: ApiKey, *, who: str | None = None) -> Principal:
    """The caller a key stands for, under its own name or another."""
    return Principal(
        key_id=row.id,
        who=who or f"{row.prefix} {row.name}",
        tenant=row.tenant,
        scopes=frozenset(Scope(scope) for scope in row.scopes),
        requests_per_minute=row.requests_per_minute,
    )


def is_live(row: ApiKey) -> bool:
    """Whether a key is neither revoked nor expired."""
    expired = row.expires_at is not None and row.expires_at <= datetime.now(UTC)
    return row.revoked_at is None and not expired


async def note_use(session: AsyncSession, key_id: UUID) -> None:
    """Keep that a key was used now."""
    now = datetime.now(UTC)
    await session.execute(update(ApiKey).where(ApiKey.id == key_id).values(last_used_at=now))


def _digest(presented: str) -> str:
    return hashlib.sha256(presented.encode()).hexdigest()


def _check(
    name: str,
    tenant: str,
    scopes: Collection[Scope],
    requests_per_minute: int | None,
    expires_at: datetime | None,
) -> None:
    """Refuse what would make a key of no use."""
    for what, text, most in (("name", name, 100), ("tenant", tenant, 64)):
        if not text.strip() or len(text) > most or not text.isprintable():
            raise UsageError(f"{what} {text!r}: give 1 to {most} printable characters")
    if not scopes:
        raise UsageError(f"a key needs a scope: {', '.join(Scope)}")
    if requests_per_minute is not None and requests_per_minute < 1:
        raise UsageError(f"requests a minute {requests_per_minute}: give 1 or more")
    if expires_at is not None and expires_at <= datetime.now(UTC):
        raise UsageError(f"expiry {expires_at:%Y-%m-%d %H:%M}: this is in the past")

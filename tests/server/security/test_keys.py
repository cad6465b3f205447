"""API keys."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from dfedge.errors import UsageError
from dfedge_server.db.engine import Database
from dfedge_server.db.models import ApiKey, AuditEvent
from dfedge_server.security.keys import (
    authenticate,
    create_key,
    list_keys,
    note_use,
    revoke_key,
    rotate_key,
)
from dfedge_server.security.principal import Scope

pytestmark = pytest.mark.anyio

DAY = timedelta(days=1)


async def _create(session: AsyncSession, **changes: Any) -> tuple[ApiKey, str]:
    usual: dict[str, Any] = {"name": "desk", "tenant": "newsroom", "scopes": [Scope.READ]}
    return await create_key(session, **usual | changes, actor="test")


async def _actions(session: AsyncSession) -> Sequence[tuple[str, str]]:
    query = select(AuditEvent.action, AuditEvent.subject).order_by(AuditEvent.id)
    return [(row.action, row.subject) for row in await session.execute(query)]


async def test_a_key_stands_for_its_tenant_and_scopes(each_database: Database) -> None:
    """What was asked for at the making comes back when it is shown."""
    async with each_database.session() as session:
        named = {"name": "Büro 🗝", "scopes": [Scope.READ, Scope.ESCALATE]}
        row, secret = await _create(session, **named)
    async with each_database.reading() as session:
        principal = await authenticate(session, secret)
    assert principal is not None
    assert (row.id, f"{row.prefix} Büro 🗝", "newsroom") == (
        principal.key_id,
        principal.who,
        principal.tenant,
    )
    assert {Scope.READ, Scope.ESCALATE} == principal.scopes
    assert not principal.may(Scope.ADMIN)


async def test_the_secret_is_nowhere_in_the_database(database: Database) -> None:
    """Who reads the tables cannot use the keys."""
    async with database.session() as session:
        row, secret = await _create(session)
        random = secret.removeprefix(f"{row.prefix}_")
    async with database.reading() as session:
        for table in ("api_key", "audit_event"):
            rows = (await session.execute(text(f"SELECT * FROM {table}"))).all()
            assert random not in repr(rows)
    assert len(random) == 43


@pytest.mark.parametrize("other", ["", "dfe_", "dfe_00000000_x", "x" * 10_000, "ä", "dfe_\x00"])
async def test_what_is_no_key_stands_for_nobody(each_database: Database, other: str) -> None:
    """Neither nonsense nor the part that is no secret."""
    async with each_database.session() as session:
        row, secret = await _create(session)
    async with each_database.reading() as session:
        assert await authenticate(session, other) is None
        assert await authenticate(session, row.prefix) is None
        assert await authenticate(session, secret[:-1]) is None
        assert await authenticate(session, secret + "x") is None


async def test_an_expired_key_stands_for_nobody(each_database: Database) -> None:
    """From its moment on."""
    now = datetime.now(UTC)
    async with each_database.session() as session:
        row, secret = await _create(session, expires_at=now + DAY)
        assert await authenticate(session, secret) is not None
        row.expires_at = now
        await session.flush()
        assert await authenticate(session, secret) is None


async def test_a_revoked_key_stands_for_nobody_but_stays_listed(database: Database) -> None:
    """Revoking is at once, once, and on record."""
    async with database.session() as session:
        row, secret = await _create(session)
        await revoke_key(session, row.prefix, actor="test")
        assert await authenticate(session, secret) is None
        assert [row.prefix] == [one.prefix for one in await list_keys(session)]
        with pytest.raises(UsageError, match="was revoked on"):
            await revoke_key(session, row.prefix, actor="test")
        assert [("key.created", row.prefix), ("key.revoked", row.prefix)] == await _actions(session)


async def test_after_rotation_both_keys_work_for_the_grace_time(each_database: Database) -> None:
    """The new one has all that the old one had; the old one ends when the time is over."""
    async with each_database.session() as session:
        old, before = await _create(session, requests_per_minute=7, expires_at=_in(30 * DAY))
        new, after = await rotate_key(session, old.prefix, grace=DAY, actor="test")
        first, second = await authenticate(session, before), await authenticate(session, after)
        assert first is not None
        assert second is not None
        assert (first.tenant, first.scopes, 7) == (
            second.tenant,
            second.scopes,
            second.requests_per_minute,
        )
        assert old.expires_at is not None
        assert _close(DAY, old.expires_at - datetime.now(UTC))
        assert new.expires_at is not None
        assert _close(30 * DAY, new.expires_at - datetime.now(UTC))
        assert ("key.rotated", old.prefix) == (await _actions(session))[-1]
        old.expires_at = datetime.now(UTC)
        await session.flush()
        assert await authenticate(session, before) is None
        assert await authenticate(session, after) is not None


async def test_grace_never_lengthens_a_keys_life(database: Database) -> None:
    """A key that ends in an hour still does; one that has ended is not rotated."""
    async with database.session() as session:
        row, _ = await _create(session, expires_at=_in(timedelta(hours=1)))
        await rotate_key(session, row.prefix, grace=DAY, actor="test")
        assert row.expires_at is not None
        assert row.expires_at < _in(timedelta(hours=2))
        row.expires_at = datetime.now(UTC)
        with pytest.raises(UsageError, match="has expired; make a new one"):
            await rotate_key(session, row.prefix, grace=DAY, actor="test")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": " "}, "name ' '"),
        ({"name": "a\nb"}, "printable"),
        ({"tenant": ""}, "tenant ''"),
        ({"tenant": "t" * 65}, "1 to 64"),
        ({"scopes": []}, "a key needs a scope: escalate, read, admin"),
        ({"requests_per_minute": 0}, "give 1 or more"),
        ({"expires_at": datetime(2020, 1, 1, tzinfo=UTC)}, "in the past"),
    ],
)
async def test_a_key_of_no_use_is_not_made(
    database: Database, changes: dict[str, Any], said: str
) -> None:
    """What is wrong is named."""
    async with database.session() as session:
        with pytest.raises(UsageError, match=said):
            await _create(session, **changes)


async def test_keys_are_listed_by_tenant(database: Database) -> None:
    """All, or one tenant's, oldest first."""
    async with database.session() as session:
        for name, tenant in (("a", "one"), ("b", "two"), ("c", "one")):
            await _create(session, name=name, tenant=tenant)
        assert ["a", "b", "c"] == [row.name for row in await list_keys(session)]
        assert ["a", "c"] == [row.name for row in await list_keys(session, tenant="one")]


async def test_the_last_use_is_kept(each_database: Database) -> None:
    """To the second, in UTC."""
    async with each_database.session() as session:
        row, _ = await _create(session)
        await note_use(session, row.id)
    async with each_database.reading() as session:
        used = await session.scalar(select(ApiKey.last_used_at))
    assert used is not None
    assert _close(timedelta(0), used - datetime.now(UTC))


def _in(time: timedelta) -> datetime:
    return datetime.now(UTC) + time


def _close(expected: timedelta, actual: timedelta) -> bool:
    """Equal but for the time a slow machine takes."""
    return abs(expected - actual) < timedelta(minutes=10)

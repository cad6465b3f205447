"""Plain functions of a connection: what they read, and that they write all or nothing."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import Connection, func, insert, select, text

from dfedge_server.db.engine import Database
from dfedge_server.db.models import Batch

pytestmark = pytest.mark.anyio


def _count(connection: Connection) -> int:
    return connection.scalar(select(func.count()).select_from(Batch)) or 0


def _add(connection: Connection) -> None:
    connection.execute(insert(Batch), {"tenant": "default"})


async def test_what_is_written_is_read(each_database: Database) -> None:
    """By functions and by sessions alike, also where many write at once."""
    await asyncio.gather(*(each_database.write(_add) for _ in range(20)))
    assert 20 == await each_database.read(_count)
    async with each_database.reading() as session:
        assert 20 == await session.scalar(select(func.count()).select_from(Batch))


async def test_a_function_that_raises_has_written_nothing(each_database: Database) -> None:
    """The transaction is rolled back, and the next one is not hindered by it."""

    def fail(connection: Connection) -> None:
        _add(connection)
        raise LookupError

    with pytest.raises(LookupError):
        await each_database.write(fail)
    await each_database.write(_add)
    assert 1 == await each_database.read(_count)


async def test_a_session_that_writes_hinders_no_reader(each_database: Database) -> None:
    """It sees what is committed, and a writer waits its turn."""
    async with each_database.session() as session:
        session.add(Batch(tenant="default"))
        await session.flush()
        assert 0 == await each_database.read(_count)
        other = asyncio.create_task(each_database.write(_add))
    await other
    assert 2 == await each_database.read(_count)


@pytest.mark.parametrize("each_settings", ["postgres"], indirect=True)
async def test_lost_connections_are_noticed(each_database: Database) -> None:
    """As when PostgreSQL was started anew: who asks next is answered."""
    assert 0 == await each_database.read(_count)
    end_others = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    async with each_database.engine.connect() as connection:
        await connection.execute(end_others)
    assert 0 == await each_database.read(_count)
    await each_database.write(_add)

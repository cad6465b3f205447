"""The migrations."""

from __future__ import annotations

import asyncio
import stat
import subprocess
import sys
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text

from dfedge.errors import UsageError
from dfedge_server.db.engine import Database
from dfedge_server.db.migrate import comparison, migrate, newest_revision
from dfedge_server.db.models import ApiKey
from dfedge_server.settings import Settings

pytestmark = pytest.mark.anyio


async def test_the_tables_made_are_those_of_the_models(each_database: Database) -> None:
    """``python -m dfedge_server.db.revise`` was run after the last change of the models."""
    async with each_database.engine.connect() as connection:
        assert [] == await connection.run_sync(_differences)


async def test_a_difference_is_found(each_database: Database) -> None:
    """That test would fail: a missing index and a column too many are seen."""
    async with each_database.engine.connect() as connection:
        await connection.execute(text("DROP INDEX ix_audit_time"))
        await connection.execute(text("ALTER TABLE batch ADD COLUMN more INTEGER"))
        kinds = {found[0] for found in await connection.run_sync(_differences)}
    assert {"add_index", "remove_column"} == kinds


async def test_migrating_again_changes_nothing(
    each_settings: Settings, each_database: Database
) -> None:
    """Every start migrates; rows stay."""
    await migrate(each_settings)
    async with each_database.engine.connect() as connection:
        found = await connection.execute(text("SELECT version_num FROM alembic_version"))
        assert [newest_revision()] == list(found.scalars())


async def test_processes_that_start_at_once_do_not_collide(each_settings: Settings) -> None:
    """Four processes migrate the same new database; all end well."""
    program = (
        "import asyncio, sys; from dfedge_server.db.migrate import migrate;"
        "from dfedge_server.settings import Settings;"
        "asyncio.run(migrate(Settings(data_dir=sys.argv[1], database_url=sys.argv[2])))"
    )
    url = each_settings.database_url.get_secret_value()
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, str(each_settings.data_dir), url, stderr=subprocess.PIPE
        )
        for _ in range(4)
    ]
    printed = [await process.communicate() for process in processes]
    assert [0] * 4 == [process.returncode for process in processes], printed


async def test_only_the_owner_may_read_the_sqlite_files(
    settings: Settings, database: Database
) -> None:
    """The database holds what people look like and who asked: 0600, in a folder of 0700."""
    async with database.session() as session:
        await session.execute(text("DELETE FROM batch"))
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode)
        for path in settings.data_dir.glob("dfedge.sqlite*")
    }
    assert {"dfedge.sqlite": 0o600, "dfedge.sqlite-wal": 0o600, "dfedge.sqlite-shm": 0o600} == modes
    assert 0o700 == stat.S_IMODE(settings.data_dir.stat().st_mode)


async def test_a_database_of_a_newer_version_is_refused(
    settings: Settings, database: Database
) -> None:
    """An older program does not touch tables it does not know."""
    async with database.session() as session:
        await session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(UsageError, match="another version of dfedge"):
        await migrate(settings)


async def test_an_absent_server_is_named_without_its_password(settings: Settings) -> None:
    """The setting is named; the password is not shown."""
    url = "postgresql+psycopg://dfedge:hush-hush@127.0.0.1:1/dfedge"
    with pytest.raises(UsageError, match="setting database_url") as caught:
        await migrate(Settings(data_dir=settings.data_dir, database_url=url))
    assert "hush-hush" not in str(caught.value)


async def test_a_reader_does_not_wait_for_a_writer(database: Database) -> None:
    """On SQLite too: a request is authenticated while another one writes."""
    async with database.session() as writer:
        await writer.execute(text("DELETE FROM batch"))
        async with database.reading() as reader:
            assert 0 == (await reader.execute(text("SELECT count(*) FROM batch"))).scalar_one()


async def test_a_failed_transaction_leaves_nothing(each_database: Database) -> None:
    """What raises within a session is rolled back whole."""

    async def fail() -> None:
        async with each_database.session() as session:
            session.add(ApiKey(name="a", tenant="b", prefix="c", digest="d", scopes=[]))
            await session.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    async with each_database.reading() as session:
        assert 0 == (await session.execute(text("SELECT count(*) FROM api_key"))).scalar_one()


def _differences(connection: Connection) -> list[Any]:
    options = comparison()
    context = MigrationContext.configure(connection, opts=options)
    return list(compare_metadata(context, options["target_metadata"]))

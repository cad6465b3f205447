"""Bring the database to the tables that this version of the code knows.

Every process calls :func:`migrate` before anything else. Only one works at a time: the others wait,
and find nothing left to do.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from advanced_alchemy.types import GUID
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from dfedge.errors import UsageError
from dfedge_server.db.engine import make_engine
from dfedge_server.db.models import ApiKey
from dfedge_server.settings import Settings
from dfedge_server.work.queue import migrate_system

if sys.platform != "win32":
    import fcntl

SCRIPTS = Path(__file__).with_name("migrations")

_LOCK_NUMBER = 0x6466656467650001
"""Of PostgreSQL's advisory lock: "dfedge" in ASCII, then 1."""
_POLL_SECONDS = 0.1


async def migrate(settings: Settings) -> None:
    """Make or upgrade all tables, the queue's own too; safe when several processes start at once.

    Raises:
        UsageError: the database cannot be reached, or belongs to a newer version of dfedge.
    """
    engine = make_engine(settings)
    try:
        async with _alone(settings, engine):
            async with engine.begin() as connection:
                await connection.run_sync(upgrade)
            await migrate_system(settings)
    except DBAPIError as error:
        raise UsageError(_unreachable(settings, error)) from error
    except CommandError as error:
        raise UsageError(
            f"setting database_url: the database was made by another version of dfedge ({error}); "
            "install the newer of the two, or restore the backup made before the upgrade"
        ) from error
    finally:
        await engine.dispose()


def upgrade(connection: Connection) -> None:
    """Run what migrations are missing, in the transaction of this connection."""
    command.upgrade(alembic_config(connection), "head")


def alembic_config(connection: Connection) -> Config:
    """What alembic's commands need to work on an open connection."""
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def comparison() -> dict[str, Any]:
    """How alembic compares the models with the tables there are."""
    return {
        "target_metadata": ApiKey.metadata,
        "include_name": _is_ours,
        "compare_type": _has_other_type,
        "compare_server_default": True,
    }


def newest_revision() -> str | None:
    """The revision a migrated database has."""
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    return ScriptDirectory.from_config(config).get_current_head()


@asynccontextmanager
async def _alone(settings: Settings, engine: AsyncEngine) -> AsyncIterator[None]:
    """Hold the one lock of this database; others poll.

    Nobody may wait inside PostgreSQL's lock function: a statement that waits holds a snapshot, and
    the queue's CREATE INDEX CONCURRENTLY would wait for that snapshot for ever.
    """
    if settings.is_sqlite:
        async with _alone_on_this_machine(settings.data_dir / "migrate.lock"):
            yield
        return
    async with engine.connect() as plain:
        connection = await plain.execution_options(isolation_level="AUTOCOMMIT")
        take = text("SELECT pg_try_advisory_lock(:number)").bindparams(number=_LOCK_NUMBER)
        while not (await connection.execute(take)).scalar_one():
            await asyncio.sleep(_POLL_SECONDS)
        try:
            yield
        finally:
            give = text("SELECT pg_advisory_unlock(:number)").bindparams(number=_LOCK_NUMBER)
            await connection.execute(give)


@asynccontextmanager
async def _alone_on_this_machine(path: Path) -> AsyncIterator[None]:
    """Hold a lock file; the system gives it back when the process dies."""
    path.touch(mode=0o600)
    with path.open("r+b") as file:
        while not _locked(file.fileno()):
            await asyncio.sleep(_POLL_SECONDS)
        yield


def _locked(descriptor: int) -> bool:
    """Whether this process has the lock now."""
    if sys.platform == "win32":
        return True  # SQLite's own lock is all there is; start one process first
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_ours(name: str | None, kind: str, parents: object) -> bool:
    """Leave the queue's tables alone, which lie beside ours on PostgreSQL."""
    return kind != "table" or name in ApiKey.metadata.tables


def _has_other_type(
    context: MigrationContext, there: object, in_models: object, found: object, wanted: object
) -> bool | None:
    """SQLite tells the BINARY of a GUID as a number; None leaves the rest to alembic."""
    if isinstance(wanted, GUID) and context.dialect.name == "sqlite":
        return False
    return None


def _unreachable(settings: Settings, error: DBAPIError) -> str:
    problem = str(error.orig).strip().splitlines()[0] if error.orig else type(error).__name__
    if settings.is_sqlite:
        return f"{settings.sqlite_path}: {problem}; check setting data_dir"
    return f"setting database_url: {problem}; check that PostgreSQL runs and the address is right"

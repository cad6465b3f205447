"""The database: SQLite in a folder, or PostgreSQL; the same code for both."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import event
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)

from dfedge.errors import UsageError
from dfedge_server.settings import Settings

BUSY_SECONDS = 30
"""How long a writer of SQLite waits for another one."""

AWAY = (OperationalError, InterfaceError, PoolTimeoutError)
"""What is raised while the database does not answer."""

READ_ONLY = "dfedge_read_only"
"""Execution option of transactions that only read."""


class Database:
    """Opens sessions; one for a process. Close it when the process ends."""

    def __init__(self, settings: Settings) -> None:
        self.engine = make_engine(settings)
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)
        reading = self.engine.execution_options(**{READ_ONLY: True, "postgresql_readonly": True})
        self._reading = async_sessionmaker(reading, expire_on_commit=False)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """A transaction: committed when the block ends, rolled back when it raises."""
        async with self._sessions() as session, session.begin():
            yield session

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """Reads alone, and so waits for no writer on SQLite either; nothing is committed."""
        async with self._reading() as session:
            yield session

    async def close(self) -> None:
        """Let go of all connections."""
        await self.engine.dispose()


def make_engine(settings: Settings) -> AsyncEngine:
    """The async engine, with foreign keys and write-ahead logging on SQLite."""
    if not settings.is_sqlite:
        return create_async_engine(
            settings.async_database_url, pool_pre_ping=True, hide_parameters=True
        )
    _prepare_folder(settings)
    engine = create_async_engine(
        settings.async_database_url,
        connect_args={"timeout": BUSY_SECONDS},
        hide_parameters=True,  # errors are logged, and parameters are what clients sent
    )

    @event.listens_for(engine.sync_engine, "connect")
    def configure(connection: Any, record: Any) -> None:
        connection.isolation_level = None  # SQLAlchemy begins transactions below, not sqlite3
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Any) -> None:
        # Reserve the write lock at once: upgrading a read lock later fails instead of waiting.
        # A reader needs no transaction: each statement sees what is committed.
        if not connection.get_execution_options().get(READ_ONLY):
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _prepare_folder(settings: Settings) -> None:
    """Make folder and files before SQLite does, readable by nobody else."""
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        for path in (settings.sqlite_path, settings.queue_path):
            path.touch(mode=0o600)
    except OSError as error:
        raise UsageError(
            f"setting data_dir {settings.data_dir}: {error.strerror}; give a folder that this "
            "user may write to"
        ) from error

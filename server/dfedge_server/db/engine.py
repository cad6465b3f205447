"""The database: SQLite in a folder, or PostgreSQL; the same code for both.

Two ways lead to it. A session is for work that waits for other things between its statements. What
clients ask often is a plain function of a connection that makes all its statements in one go,
called by :meth:`Database.read` or :meth:`Database.write`: on SQLite in a thread, so that a request
changes threads once and not four times for each statement.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol, TypeVar

import msgspec
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
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

READING_THREADS: Final = 4
"""On SQLite: a look takes half a millisecond, but a list may be searched for longer."""

T = TypeVar("T")
Work = Callable[[Connection], T]
"""Makes its statements one after the other, and waits for nothing else."""


class Database:
    """Opens sessions and calls functions of connections; one for a process, closed at its end."""

    def __init__(self, settings: Settings) -> None:
        self.engine = make_engine(settings)
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)
        reading = self.engine.execution_options(**{READ_ONLY: True, "postgresql_readonly": True})
        self._reading = async_sessionmaker(reading, expire_on_commit=False)
        self._direct: _Direct = (
            _OnSqlite(settings) if settings.is_sqlite else _OnPostgres(settings, self.engine)
        )

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

    async def read(self, work: Work[T]) -> T:
        """What a function reads; each of its statements sees what is committed by then.

        Args:
            work: may be called twice.
        """
        return await self._direct.read(work)

    async def write(self, work: Work[T]) -> T:
        """What a function gives, in a transaction: rolled back when it raises."""
        return await self._direct.write(work)

    async def close(self) -> None:
        """Let go of all connections."""
        await self._direct.close()
        await self.engine.dispose()


class _Direct(Protocol):
    async def read(self, work: Work[T]) -> T: ...

    async def write(self, work: Work[T]) -> T: ...

    async def close(self) -> None: ...


class _OnSqlite:
    """In threads; one alone writes, as SQLite lets no two write at once."""

    def __init__(self, settings: Settings) -> None:
        self._engine = create_engine(f"sqlite:///{settings.sqlite_path}", **_sqlite_options())
        _configure(self._engine)
        self._reading = self._engine.execution_options(**{READ_ONLY: True})
        self._readers = ThreadPoolExecutor(READING_THREADS, "dfedge-read")
        self._writer = ThreadPoolExecutor(1, "dfedge-write")

    async def read(self, work: Work[T]) -> T:
        def call() -> T:
            with self._reading.connect() as connection:
                return work(connection)

        return await asyncio.get_running_loop().run_in_executor(self._readers, call)

    async def write(self, work: Work[T]) -> T:
        def call() -> T:
            with self._engine.begin() as connection:
                return work(connection)

        return await asyncio.get_running_loop().run_in_executor(self._writer, call)

    async def close(self) -> None:
        await asyncio.to_thread(self._readers.shutdown)
        await asyncio.to_thread(self._writer.shutdown)
        self._engine.dispose()


class _OnPostgres:
    """Reads on connections of their own, which begin no transactions and are not tried out first.

    One that was lost, as when PostgreSQL was started anew, is noticed by who reads from it, and all
    are opened anew.
    """

    def __init__(self, settings: Settings, engine: AsyncEngine) -> None:
        self._engine = engine
        self._reading = create_async_engine(
            settings.async_database_url, isolation_level="AUTOCOMMIT", **_shared_options()
        )

    async def read(self, work: Work[T]) -> T:
        try:
            return await self._read(work)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
        return await self._read(work)

    async def _read(self, work: Work[T]) -> T:
        async with self._reading.connect() as connection:
            return await connection.run_sync(work)

    async def write(self, work: Work[T]) -> T:
        async with self._engine.begin() as connection:
            return await connection.run_sync(work)

    async def close(self) -> None:
        await self._reading.dispose()


def make_engine(settings: Settings) -> AsyncEngine:
    """The async engine, with foreign keys and write-ahead logging on SQLite."""
    if not settings.is_sqlite:
        return create_async_engine(
            settings.async_database_url, pool_pre_ping=True, **_shared_options()
        )
    _prepare_folder(settings)
    engine = create_async_engine(settings.async_database_url, **_sqlite_options())
    _configure(engine.sync_engine)
    return engine


def _shared_options() -> dict[str, Any]:
    return {
        "hide_parameters": True,  # errors are logged, and parameters are what clients sent
        "json_serializer": lambda value: msgspec.json.encode(value).decode(),
        "json_deserializer": msgspec.json.decode,
    }


def _sqlite_options() -> dict[str, Any]:
    return {**_shared_options(), "connect_args": {"timeout": BUSY_SECONDS}}


def _configure(engine: Engine) -> None:
    """What SQLite is told of each connection and transaction."""

    @event.listens_for(engine, "connect")
    def configure(connection: Any, record: Any) -> None:
        connection.isolation_level = None  # SQLAlchemy begins transactions below, not sqlite3
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        # Reserve the write lock at once: upgrading a read lock later fails instead of waiting.
        # A reader needs no transaction: each statement sees what is committed.
        if not connection.get_execution_options().get(READ_ONLY):
            connection.exec_driver_sql("BEGIN IMMEDIATE")


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

"""A server's surroundings for its tests: settings, databases, an S3 server, keys, real processes.

Coroutine tests are run by anyio's plugin: put ``pytestmark = pytest.mark.anyio`` into the module.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any, NoReturn

import httpx
import psycopg
import pytest

from dfedge_server.db.engine import Database
from dfedge_server.db.migrate import migrate
from dfedge_server.db.models import ApiKey
from dfedge_server.security.keys import create_key
from dfedge_server.security.principal import Scope
from dfedge_server.settings import CONFIG_VARIABLE, PREFIX, Settings

START_SECONDS = 60.0
"""How long a process may take to answer on a busy machine."""


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Everything runs on asyncio."""
    return "asyncio"


@pytest.fixture(autouse=True)
def _no_settings_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """``--config`` sets a variable for children of this process: not for the next test too."""
    monkeypatch.setenv(CONFIG_VARIABLE, "")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """SQLite and a folder, both below ``tmp_path``; nothing of the user's settings or bundles."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DFEDGE_HOME", str(tmp_path / "home"))
    return Settings(data_dir=tmp_path / "server", port=0, key_cache_seconds=0)


@pytest.fixture
async def database(settings: Settings, anyio_backend: str) -> AsyncIterator[Database]:
    """A migrated SQLite database."""
    await migrate(settings)
    opened = Database(settings)
    yield opened
    await opened.close()


@pytest.fixture(params=["sqlite", "postgres"])
def each_settings(request: pytest.FixtureRequest, settings: Settings) -> Settings:
    """Settings for each kind of database in turn."""
    if request.param == "sqlite":
        return settings
    new_database = request.getfixturevalue("postgres")
    return with_settings(settings, database_url=new_database())


@pytest.fixture
async def each_database(each_settings: Settings, anyio_backend: str) -> AsyncIterator[Database]:
    """A migrated database of each kind in turn."""
    await migrate(each_settings)
    opened = Database(each_settings)
    yield opened
    await opened.close()


def with_settings(settings: Settings, **changes: Any) -> Settings:
    """The same settings but for some."""
    return Settings(**(settings.model_dump(exclude_unset=True) | changes))


# Keys


@dataclass(frozen=True)
class MadeKey:
    """A key and its text."""

    row: ApiKey
    secret: str

    @property
    def headers(self) -> dict[str, str]:
        """What a client sends."""
        return {"Authorization": f"Bearer {self.secret}"}


MakeKey = Callable[..., MadeKey]


@pytest.fixture
def make_key(settings: Settings) -> MakeKey:
    """``make_key(*scopes, tenant=..., settings=...)``: a new key in a migrated database.

    For plain and coroutine tests alike; all scopes when none is named.
    """

    def make(*scopes: Scope, settings: Settings = settings, **named: Any) -> MadeKey:
        return new_key(settings, *scopes, **named)

    return make


def new_key(
    settings: Settings,
    *scopes: Scope,
    name: str = "test",
    tenant: str = "newsroom",
    requests_per_minute: int | None = None,
    expires_at: datetime | None = None,
) -> MadeKey:
    """Make a key in the database that the settings name."""

    async def make() -> MadeKey:
        database = Database(settings)
        try:
            async with database.session() as session:
                row, secret = await create_key(
                    session,
                    name=name,
                    tenant=tenant,
                    scopes=scopes or tuple(Scope),
                    requests_per_minute=requests_per_minute,
                    expires_at=expires_at,
                    actor="test",
                )
        finally:
            await database.close()
        return MadeKey(row, secret)

    with ThreadPoolExecutor(1) as pool:  # a loop of its own, whatever the caller runs in
        return pool.submit(lambda: asyncio.run(make())).result()


# PostgreSQL


def _skip(reason: str) -> NoReturn:
    if os.environ.get("DFEDGE_REQUIRE_POSTGRES") == "1":
        pytest.fail(f"DFEDGE_REQUIRE_POSTGRES=1, but {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Callable[[], str]]:
    """A PostgreSQL cluster of its own; call it for the address of a new, empty database."""
    programs = _postgres_programs()
    user = "postgres" if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root
    folder = Path(tempfile.mkdtemp(prefix="dfedge-postgres-"))
    if user is not None:
        shutil.chown(folder, user, user)
    port = free_port()
    try:
        encoding = ("--encoding=UTF8", "--no-locale")
        subprocess.run(
            [programs / "initdb", "-D", folder / "data", "-U", "dfedge", "-A", "trust", *encoding],
            user=user,
            cwd=folder,
            check=True,
            capture_output=True,
        )
        options = {"port": port, "listen_addresses": "127.0.0.1", "unix_socket_directories": ""}
        options |= {"fsync": "off", "max_connections": 200, "shared_buffers": "32MB"}
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [programs / "postgres", "-D", folder / "data"]
                + [part for name, value in options.items() for part in ("-c", f"{name}={value}")],
                user=user,
                cwd=folder,
                stdout=log,
                stderr=log,
            )
        try:
            address = f"127.0.0.1:{port}"
            _wait_for_postgres(address, process, folder / "log")
            numbers = count(1)

            def new_database() -> str:
                name = f"dfedge_{next(numbers)}"
                with psycopg.connect(
                    f"postgresql://dfedge@{address}/postgres", autocommit=True
                ) as connection:
                    connection.execute(f"CREATE DATABASE {name}".encode())
                return f"postgresql+psycopg://dfedge@{address}/{name}"

            yield new_database
        finally:
            process.send_signal(signal.SIGINT)  # PostgreSQL's fast shutdown
            process.wait(30)
    finally:
        shutil.rmtree(folder)


def _postgres_programs() -> Path:
    """The folder of initdb and postgres, the newest of Debian's, or that on the PATH."""
    folders = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name)
    )
    if folders:
        return folders[-1]
    found = shutil.which("postgres")
    if found is None:
        _skip("PostgreSQL is not installed (apt-get install postgresql)")
    return Path(found).parent


def _wait_for_postgres(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            psycopg.connect(f"postgresql://dfedge@{address}/postgres").close()
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > end:
                pytest.fail(f"PostgreSQL did not start:\n{log.read_text()}")
            time.sleep(0.1)
        else:
            return


# S3


@pytest.fixture(scope="session")
def _s3_address() -> Iterator[str]:
    """An S3 server (moto's) in a process of its own."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for_answer(f"{address}/moto-api/", process, "the S3 server")
        yield address
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def s3(_s3_address: str, request: pytest.FixtureRequest) -> dict[str, Any]:
    """Settings fields that name a new, empty bucket: ``Settings(data_dir=..., **s3)``."""
    bucket = f"dfedge-{time.time_ns()}"
    httpx.put(f"{_s3_address}/{bucket}").raise_for_status()
    return {
        "storage_url": f"s3://{bucket}/server",
        "s3_endpoint": _s3_address,
        "s3_region": "us-east-1",
        "s3_access_key_id": "test",
        "s3_secret_access_key": "test",
    }


# Real processes


@dataclass
class LiveServer:
    """A running ``dfedge serve``; ``url`` is empty for a worker.

    Attributes:
        log: everything it printed.
    """

    url: str
    settings: Settings
    process: subprocess.Popen[bytes]
    log: Path
    _headers: dict[str, str] = field(default_factory=dict)

    def key(self, *scopes: Scope, **named: Any) -> MadeKey:
        """A new key of this server; all scopes when none is named."""
        return new_key(self.settings, *scopes, **named)

    def client(self, *scopes: Scope, **named: Any) -> httpx.Client:
        """An HTTP client with a new key."""
        return httpx.Client(
            base_url=self.url, headers=self.key(*scopes, **named).headers, timeout=60.0
        )

    def kill(self) -> None:
        """``kill -9``."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Ask it to end (SIGTERM); the exit code."""
        self.process.terminate()
        return self.process.wait(START_SECONDS)


StartServer = Callable[..., LiveServer]


@pytest.fixture
def live_server(settings: Settings, tmp_path: Path) -> Iterator[StartServer]:
    """``live_server(*words, settings=..., ready=True)`` starts ``dfedge serve WORDS``.

    It waits until ``/health`` answers and, where ``ready``, until ``/ready`` does: a model answers.
    A worker alone (``live_server("worker")``) is not waited for. All are killed at the end.
    """
    started: list[LiveServer] = []

    def start(
        *words: str,
        settings: Settings = settings,
        ready: bool = True,
        **changes: Any,
    ) -> LiveServer:
        asks = "worker" not in words
        changes |= {"port": settings.port or free_port()} if asks else {}
        own = with_settings(settings, **changes)
        log = tmp_path / f"serve-{len(started)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "dfedge", "serve", *words],
                env=environment(own),
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        url = f"http://127.0.0.1:{own.port}" if asks else ""
        server = LiveServer(url, own, process, log)
        started.append(server)
        if asks:
            wait_for_answer(f"{url}/health", process, "dfedge serve", log)
            if ready:
                wait_for_answer(f"{url}/ready", process, "dfedge serve", log)
        return server

    yield start
    for server in started:
        server.kill()


def environment(settings: Settings) -> dict[str, str]:
    """This process's environment with the settings for a child."""
    values = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    for name, value in settings.model_dump(exclude_unset=True).items():
        plain = value.get_secret_value() if hasattr(value, "get_secret_value") else value
        text = ",".join(map(str, plain)) if isinstance(plain, tuple) else str(plain)
        values[f"{PREFIX}{name.upper()}"] = text
    return values


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for_answer(
    url: str, process: subprocess.Popen[bytes], name: str, log: Path | None = None
) -> None:
    """Until the address answers 200, or the process ends, or a minute is over."""
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            if httpx.get(url).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        if process.poll() is not None or time.monotonic() > end:
            printed = "" if log is None else log.read_text(errors="replace")
            pytest.fail(f"{name} did not answer {url}:\n{printed}")
        time.sleep(0.1)

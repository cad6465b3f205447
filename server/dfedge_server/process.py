"""A process of the server: its API, its worker or both, from the first check to the last signal."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import TYPE_CHECKING, Final

from dfedge import __version__
from dfedge.errors import UsageError
from dfedge_server.db.migrate import migrate
from dfedge_server.services import Services, open_services
from dfedge_server.settings import Settings
from dfedge_server.telemetry import logging as logs
from dfedge_server.telemetry import tracing

if TYPE_CHECKING:
    import uvicorn

    from dfedge_server.work.worker import WorkerProcess

if sys.platform != "win32":
    import fcntl

PATIENCE_SECONDS: Final = 20
"""What runs when the process is asked to stop has so long; what is left is done by others."""

Say = Callable[[str], None]


def run_api(settings: Settings, say: Say) -> None:
    """Serve HTTP until a signal; another process must work."""
    _run(settings, say, api=True, work=False)


def run_worker(settings: Settings, say: Say) -> None:
    """Do jobs until a signal."""
    _run(settings, say, api=False, work=True)


def run_both(settings: Settings, say: Say) -> None:
    """Serve HTTP and do jobs until a signal."""
    _run(settings, say, api=True, work=True)


def _run(settings: Settings, say: Say, *, api: bool, work: bool) -> None:
    logs.configure(settings)
    tracing.configure(settings)
    with _only_one(settings):
        asyncio.run(_serve(settings, say, api=api, work=work))
    tracing.shutdown()
    # A model that is still at work cannot be interrupted, and nobody waits for its answer.
    sys.stdout.flush()
    logging.shutdown()
    os._exit(0)


async def _serve(settings: Settings, say: Say, *, api: bool, work: bool) -> None:
    stopping = asyncio.Event()
    _listen_to_signals(stopping)
    await migrate(settings)
    async with AsyncExitStack() as stack:
        server = None
        if api:
            listener = stack.enter_context(_listener(settings))
            server = await _start_api(settings, listener, stopping)
            stack.push_async_callback(_stop_api, *server)
            say(f"dfedge server {__version__} listens on {_address(settings, listener)}")
        say(_places(settings))
        if work and not api:
            _start_metrics(settings)
        if work:
            services = await stack.enter_async_context(open_services(settings))
            worker = await _start_worker(services, stopping)
            if worker is not None:
                stack.push_async_callback(worker.stop, patience=PATIENCE_SECONDS)
                for line in _models(worker):
                    say(line)
        if api:
            folder = f"--data-dir {settings.data_dir} " if settings.is_sqlite else ""
            say(f"make a key with: dfedge keys create {folder}NAME")
        await stopping.wait()
        say(
            f"stopping: what runs has {PATIENCE_SECONDS} s to end, what waits is kept; "
            "a second signal ends at once"
        )
        if server is not None:
            server[0].should_exit = True  # while the worker ends its jobs


def _listen_to_signals(stopping: asyncio.Event) -> None:
    """The first signal asks to stop, the second ends the process: nothing is lost by it."""

    def on_signal(number: int) -> None:
        if stopping.is_set():
            os._exit(128 + number)
        stopping.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        try:
            loop.add_signal_handler(number, on_signal, number)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda got, _: loop.call_soon_threadsafe(on_signal, got))


async def _start_api(
    settings: Settings, listener: socket.socket, stopping: asyncio.Event
) -> tuple[uvicorn.Server, asyncio.Task[None]]:
    """uvicorn, with signals left to us; back when it answers."""
    import uvicorn

    from dfedge_server.app import create_app

    config = uvicorn.Config(
        create_app(settings),
        log_config=None,
        access_log=False,
        server_header=False,
        http="h11",  # bounds the head of a request, which httptools, where it is there, does not
        lifespan="on",
        timeout_graceful_shutdown=PATIENCE_SECONDS,
    )

    class Server(uvicorn.Server):
        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    server = Server(config)
    task = asyncio.create_task(server.serve([listener]))
    task.add_done_callback(lambda _: stopping.set())
    while not server.started and not task.done():
        await asyncio.sleep(0.01)
    if not server.started:
        await task
        raise UsageError("the API did not start; the log above tells why")
    return server, task


async def _stop_api(server: uvicorn.Server, task: asyncio.Task[None]) -> None:
    server.should_exit = True
    await task


async def _start_worker(services: Services, stopping: asyncio.Event) -> WorkerProcess | None:
    """The worker, once its models are loaded; None where a signal came first."""
    from dfedge_server.work.worker import WorkerProcess

    worker = WorkerProcess(services)
    starting = asyncio.create_task(worker.start())
    waiting = asyncio.create_task(stopping.wait())
    await asyncio.wait({starting, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if not starting.done():
        starting.cancel()
        return None
    await starting
    return worker


def _start_metrics(settings: Settings) -> None:
    """Answer Prometheus, where a port is set."""
    if not settings.worker_metrics_port:
        return
    from prometheus_client import start_http_server

    from dfedge_server.telemetry.metrics import REGISTRY

    try:
        start_http_server(settings.worker_metrics_port, settings.host, REGISTRY)
    except OSError as error:
        raise UsageError(
            f"setting worker_metrics_port {settings.worker_metrics_port}: {error.strerror}"
        ) from None


@contextmanager
def _listener(settings: Settings) -> Iterator[socket.socket]:
    """The socket to listen on.

    Raises:
        UsageError: the address or port cannot be had.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # asyncio turns Nagle's algorithm off only for sockets that name their protocol.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((settings.host, settings.port))
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            raise UsageError(
                f"--port {settings.port}: another program listens there; name another port"
                if taken
                else f"--host {settings.host}, --port {settings.port}: {error.strerror or error}"
            ) from None
        yield listener


@contextmanager
def _only_one(settings: Settings) -> Iterator[None]:
    """Hold the folder: SQLite serves one process. The system gives it back when this one dies.

    Raises:
        UsageError: another server has it, or it cannot be written.
    """
    if not settings.is_sqlite or sys.platform == "win32":
        yield
        return
    path = settings.data_dir / "server.lock"
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = path.open("a+")
    except OSError as error:
        raise UsageError(f"--data-dir {settings.data_dir}: {error.strerror}") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                f"--data-dir {settings.data_dir}: another server works in this folder; stop it, or "
                "set database_url to a PostgreSQL database, which serves many"
            ) from None
        yield


def _address(settings: Settings, listener: socket.socket) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{listener.getsockname()[1]}"


def _places(settings: Settings) -> str:
    database = f"SQLite in {settings.data_dir}" if settings.is_sqlite else "PostgreSQL"
    storage = settings.storage_url or str(settings.data_dir / "media")
    return f"database: {database}; media: {storage}"


def _models(worker: WorkerProcess) -> Iterator[str]:
    for model in worker.models:
        size = "heavy" if model.heavy else "made for devices"
        yield f"model: {model.name} {model.version}, {size}"
    yield from worker.notes

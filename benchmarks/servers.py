"""Real servers to be measured: ``dfedge serve``, PostgreSQL and S3, each a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

START_SECONDS = 120.0
POSTGRES = Path("/usr/lib/postgresql")
"""Where Debian's packages put each version."""


@dataclass
class Server:
    """A process of the server; ``url`` is empty for a worker."""

    process: subprocess.Popen[bytes]
    environment: dict[str, str]
    url: str
    log: Path

    def make_key(self) -> str:
        """A key that no rate limit slows."""
        command = [sys.executable, "-m", "dfedge", "keys", "create", "benchmark", "--json"]
        for scope in ("escalate", "read", "admin"):
            command += ["--scope", scope]
        command += ["--rate", "1000000"]
        done = subprocess.run(command, env=self.environment, capture_output=True, check=True)
        key: str = json.loads(done.stdout)["key"]
        return key


@contextmanager
def serve(
    folder: Path, settings: Mapping[str, str], *words: str, path: str = "/health"
) -> Iterator[Server]:
    """Run ``dfedge serve WORDS`` until the block ends; it answers ``path`` when this yields."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    own = {"data_dir": str(folder / "data"), "port": str(port), **settings}
    environment = os.environ | {f"DFEDGE_SERVER_{name.upper()}": own[name] for name in own}
    log = folder / f"{'-'.join(words) or 'both'}-{port}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "dfedge", "serve", *words],
            env=environment,
            stdout=output,
            stderr=output,
        )
    url = "" if "worker" in words else f"http://127.0.0.1:{port}"
    try:
        if url:
            wait_for(f"{url}{path}", process, log)
        yield Server(process, environment, url, log)
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until an address answers 200; ends the benchmark where the process ends first."""
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            pass
        if process.poll() is not None or time.monotonic() > end:
            raise SystemExit(f"{url} does not answer:\n{log.read_text(errors='replace')}")
        time.sleep(0.1)


@contextmanager
def postgres(folder: Path | None = None) -> Iterator[str | None]:
    """The address of a database in a cluster of its own; None without PostgreSQL.

    Args:
        folder: keeps the cluster, or goes on with one that lies there; None: it is deleted.
    """
    versions = sorted(POSTGRES.glob("*/bin"), key=lambda path: float(path.parent.name))
    if not versions:
        yield None
        return
    user = "postgres" if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root
    place = folder or Path(mkdtemp(prefix="dfedge-bench-"))
    place.mkdir(parents=True, exist_ok=True)
    if user:
        shutil.chown(place, user, user)
    if not (place / "data").exists():
        command = [versions[-1] / "initdb", "-D", place / "data", "-U", "dfedge", "-A", "trust"]
        subprocess.run(command, user=user, cwd=place, check=True, stdout=subprocess.DEVNULL)
    port = free_port()
    options = [f"port={port}", "listen_addresses=127.0.0.1", "unix_socket_directories="]
    options.append("log_min_messages=fatal")
    process = subprocess.Popen(
        [versions[-1] / "postgres", "-D", place / "data"]
        + [word for option in options for word in ("-c", option)],
        user=user,
        cwd=place,
        stderr=subprocess.DEVNULL,
    )
    try:
        _create_database(port)
        yield f"postgresql+psycopg://dfedge@127.0.0.1:{port}/dfedge"
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)
        if folder is None:
            shutil.rmtree(place)


def _create_database(port: int) -> None:
    import psycopg

    end = time.monotonic() + START_SECONDS
    while True:
        try:
            with psycopg.connect(
                f"postgresql://dfedge@127.0.0.1:{port}/postgres", autocommit=True
            ) as connection:
                connection.execute("CREATE DATABASE dfedge")
            return
        except psycopg.errors.DuplicateDatabase:
            return
        except psycopg.OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


@contextmanager
def s3() -> Iterator[dict[str, str]]:
    """Settings that name a bucket of moto's S3 server, in a process of its own."""
    port = free_port()
    with TemporaryDirectory(prefix="dfedge-bench-") as folder:
        log = Path(folder) / "s3.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
                stdout=output,
                stderr=output,
            )
        address = f"http://127.0.0.1:{port}"
        try:
            wait_for(f"{address}/moto-api/", process, log)
            request = urllib.request.Request(f"{address}/dfedge", method="PUT")
            urllib.request.urlopen(request).close()
            yield {
                "storage_url": "s3://dfedge/server",
                "s3_endpoint": address,
                "s3_region": "us-east-1",
                "s3_access_key_id": "benchmark",
                "s3_secret_access_key": "benchmark",
            }
        finally:
            process.kill()
            process.wait()


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port

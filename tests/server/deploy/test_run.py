"""The command lines of the image, as Compose runs them, as plain processes.

PostgreSQL and the S3 server are those of the tests; everything else is as the files say: program,
words, environment, secrets in files, health checks, and the time a service gets to end.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec
import psycopg
import pytest

from dfedge.escalation import wire

PROGRAMS = Path(sys.executable).parent
WELL_SECONDS = 90.0


@dataclass
class Service:
    """A service of the Compose file that runs here."""

    name: str
    process: subprocess.Popen[bytes]
    environment: dict[str, str]
    health: list[str]
    grace_seconds: float
    log: Path
    url: str = ""

    def is_well(self) -> bool:
        """Whether its own health check says so."""
        return 0 == run(self.health, self.environment).returncode

    def wait_until_well(self) -> None:
        """Until its health check is content."""
        end = time.monotonic() + WELL_SECONDS
        while not self.is_well():
            ended = self.process.poll() is not None
            if ended or time.monotonic() > end:
                pytest.fail(f"{self.name} is not well:\n{self.log.read_text(errors='replace')}")
            time.sleep(0.5)


def run(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run what a container would, with the programs of this environment."""
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


@pytest.fixture
def start(
    image: Any,
    compose: dict[str, Any],
    postgres: Callable[[], str],
    s3: dict[str, Any],
    tmp_path: Path,
) -> Iterator[Callable[[str], Service]]:
    """``start(name)`` runs a service of the Compose file; all are killed at the end."""
    from tests.server.conftest import free_port

    secrets = tmp_path / "secrets"
    secrets.mkdir()
    values = {
        "database_url": postgres(),
        "s3_access_key_id": s3["s3_access_key_id"],
        "s3_secret_access_key": s3["s3_secret_access_key"],
        "webhook_secret": "whsec_" + base64.b64encode(b"a secret of the tests").decode(),
    }
    for name, value in values.items():
        (secrets / f"dfedge_server_{name}").write_text(f"{value}\n")
    services: list[Service] = []

    def begin(name: str) -> Service:
        described = compose["services"][name]
        folder = tmp_path / f"{name}-{len(services)}"
        for part in ("data", "tmp"):
            (folder / part).mkdir(parents=True)
        port = free_port()
        environment = {
            **image.environment,
            **described["environment"],
            "PATH": f"{PROGRAMS}:{os.environ['PATH']}",
            "OMP_NUM_THREADS": "1",
            "DFEDGE_HOME": str(folder / "models"),
            "DFEDGE_SERVER_DATA_DIR": str(folder / "data"),
            "DFEDGE_SERVER_HOST": "127.0.0.1",
            "DFEDGE_SERVER_PORT": str(port),
            "DFEDGE_SERVER_SECRETS": str(secrets),
            "DFEDGE_SERVER_STORAGE_URL": s3["storage_url"],
            "DFEDGE_SERVER_S3_ENDPOINT": s3["s3_endpoint"],
            "HOME": str(folder / "data"),
            "TMPDIR": str(folder / "tmp"),
        }
        log = folder / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*image.entrypoint, *described["command"]],
                env=environment,
                cwd=folder / "data",
                stdout=output,
                stderr=output,
            )
        [word, *health] = described["healthcheck"]["test"]
        assert word == "CMD"
        service = Service(
            name=name,
            process=process,
            environment=environment,
            health=[part.replace("127.0.0.1:8000", f"127.0.0.1:{port}") for part in health],
            grace_seconds=float(described["stop_grace_period"].removesuffix("s")),
            log=log,
            url=f"http://127.0.0.1:{port}",
        )
        services.append(service)
        return service

    yield begin
    for service in services:
        service.process.kill()
        service.process.wait()


def test_what_compose_starts_does_a_job_and_stops_in_time(
    start: Callable[[str], Service], portrait_clip: Path
) -> None:
    """Two APIs and two workers, started at once on an empty database, answer, and end when told."""
    services = [start(name) for name in ("api", "api", "worker", "worker")]
    for service in services:
        service.wait_until_well()
    first, second, *_ = services

    made = run(["dfedge", "keys", "create", "desk", "--json"], first.environment)
    assert 0 == made.returncode, made.stderr
    key = json.loads(made.stdout)["key"]
    headers = {"Authorization": f"Bearer {key}"}

    manifest = msgspec.json.encode(wire.Submission(kind="clip", name="portrait", frames=4))
    sent = httpx.post(
        f"{first.url}/v1/escalations",
        headers=headers | {"Prefer": "wait=60"},
        files={
            "manifest": ("manifest.json", manifest, "application/json"),
            "clip": ("clip.mp4", portrait_clip.read_bytes(), "video/mp4"),
        },
        timeout=90,
    )
    assert 200 == sent.status_code, sent.text
    asked = msgspec.json.decode(sent.content, type=wire.Escalation)
    assert wire.State.DONE == asked.state

    seen = httpx.get(f"{second.url}/v1/escalations/{asked.id}", headers=headers)
    assert asked.verdict == msgspec.json.decode(seen.content, type=wire.Escalation).verdict

    for service in services:
        service.process.terminate()
    for service in services:
        assert 0 == service.process.wait(service.grace_seconds), service.log.read_text()
    for service in services[:2]:
        assert not service.is_well()


def test_a_worker_that_shows_no_life_is_not_well(
    start: Callable[[str], Service],
) -> None:
    """Its health check asks for a sign of life that is fresh, not for one that ever was."""
    worker = start("worker")
    worker.wait_until_well()
    worker.process.kill()
    worker.process.wait()
    secrets = Path(worker.environment["DFEDGE_SERVER_SECRETS"])
    url = (secrets / "dfedge_server_database_url").read_text().strip()
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("UPDATE worker SET seen_at = seen_at - interval '1 hour'")
    assert not worker.is_well()


def test_check_finds_the_server_fit(start: Callable[[str], Service]) -> None:
    """``check`` in the place of ``api`` tells that database, bucket and models can be used."""
    api = start("api")
    api.wait_until_well()
    done = run(["dfedge", "serve", "check"], api.environment)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    assert "cannot" not in done.stderr

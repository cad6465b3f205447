"""What the server's API costs beside a bare Litestar handler, without inference: p50 and p99.

Three requests at a constant rate (open loop, see :mod:`benchmarks.load`): one escalation, a page of
20 of them, and the submission of crops that were judged before, so that the result is reused. Each
goes to the server on SQLite, the server on PostgreSQL, and a handler that only answers with the
same bytes, one after the other in each round; each is one process.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import msgspec
from PIL import Image
from skimage import data

from benchmarks.load import Plan, Result, request_bytes, run
from benchmarks.servers import Server, free_port, postgres, serve, wait_for
from benchmarks.watching import processor_seconds
from dfedge import Detector
from dfedge.escalation import wire

BOUNDARY = "dfedge-benchmark"
ROWS = 500
"""Escalations that are there when a list is asked for, each with a job and a verdict."""


@dataclass(frozen=True)
class Call:
    """A request and what it must be answered."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    status: int

    def plan(self, url: str, rate: float, seconds: float) -> Plan:
        """The same request again and again."""
        sent = request_bytes(self.method, f"{url}{self.path}", self.headers, self.body)
        return Plan(url, (sent,), rate, seconds, self.status)

    def answer(self, url: str) -> bytes:
        """Ask once."""
        request = urllib.request.Request(
            f"{url}{self.path}", self.body or None, self.headers, method=self.method
        )
        with urllib.request.urlopen(request) as answer:
            assert answer.status == self.status
            read: bytes = answer.read()
        return read


def submission() -> tuple[bytes, bytes]:
    """A manifest of one crop, and the crop: a portrait of 224 pixels."""
    picture = io.BytesIO()
    Image.fromarray(data.astronaut()[:224, 112:336]).save(picture, "PNG")
    crop = wire.Crop(
        part="0",
        track_id=0,
        frame_index=0,
        pts_seconds=0.0,
        frame_width=640,
        frame_height=480,
        left=100,
        top=50,
        box=(150.0, 100.0, 262.0, 212.0),
        detection_score=0.9,
    )
    manifest = wire.Submission(kind="crops", name="portrait", crops=(crop,), frames_sampled=1)
    return msgspec.json.encode(manifest), picture.getvalue()


def submit_request(key: str) -> Call:
    """The submission as a form."""
    manifest, picture = submission()
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{{}}"{{}}\r\n'
    head += "Content-Type: {}\r\n\r\n"
    body = head.format("manifest", "", "application/json").encode() + manifest
    body += b"\r\n" + head.format("0", '; filename="0.png"', "image/png").encode() + picture
    body += f"\r\n--{BOUNDARY}--\r\n".encode()
    headers = {
        "Authorization": f"Bearer {key}",
        "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
    }
    return Call("POST", "/v1/escalations", headers, body, 202)


def prepare(server: Server) -> dict[str, Call]:
    """Fill the server, which has no worker, with ended jobs; the requests to measure."""
    key = server.make_key()
    submit = submit_request(key)
    made = json.loads(submit.answer(server.url))
    asyncio.run(_fill(server, made["id"]))
    headers = {"Authorization": f"Bearer {key}"}
    return {
        "one escalation": Call("GET", f"/v1/escalations/{made['id']}", headers, b"", 200),
        "list of 20": Call("GET", "/v1/escalations?limit=20", headers, b"", 200),
        "submit, reused": replace(submit, status=200),
    }


async def _fill(server: Server, escalation_id: str) -> None:
    """End the one job, and copy it and its escalation with other hashes."""
    from sqlalchemy import insert, select, text

    from dfedge_server.db.engine import Database
    from dfedge_server.db.models import Escalation, Job
    from dfedge_server.settings import PREFIX, Settings

    with Detector() as detector:
        verdict = detector.detect(data.astronaut())
    given = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in server.environment.items()
        if name.startswith(PREFIX)
    }
    database = Database(Settings(**given))  # type: ignore[arg-type]
    ended = {
        "state": wire.State.DONE,
        "stage": {"name": "done"},
        "verdict": msgspec.to_builtins(verdict),
    }
    async with database.session() as session:
        escalation = await session.scalar(select(Escalation))
        assert escalation is not None
        assert str(escalation.id) == escalation_id
        job = escalation.job
        for name, value in ended.items():
            setattr(job, name, value)
        job.finished_at = job.started_at = job.created_at
        copied = ("tenant", "policy_sha256", "state", "kind", "submission", "stage", "verdict")
        jobs = [
            {name: getattr(job, name) for name in copied}
            | {"input_sha256": f"{number:064x}", "media": {}, "finished_at": job.created_at}
            for number in range(ROWS)
        ]
        ids = await session.scalars(insert(Job).returning(Job.id), jobs)
        kept = ("tenant", "name", "request_sha256", "expires_at")
        rows = [
            {name: getattr(escalation, name) for name in kept} | {"job_id": job_id}
            for job_id in ids
        ]
        await session.execute(insert(Escalation), rows)
        # PostgreSQL does this by itself within a minute; until then it plans for empty tables.
        await session.execute(text("ANALYZE"))
    await database.close()


@contextmanager
def bare(answers: list[bytes]) -> Iterator[Server]:
    """A Litestar application that answers the same bytes, in a process of its own."""
    port = free_port()
    with TemporaryDirectory(prefix="dfedge-bench-") as folder:
        for number, answer in enumerate(answers):
            (Path(folder) / f"{number}.json").write_bytes(answer)
        log = Path(folder) / "log"
        command = [sys.executable, "-m", "benchmarks.bare_handler", folder, str(port)]
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=output)
        server = Server(process, {}, f"http://127.0.0.1:{port}", log)
        try:
            wait_for(f"{server.url}/0", process, log)
            yield server
        finally:
            process.kill()
            process.wait()


@dataclass(frozen=True)
class Row:
    """One target under one kind of request."""

    request: str
    target: str
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    """Of the server's process, a request; unlike the others it does not mind a busy machine."""
    errors: int
    client_late_ms: float


def measure(rate: float, seconds: float, rounds: int) -> list[Row]:
    """All requests on all targets; medians over the rounds."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="dfedge-bench-")))
        targets = {"SQLite": stack.enter_context(serve(folder / "sqlite", {}, "api"))}
        if address := stack.enter_context(postgres()):
            settings = {"database_url": address}
            targets["PostgreSQL"] = stack.enter_context(serve(folder / "pg", settings, "api"))
        calls = {target: prepare(server) for target, server in targets.items()}
        first = calls["SQLite"]
        answers = [call.answer(targets["SQLite"].url) for call in first.values()]
        targets = {"bare handler": stack.enter_context(bare(answers)), **targets}
        calls["bare handler"] = {
            name: replace(call, path=f"/{number}", status=200)
            for number, (name, call) in enumerate(first.items())
        }
        found: dict[tuple[str, str], list[tuple[Result, float]]] = {}
        for number in range(rounds + 1):
            for name in first:
                for target, server in targets.items():
                    before = processor_seconds(server.process.pid)
                    result = run(calls[target][name].plan(server.url, rate, seconds))
                    used = processor_seconds(server.process.pid) - before
                    if number:  # the first round warms up
                        found.setdefault((name, target), []).append((result, used))
        return [_row(name, target, results) for (name, target), results in found.items()]


def _row(name: str, target: str, results: list[tuple[Result, float]]) -> Row:
    return Row(
        request=name,
        target=target,
        p50_ms=median(result.percentile(0.5) for result, _ in results),
        p99_ms=median(result.percentile(0.99) for result, _ in results),
        cpu_ms=median(1000 * used / len(result.latencies) for result, used in results),
        errors=sum(result.errors for result, _ in results),
        client_late_ms=1000 * max(result.late_seconds for result, _ in results),
    )


def main() -> None:
    """Print medians over the rounds; ``--json`` prints them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=200.0, help="requests a second")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = measure(arguments.rate, arguments.seconds, arguments.rounds)
    if arguments.json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
        return
    print(f"{arguments.rate:g} requests a second; ms, medians of {arguments.rounds} rounds")
    print("request          target          p50      p99  CPU a request  errors  client late")
    for row in rows:
        print(
            f"{row.request:16} {row.target:12} {row.p50_ms:6.1f} {row.p99_ms:8.1f}"
            f" {row.cpu_ms:14.2f} {row.errors:7} {row.client_late_ms:12.1f}"
        )


if __name__ == "__main__":
    main()

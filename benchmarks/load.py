"""An open-loop load: requests leave at a constant rate, whether answers come or not.

Each latency counts from the moment the request was due, so a server that stalls is charged for all
the requests that had to wait (no coordinated omission). It runs as a process of its own::

    python -m benchmarks.load plan.json     a plan in, one JSON object of results out

The client speaks as much HTTP/1.1 as it needs, to take little of the processor that is measured.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True)
class Plan:
    """What is sent.

    Attributes:
        requests: whole HTTP requests, head and body, in base64; sent in turn.
        rate: requests a second.
        status: what each must be answered; all else is an error.
    """

    url: str
    requests: tuple[str, ...]
    rate: float
    seconds: float
    status: int


@dataclass(frozen=True)
class Result:
    """What came of it; latencies in seconds, in the order in which requests were due."""

    latencies: list[float]
    errors: int
    late_seconds: float
    """The most that the client itself sent a request late."""

    def percentile(self, share: float) -> float:
        """The latency, in milliseconds, that this share of requests stays within."""
        ordered = sorted(self.latencies)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def request_bytes(method: str, url: str, headers: dict[str, str], body: bytes = b"") -> str:
    """A request for a plan."""
    parts = urlsplit(url)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    lines = [f"{method} {path} HTTP/1.1", f"Host: {parts.netloc}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return b64encode("\r\n".join([*lines, "", ""]).encode() + body).decode()


def run(plan: Plan) -> Result:
    """Send it from a process of its own."""
    with TemporaryDirectory(prefix="dfedge-bench-") as folder:
        path = Path(folder) / "plan.json"
        path.write_text(json.dumps(asdict(plan)))
        command = [sys.executable, "-m", "benchmarks.load", str(path)]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return Result(**json.loads(done.stdout))


class _Client:
    """Connections that are kept; one is opened where none is free."""

    def __init__(self, plan: Plan) -> None:
        parts = urlsplit(plan.url)
        assert parts.hostname is not None
        assert parts.port is not None
        self._address = (parts.hostname, parts.port)
        self._status = str(plan.status).encode()
        self._free: list[Connection] = []
        self.errors = 0

    async def send(self, request: bytes, due: float) -> float:
        """Send it and read the answer; seconds since it was due."""
        connection = (
            self._free.pop() if self._free else await asyncio.open_connection(*self._address)
        )
        reader, writer = connection
        try:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(_length(head))
        except (OSError, asyncio.IncompleteReadError):
            self.errors += 1
            writer.close()
        else:
            self.errors += head[9:12] != self._status
            self._free.append(connection)
        return time.perf_counter() - due


async def _drive(plan: Plan) -> Result:
    requests = [b64decode(text) for text in plan.requests]
    client = _Client(plan)
    count = round(plan.rate * plan.seconds)
    tasks = []
    late = 0.0
    start = time.perf_counter() + 0.1
    for index in range(count):
        due = start + index / plan.rate
        wait = due - time.perf_counter()
        if wait > 0:
            await asyncio.sleep(wait)
        late = max(late, time.perf_counter() - due)
        tasks.append(asyncio.create_task(client.send(requests[index % len(requests)], due)))
    return Result(list(await asyncio.gather(*tasks)), client.errors, late)


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


def main(argv: Sequence[str]) -> None:
    """Carry out the plan in a file."""
    plan = Plan(**json.loads(Path(argv[0]).read_text()))
    json.dump(asdict(asyncio.run(_drive(plan))), sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1:])

"""An hour of mixed load on the server: do memory, descriptors, rows and blobs stay flat?

An API and a worker as processes of their own, on PostgreSQL and a folder (``--sqlite``: both in one
process), do what clients do: new crops and clips, the same again, looks, lists, live events,
feedback, deletion, and requests that must be refused. Old escalations are deleted, so that what is
kept stays the same and all that grows is a leak.

A sample every few seconds is added to ``FOLDER/samples.jsonl``; run again with the same folder, it
goes on to the full time. The slopes leave out the start of each run (``--warm-up``).
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import random
import sys
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import msgspec
import numpy as np
from PIL import Image
from skimage import data

from benchmarks.clips import make_clip
from benchmarks.server_api import submission
from benchmarks.servers import Server, postgres, serve
from benchmarks.watching import descriptors, file_sizes, resident_mb, slope, sparkline
from dfedge.escalation import wire

KEEP = 40
"""Escalations that are left; the oldest go."""

SHARES = {
    "new crops": 8,
    "new clip": 1,
    "same crops": 10,
    "look": 30,
    "list": 15,
    "events": 5,
    "feedback": 5,
    "refused": 16,
    "delete": 10,
}
"""Of 100 requests."""


@dataclass
class Load:
    """A client of many minds, and what it saw.

    Attributes:
        kept: ids of escalations, oldest first.
    """

    client: httpx.AsyncClient
    clip: bytes
    random: random.Random
    kept: deque[str] = field(default_factory=deque)
    seconds: list[float] = field(default_factory=list)
    wrong: Counter[str] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)

    async def one(self) -> None:
        """Do one of the things, by their shares."""
        [what] = self.random.choices([*SHARES], [*SHARES.values()])
        if not self.kept and what in ("look", "events", "feedback"):
            what = "new crops"
        if len(self.kept) > KEEP:
            what = "delete"
        action: Callable[[], Awaitable[httpx.Response]] = getattr(
            self, "_" + what.replace(" ", "_")
        )
        started = time.perf_counter()
        try:
            answer = await action()
        except httpx.HTTPError as error:
            self.wrong[f"{what}: {type(error).__name__}"] += 1
            return
        self.done[what] += 1
        if what in ("look", "list"):
            self.seconds.append(time.perf_counter() - started)
        expected = answer.is_client_error if what == "refused" else answer.is_success
        # What another of our requests has just deleted may be gone, and a queue may be full.
        if not expected and answer.status_code not in (404, 409, 429):
            self.wrong[f"{what}: {answer.status_code}"] += 1

    async def _new_crops(self) -> httpx.Response:
        noise = np.frombuffer(self.random.randbytes(224 * 224 * 3), np.uint8) >> 5
        picture = data.astronaut()[:224, 112:336] // 2 + noise.reshape(224, 224, 3)
        encoded = io.BytesIO()
        Image.fromarray(picture).save(encoded, "PNG")
        return await self._submit(submission()[0], "0", encoded.getvalue())

    async def _same_crops(self) -> httpx.Response:
        return await self._submit(submission()[0], "0", submission()[1])

    async def _new_clip(self) -> httpx.Response:
        manifest = wire.Submission(kind="clip", name="clip", frames=4)
        # Bytes after the last box of an MP4 file change nothing but its hash.
        tail = b"\0\0\0\x18free" + self.random.randbytes(16)
        return await self._submit(msgspec.json.encode(manifest), "clip", self.clip + tail)

    async def _submit(self, manifest: bytes, part: str, media: bytes) -> httpx.Response:
        files = {"manifest": ("m", manifest, "application/json"), part: ("media", media)}
        answer = await self.client.post("/v1/escalations", files=files)
        if answer.is_success:
            self.kept.append(answer.json()["id"])
        return answer

    async def _look(self) -> httpx.Response:
        return await self.client.get(f"/v1/escalations/{self._any()}")

    async def _list(self) -> httpx.Response:
        return await self.client.get("/v1/escalations", params={"limit": 20})

    async def _events(self) -> httpx.Response:
        return await self.client.get(f"/v1/escalations/{self._any()}/events", timeout=120)

    async def _feedback(self) -> httpx.Response:
        said = {"mistake": self.random.choice([*wire.Mistake]), "note": "a note"}
        return await self.client.post(f"/v1/escalations/{self._any()}/feedback", json=said)

    async def _refused(self) -> httpx.Response:
        bad = self.random.randrange(4)
        if bad == 0:
            return await self.client.get("/v1/escalations", headers={"Authorization": "Bearer no"})
        if bad == 1:
            return await self.client.post("/v1/escalations", content=b"{", headers=_JSON)
        if bad == 2:
            private = {"schema": wire.ESCALATION_SCHEMA, "kind": "url", "url": "file:///etc/passwd"}
            return await self.client.post("/v1/escalations", json=private)
        files = {"manifest": ("m", submission()[0], "application/json"), "0": ("0.png", b"no PNG")}
        return await self.client.post("/v1/escalations", files=files)

    async def _delete(self) -> httpx.Response:
        if not self.kept:
            return await self._list()
        return await self.client.delete(f"/v1/escalations/{self.kept.popleft()}")

    def _any(self) -> str:
        return self.random.choice(self.kept)


_JSON = {"Content-Type": "application/json"}


@dataclass
class Run:
    """One run of the benchmark in a folder that may hold earlier ones."""

    folder: Path
    arguments: argparse.Namespace
    samples: list[dict[str, Any]]

    @property
    def number(self) -> int:
        """From 0."""
        return 1 + max((sample["run"] for sample in self.samples), default=-1)

    @property
    def elapsed(self) -> float:
        """Seconds of all earlier runs."""
        return float(self.samples[-1]["seconds"]) if self.samples else 0.0

    def go(self) -> None:
        """Start the servers and load them until the time is full."""
        with ExitStack() as stack:
            settings = {"storage_url": str(self.folder / "media"), "models": '["dfedge-b0-int8"]'}
            if self.arguments.sqlite:
                both = serve(self.folder, {**settings, "model_threads": "1"}, path="/ready")
                api = stack.enter_context(both)
                processes = {"server": api.process.pid}
            else:
                address = stack.enter_context(
                    postgres(self.arguments.folder and self.folder / "postgres")
                )
                if address is None:
                    raise SystemExit("PostgreSQL is not installed; --sqlite does without")
                settings |= {"database_url": address, "model_threads": "1"}
                worker = stack.enter_context(serve(self.folder / "worker", settings, "worker"))
                api = stack.enter_context(serve(self.folder, settings, "api", path="/ready"))
                processes = {"API": api.process.pid, "worker": worker.process.pid}
            asyncio.run(self._load(api, processes))

    async def _load(self, api: Server, processes: dict[str, int]) -> None:
        clip = self.folder / "clip.mp4"
        if not clip.exists():
            make_clip(clip, 640, 480)
        headers = {"Authorization": f"Bearer {api.make_key()}"}
        number, before = self.number, self.elapsed
        async with httpx.AsyncClient(base_url=api.url, headers=headers, timeout=60) as client:
            load = Load(client, clip.read_bytes(), random.Random(number))
            page = (await client.get("/v1/escalations", params={"limit": 100})).json()
            load.kept.extend(item["id"] for item in reversed(page["items"]))
            started = time.monotonic()
            tasks: set[asyncio.Task[None]] = set()
            due = sampled = 0.0
            while (now := time.monotonic() - started) + before < self.arguments.seconds:
                if now >= due:
                    due += 1 / self.arguments.rate
                    task = asyncio.create_task(load.one())
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
                if now >= sampled:
                    sampled += self.arguments.every
                    sample = await self._sample(load, processes, len(tasks))
                    self._keep(sample | {"run": number, "seconds": round(before + now, 1)})
                await asyncio.sleep(min(0.05, max(0.0, due - now)))
            await asyncio.gather(*tasks)

    async def _sample(self, load: Load, processes: dict[str, int], open_requests: int) -> Any:
        metrics = (await load.client.get("/metrics")).text
        seconds, load.seconds = sorted(load.seconds), []
        sizes = file_sizes(self.folder / "media")
        return {
            **{f"{name} MB": resident_mb(pid) for name, pid in processes.items()},
            **{f"{name} descriptors": descriptors(pid) for name, pid in processes.items()},
            "jobs": sum(
                float(line.split()[-1])
                for line in metrics.splitlines()
                if line.startswith("dfedge_jobs{")
            ),
            "waiting": sum(
                float(line.split()[-1])
                for line in metrics.splitlines()
                if line.startswith(('dfedge_jobs{state="queued"', 'dfedge_jobs{state="running"'))
            ),
            "blobs": len(sizes),
            "blob MB": sum(sizes) / 1e6,
            "open requests": open_requests,
            "p50 ms": 1000 * seconds[len(seconds) // 2] if seconds else 0.0,
            "p99 ms": 1000 * seconds[int(len(seconds) * 0.99)] if seconds else 0.0,
            "requests": load.done.total(),
            "wrong": dict(load.wrong),
        }

    def _keep(self, sample: dict[str, Any]) -> None:
        self.samples.append(sample)
        with (self.folder / "samples.jsonl").open("a") as file:
            file.write(json.dumps(sample) + "\n")


SHOWN = ("MB", "descriptors", "jobs", "waiting", "blobs", "p50 ms", "p99 ms")


def report(samples: list[dict[str, Any]], warm_up: float, plot: Path | None) -> None:
    """Print level, slope and shape of each measure."""
    starts = {run: min(s["seconds"] for s in samples if s["run"] == run) for run in _runs(samples)}
    used = [s for s in samples if s["seconds"] - starts[s["run"]] >= warm_up] or samples
    names = [name for name in used[-1] if name.endswith(SHOWN)]
    requests = sum(max(s["requests"] for s in samples if s["run"] == run) for run in starts)
    print(f"{samples[-1]['seconds']:.0f} s in {len(starts)} runs, {requests} requests")
    print(f"{'':20} {'mean':>9} {'first half':>11} {'second half':>11} {'an hour':>10}")
    for name in names:
        values = [float(s[name]) for s in used]
        half = max(1, len(values) // 2)
        grows = 3600 * slope((s["run"], s["seconds"], float(s[name])) for s in used)
        print(
            f"{name:20} {mean(values):9.1f} {mean(values[:half]):11.1f} "
            f"{mean(values[-half:]):11.1f} {grows:+10.1f}  {sparkline(values)}"
        )
    wrong: Counter[str] = Counter()
    for run in starts:
        wrong.update([s for s in samples if s["run"] == run][-1]["wrong"])
    print(f"answered otherwise than expected: {dict(wrong) or 'none'}")
    if plot is not None:
        draw(used, names, plot)


def draw(samples: list[dict[str, Any]], names: list[str], path: Path) -> None:
    """A picture with a row for each measure."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(len(names), sharex=True, figsize=(8, 1.3 * len(names)))
    for axis, name in zip(axes, names, strict=True):
        axis.plot([s["seconds"] / 60 for s in samples], [s[name] for s in samples], linewidth=1)
        axis.set_ylabel(name, fontsize=7)
        axis.set_ylim(bottom=0)
    axes[-1].set_xlabel("minutes")
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    print(f"drawn in {path}")


def _runs(samples: list[dict[str, Any]]) -> list[int]:
    return sorted({sample["run"] for sample in samples})


def main() -> None:
    """Run it, or go on with it, and print what was seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3600.0, help="of all runs together")
    parser.add_argument("--rate", type=float, default=2.0, help="requests a second")
    parser.add_argument("--every", type=float, default=10.0, help="seconds between two samples")
    parser.add_argument("--warm-up", type=float, default=300.0, help="seconds left out of slopes")
    parser.add_argument("--folder", type=Path, help="where to keep it, to go on later")
    parser.add_argument("--sqlite", action="store_true", help="API and worker in one, on SQLite")
    arguments = parser.parse_args()
    with TemporaryDirectory(prefix="dfedge-bench-") as temporary:
        folder = (arguments.folder or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        kept = folder / "samples.jsonl"
        lines = kept.read_text().splitlines() if kept.exists() else []
        run = Run(folder, arguments, [json.loads(line) for line in lines])
        if run.elapsed < arguments.seconds:
            run.go()
        plot = arguments.folder and folder / "mixed.png"
        report(run.samples, arguments.warm_up, plot)
        if any(sample["wrong"] for sample in run.samples):
            sys.exit(1)


if __name__ == "__main__":
    main()

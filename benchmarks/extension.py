"""The browser extension on a page with a 720p video that plays: what it costs.

- ``package``: bytes of the zips for both browsers.
- ``cold``: seconds from opening a page in a fresh profile to the first verdict that is said; two of
  them are the badge settling.
- ``frames``: milliseconds a checked frame (median and p95, as the judge counts them).
- ``page``: processor time of the page's main thread, and dropped frames, against a browser without
  the extension beside it; both play in turn.
- ``memory``: resident memory of the extension's process and the page's over an hour of playback, a
  clip in a loop. Run again with the same folder, it goes on to the full time.

Without a GPU the browser draws and decodes on the processor, so dropped frames are those of the
machine; what counts is the difference.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import mean, median, stdev
from tempfile import TemporaryDirectory
from typing import Any

from tests.e2e.extension.piercing import Pierced

from benchmarks.browsers import EXTENSION, build, chromium, processes, served
from benchmarks.clips import measured_clips
from benchmarks.watching import resident_mb, slope, sparkline

PAGE = """<!doctype html><title>A video</title>
<body style="margin: 0"><video src="clip.mp4" width="1280" height="720" muted loop autoplay>"""
OUTPUT = EXTENSION / ".output"
PARTS = ("package", "cold", "frames", "page", "memory")


def main() -> None:
    """Measure all, or what is named."""
    parser = argparse.ArgumentParser(prog="benchmarks.extension")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--rounds", type=int, default=5, help="of cold and page (default 5)")
    parser.add_argument("--seconds", type=float, default=30, help="a round plays (default 30)")
    parser.add_argument("--minutes", type=float, default=60, help="of memory (default 60)")
    parser.add_argument("--folder", type=Path, help="where the samples of memory are kept")
    options = parser.parse_args()
    build("build")
    with site() as url:
        for part in options.only:
            MEASURES[part](url, options)


def package(url: str, options: argparse.Namespace) -> None:
    """Bytes of the zips."""
    build("zip")
    for path in sorted(OUTPUT.glob("*.zip")):
        print(f"package   {path.name}: {path.stat().st_size / 1e6:.2f} MB")


def cold(url: str, options: argparse.Namespace) -> None:
    """Seconds to the first verdict, each time in a profile that is new."""
    found = []
    for _ in range(options.rounds):
        with browser() as (context, _):
            page = context.new_page()
            started = time.perf_counter()
            page.goto(url)
            first_verdict(page)
            found.append(time.perf_counter() - started)
    print(
        f"cold      first verdict after {median(found):.1f} s "
        f"({min(found):.1f} to {max(found):.1f}, {len(found)} fresh profiles)"
    )


def frames(url: str, options: argparse.Namespace) -> None:
    """Milliseconds a checked frame."""
    with browser() as (context, _):
        page = context.new_page()
        page.goto(url)
        first_verdict(page)
        page.wait_for_timeout(options.seconds * 1000)
        state = ask_judge(context, "models")
        speed = state["speed"]
        print(
            f"frames    {speed['frames']} checked on {state['backend']}: "
            f"median {speed['median']:.0f} ms, p95 {speed['p95']:.0f} ms"
        )


def page(url: str, options: argparse.Namespace) -> None:
    """What the page's main thread does with and without the extension, and dropped frames."""
    shares: dict[bool, list[float]] = {True: [], False: []}
    dropped: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(options.rounds):
        for extended in (False, True):
            with browser(extended) as (context, _):
                opened = context.new_page()
                opened.goto(url)
                if extended:
                    first_verdict(opened)
                else:
                    opened.wait_for_timeout(5000)
                share, lost = watched(context, opened, options.seconds)
                shares[extended].append(share)
                dropped[extended].append(lost)
    differences = [100 * (a - b) for a, b in zip(shares[True], shares[False], strict=True)]
    spread = stdev(differences) if len(differences) > 1 else 0.0
    print(
        f"page      main thread: {100 * mean(shares[False]):.2f}% without, "
        f"{100 * mean(shares[True]):.2f}% with the extension: "
        f"{mean(differences):+.2f} points (spread {spread:.2f})"
    )
    print(
        f"page      dropped frames: {100 * mean(dropped[False]):.2f}% without, "
        f"{100 * mean(dropped[True]):.2f}% with"
    )


def memory(url: str, options: argparse.Namespace) -> None:
    """Resident memory while a clip plays in a loop."""
    with TemporaryDirectory(prefix="dfedge-bench-") as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        log = folder / "samples.jsonl"
        samples = (
            [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        )
        run = max((sample["run"] for sample in samples), default=-1) + 1
        before = sum(mine[-1]["seconds"] for mine in by_run(samples))
        with browser() as (context, profile), log.open("a") as out:
            opened = context.new_page()
            opened.goto(url)
            first_verdict(opened)
            started = time.monotonic()
            while (seconds := time.monotonic() - started) + before < options.minutes * 60:
                held = processes(profile)
                sample = {
                    "run": run,
                    "seconds": seconds,
                    **{kind: sum(map(resident_mb, held[kind])) for kind in ("extension", "page")},
                }
                samples.append(sample)
                out.write(json.dumps(sample) + "\n")
                out.flush()
                opened.wait_for_timeout(10_000)
    for kind in ("extension", "page"):
        tell_memory(kind, samples)


def tell_memory(kind: str, samples: list[dict[str, float]]) -> None:
    """A line on one kind of process, without the first two minutes of each run."""
    settled = [sample for sample in samples if sample["seconds"] >= 120] or samples
    held = [sample[kind] for sample in settled]
    per_hour = 3600 * slope(
        (int(sample["run"]), sample["seconds"], sample[kind]) for sample in settled
    )
    minutes = sum(mine[-1]["seconds"] for mine in by_run(samples)) / 60
    print(
        f"memory    {kind}: {held[0]:.0f} MB at first, {held[-1]:.0f} at last, {min(held):.0f} to "
        f"{max(held):.0f} in {minutes:.0f} minutes, {per_hour:+.1f} MB an hour {sparkline(held)}"
    )


MEASURES: dict[str, Callable[[str, argparse.Namespace], None]] = {
    "package": package,
    "cold": cold,
    "frames": frames,
    "page": page,
    "memory": memory,
}


@contextmanager
def site() -> Iterator[str]:
    """The address of a page with a 720p clip."""
    with measured_clips() as clips, TemporaryDirectory(prefix="dfedge-bench-") as temporary:
        folder = Path(temporary)
        shutil.copy(clips["720p"], folder / "clip.mp4")
        (folder / "index.html").write_text(PAGE)
        with served(folder) as url:
            yield f"{url}/index.html"


@contextmanager
def browser(extended: bool = True) -> Iterator[tuple[Any, Path]]:
    """A browser of a fresh profile, and the profile's folder."""
    with TemporaryDirectory(prefix="dfedge-bench-", ignore_cleanup_errors=True) as profile:
        extension = OUTPUT / "chrome-mv3" if extended else None
        with chromium(Path(profile), extension) as context:
            yield context, Path(profile)


def first_verdict(page: Any) -> None:
    """Wait until the badge says what the judge says."""
    badge = Pierced(page, "dfedge-badge")
    badge.wait_saying("suspicious", "real", "unsure", seconds=120)
    badge.close()


def watched(context: Any, page: Any, seconds: float) -> tuple[float, float]:
    """Share of its time for which the page's main thread works, and of frames that are dropped."""
    session = context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def worked() -> float:
        metrics = session.send("Performance.getMetrics")["metrics"]
        return next(float(one["value"]) for one in metrics if one["name"] == "ThreadTime")

    def frames() -> tuple[int, int]:
        counted = page.evaluate(
            """() => {
                const told = document.querySelector('video').getVideoPlaybackQuality();
                return [told.droppedVideoFrames, told.totalVideoFrames];
            }"""
        )
        return counted[0], counted[1]

    (lost, shown), busy, started = frames(), worked(), time.monotonic()
    page.wait_for_timeout(seconds * 1000)
    (lost_then, shown_then), busy_then = frames(), worked()
    share = (busy_then - busy) / (time.monotonic() - started)
    return share, (lost_then - lost) / max(1, shown_then - shown)


def ask_judge(context: Any, question: str) -> Any:
    """What the judge answers to a question without a request, asked as the options page does."""
    [background] = context.service_workers
    page = context.new_page()
    page.goto(background.url.replace("background.js", "options.html"))
    answer = page.evaluate(
        """type => new Promise((resolve) => {
            const port = chrome.runtime.connect({name: 'judge'});
            port.onMessage.addListener((reply) => { if (reply.id === 0) resolve(reply); });
            port.postMessage({id: 0, type, request: {}});
        })""",
        question,
    )
    page.close()
    return answer["answer"]


def by_run(samples: list[dict[str, float]]) -> list[list[dict[str, float]]]:
    """Samples of each run, in order of time."""
    runs = sorted({sample["run"] for sample in samples})
    return [[sample for sample in samples if sample["run"] == run] for run in runs]


if __name__ == "__main__":
    main()

"""The server's heavy tier against a bare ONNX Runtime loop, and its memory under attack.

Both score the same crops of one clip with the same bundle and as many threads, taking turns job
by job. The bare loop has the pixels in memory, prepares them with the bundle's ``preprocess.onnx``
and runs the model in batches. The tier does all that a job costs: its own process decodes the PNGs,
each crop is cut and measured, scored, judged and fused, and the strips of faces are made. Heat maps
are left out: they are 64 more scores each, by choice.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
from PIL import Image as Pictures

from benchmarks.clips import measured_clips
from benchmarks.runtimes import make_bundle
from dfedge.bundles import store
from dfedge.crops import Patch, Preprocessor, crop_box
from dfedge.errors import MediaError
from dfedge.escalation.crops import sent_region
from dfedge.escalation.wire import Crop, Submission
from dfedge.faces import FaceTracker, open_face_finder
from dfedge.media import open_media
from dfedge.models import SCORE_BATCH
from dfedge.pipeline import shown_at
from dfedge.runtime import open_model
from dfedge.types import Box, Image
from dfedge_server.heavy.tier import HeavyTier
from dfedge_server.settings import Settings

MODELS = ("dfedge-b0", "dfedge_convnext_tiny_multitask")
"""The shipped bundle, and one of the heavy tier; names of architectures get random weights."""
WANTED = 0.9


@dataclass(frozen=True, slots=True)
class Job:
    """Crops as a device sends them, and what a model of face crops cuts out of them."""

    submission: Submission
    media: dict[str, Path]
    patches: tuple[tuple[Crop, Patch], ...]


def make_job(clip: Path, frames: int, folder: Path) -> Job:
    """The faces of a clip."""
    tracker, crops, patches = FaceTracker(), [], []
    media: dict[str, Path] = {}
    finder = open_face_finder(threads=1)
    with open_media(clip, frames=frames) as reader:
        for frame in reader:
            for face in tracker.update(finder.find(frame.image), frame):
                box = face.face.box
                region = sent_region(box, frame.width, frame.height)
                assert region is not None
                part = f"c{len(crops)}"
                pixels = Patch.whole(frame.image).visible(region).copy()
                media[part] = folder / part
                picture = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
                media[part].write_bytes(cv2.imencode(".png", picture)[1].tobytes())
                crop = Crop(
                    part=part,
                    track_id=face.track_id,
                    frame_index=frame.index,
                    pts_seconds=shown_at(frame),
                    frame_width=frame.width,
                    frame_height=frame.height,
                    left=region.left,
                    top=region.top,
                    box=(box.left, box.top, box.right, box.bottom),
                    detection_score=face.face.score,
                )
                crops.append(crop)
                patch = Patch(pixels, region.left, region.top, frame.width, frame.height)
                patches.append((crop, patch))
    finder.close()
    submission = Submission(kind="crops", crops=tuple(crops), frames_sampled=frames)
    return Job(submission, media, tuple(patches))


@contextmanager
def bare_loop(bundle_name: str, job: Job, threads: int) -> Iterator[Callable[[], None]]:
    """ONNX Runtime on pixels that lie in memory, and nothing else."""
    bundle, card = store.resolve_detector(bundle_name)
    preprocess, model = Preprocessor(bundle), open_model(bundle, device="cpu", threads=threads)
    cut: list[Image] = [
        patch.cut(crop_box(Box(*crop.box), card.crop), card.crop.pad_value)
        for crop, patch in job.patches
    ]

    def run() -> None:
        for start in range(0, len(cut), SCORE_BATCH):
            model.run({card.input.name: preprocess(cut[start : start + SCORE_BATCH])})

    yield run
    preprocess.close()
    model.close()


@contextmanager
def heavy_tier(bundle_name: str, threads: int) -> Iterator[Callable[[Job], None]]:
    """The tier as a worker runs it."""
    tier = HeavyTier(
        Settings(models=(bundle_name,), device="cpu", model_threads=threads, heatmaps=0)
    )
    with TemporaryDirectory(prefix="dfedge-bench-") as folder:

        def run(job: Job) -> None:
            tier.judge(
                job.submission,
                job.media,
                name="bench",
                workdir=Path(folder),
                progress=lambda stage: None,
                cancelled=lambda: False,
            )

        yield run
    tier.close()


@dataclass(frozen=True, slots=True)
class Comparison:
    """The bare loop beside the tier.

    Attributes:
        bare_rate, tier_rate: crops a second, medians.
        ratio: median of the ratios of both, round by round, so that what else the machine does
            weighs on both alike.
        bare_cpu_ms, tier_cpu_ms: processor time of a crop, that of all processes.
    """

    bare_rate: float
    tier_rate: float
    ratio: float
    bare_cpu_ms: float
    tier_cpu_ms: float


def compare(bundle_name: str, job: Job, *, threads: int, at_once: int, rounds: int) -> Comparison:
    """Both in turns."""
    bare, tier, cpu = [], [], [0.0, 0.0]
    with ExitStack() as stack:
        loop = stack.enter_context(bare_loop(bundle_name, job, threads))
        judge = stack.enter_context(heavy_tier(bundle_name, threads))
        pool = stack.enter_context(ThreadPoolExecutor(at_once))

        def seconds(work: Callable[[], None], which: int) -> float:
            started, used = time.perf_counter(), _cpu_seconds()
            for done in [pool.submit(work) for _ in range(at_once)]:
                done.result()
            cpu[which] += _cpu_seconds() - used
            return time.perf_counter() - started

        for number in range(rounds + 1):
            took = (seconds(loop, 0), seconds(lambda: judge(job), 1))
            if number == 0:  # it is for caches
                cpu[:] = [0.0, 0.0]
                continue
            bare.append(took[0])
            tier.append(took[1])
    crops = at_once * len(job.patches)
    ratios = [alone / whole for alone, whole in zip(bare, tier, strict=True)]
    bare_cpu, tier_cpu = (1000 * seconds / (rounds * crops) for seconds in cpu)
    return Comparison(
        crops / statistics.median(bare),
        crops / statistics.median(tier),
        statistics.median(ratios),
        bare_cpu,
        tier_cpu,
    )


def attacks() -> dict[str, bytes]:
    """Small files that would be large."""
    still = io.BytesIO()
    Pictures.new("RGB", (8900, 8900)).save(still, "PNG")
    huge = still.getvalue().replace(
        np.array([8900, 8900], ">u4").tobytes(), np.array([50_000, 50_000], ">u4").tobytes()
    )
    moving = io.BytesIO()
    frames = [Pictures.new("P", (4000, 4000), number) for number in range(2)]
    frames[0].save(moving, "GIF", save_all=True, append_images=frames[1:] * 60)
    endless = b"GIF89a\xff\xff\xff\xff\x80\0\0" + bytes(6)
    endless += b"\x21\xf9\x04\0\x01\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0" * 100_000
    return {
        "PNG of 8,900 x 8,900": still.getvalue(),
        "PNG said to be 50,000 x 50,000": huge,
        "GIF of 120 frames of 4,000 x 4,000": moving.getvalue(),
        "GIF of 65,535 x 65,535, 100,000 frames": endless,
        "64 MB of noise named a clip": np.random.default_rng(0).bytes(64 * 1024**2),
    }


def show_memory(bundle_name: str) -> None:
    """What each attack ends as, and how much the worker's peak of resident memory grows by it."""
    tier = HeavyTier(Settings(models=(bundle_name,), device="cpu", model_threads=1, heatmaps=0))
    with TemporaryDirectory(prefix="dfedge-bench-") as folder:
        path = Path(folder) / "attack"
        for name, data in attacks().items():
            path.write_bytes(data)
            before, started = _peak_bytes(reset=True), time.perf_counter()
            try:
                result = tier.judge(
                    Submission(kind="clip"),
                    {"clip": path},
                    name="attack",
                    workdir=Path(folder),
                    progress=lambda stage: None,
                    cancelled=lambda: False,
                )
                outcome = str(result.verdict.label)
            except MediaError as error:
                outcome = type(error).__name__
            grown = (_peak_bytes() - before) / 1024**2
            took = time.perf_counter() - started
            print(f"{name:40} {outcome:18} {took:6.1f} s  worker +{grown:.0f} MiB", flush=True)
    tier.close()


def _cpu_seconds() -> float:
    """Of this process, of its children, and of theirs that have ended."""
    ticks = os.sysconf("SC_CLK_TCK")
    total = time.process_time()
    own = os.getpid()
    for child in Path(f"/proc/self/task/{own}/children").read_text(encoding="ascii").split():
        fields = Path(f"/proc/{child}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
        total += sum(map(int, fields[11:15])) / ticks
    return total


def _peak_bytes(*, reset: bool = False) -> int:
    """Peak of resident memory of this process; ``reset`` begins to measure now."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise OSError("this system does not tell a process's peak of memory")


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line a model; then a line an attack."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--at-once", type=int, nargs="+", default=[1], help="jobs at the same time")
    parser.add_argument("--frames", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--no-attacks", action="store_true")
    options = parser.parse_args(arguments)
    with TemporaryDirectory(prefix="dfedge-bench-") as name, measured_clips() as clips:
        folder = Path(name)
        job = make_job(clips["480p"], options.frames, folder)
        for model in options.models:
            bundle = make_bundle(model, None, folder)
            for at_once in options.at_once:
                told = compare(
                    bundle,
                    job,
                    threads=options.threads,
                    at_once=at_once,
                    rounds=options.rounds,
                )
                held = "holds" if told.ratio >= WANTED else f"under {WANTED}"
                print(
                    f"{model}, {len(job.patches)} crops a job, {at_once} at once, "
                    f"{options.threads} thread(s):\n"
                    f"  bare loop {told.bare_rate:.1f} crops/s, heavy tier {told.tier_rate:.1f}, "
                    f"ratio {told.ratio:.2f} ({held})\n"
                    f"  processor time of a crop {told.bare_cpu_ms:.1f} ms and "
                    f"{told.tier_cpu_ms:.1f} ms, ratio "
                    f"{told.bare_cpu_ms / told.tier_cpu_ms:.2f}",
                    flush=True,
                )
    if not options.no_attacks:
        show_memory("dfedge-b0")


if __name__ == "__main__":
    main()

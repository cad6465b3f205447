"""Wall time of a verdict as a ratio to decoding alone, and of `fast` to `even` sampling.

The commands that are compared run in turn, several rounds in one process, and the ratio is taken
round by round: the machine may be noisy, the ratio is not much.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from statistics import median
from typing import Any

import av

from benchmarks.clips import measured_clips
from dfedge import Detector
from dfedge.detector import DEFAULT_FRAMES
from dfedge.media import Sampling, open_media

FRAMES = DEFAULT_FRAMES["even"]


def decode_all(clip: Path) -> float:
    """Seconds to decode every frame of a clip and keep none, with the decoder's own threads."""
    started = time.perf_counter()
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        for _ in container.decode(stream):
            pass
    return time.perf_counter() - started


def read_frames(clip: Path) -> float:
    """Seconds to read the sampled frames and do nothing with them."""
    started = time.perf_counter()
    with open_media(clip, frames=FRAMES) as reader:
        for _ in reader:
            pass
    return time.perf_counter() - started


def measure(detector: Detector, clip: Path, rounds: int) -> dict[str, Any]:
    """Medians over ``rounds`` of the ratios and the score of each sampling."""
    rows: list[dict[str, float]] = []
    scores: dict[str, float | None] = {}
    samplings: tuple[Sampling, ...] = ("even", "fast")
    for _ in range(rounds):
        row = {"decode": decode_all(clip), "read": read_frames(clip)}
        for sampling in samplings:
            started = time.perf_counter()
            verdict = detector.detect(clip, sampling=sampling)
            row[sampling] = time.perf_counter() - started
            scores[sampling] = verdict.fake_probability
        rows.append(row)
    return {
        "milliseconds": {name: median(row[name] for row in rows) * 1000 for name in rows[0]},
        "even_to_decode": median(row["even"] / row["decode"] for row in rows),
        "even_to_read": median(row["even"] / row["read"] for row in rows),
        "fast_to_even": median(row["fast"] / row["even"] for row in rows),
        "scores": scores,
    }


def main() -> None:
    """Print a row a clip; ``--json`` prints the whole result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    results = {}
    with measured_clips() as clips, Detector() as detector:
        for size, clip in clips.items():
            detector.detect(clip)  # warm caches and the runtime
            results[size] = measure(detector, clip, arguments.rounds)
    if arguments.json:
        print(json.dumps(results, indent=2))
        return
    print(
        f"{FRAMES} frames even, {DEFAULT_FRAMES['fast']} fast; "
        f"medians of {arguments.rounds} rounds, milliseconds"
    )
    print("clip    decode   read   even   fast  even/decode  even/read  fast/even  P even -> fast")
    for size, result in results.items():
        ms, score = result["milliseconds"], result["scores"]
        shown = [f"{p:.3f}" if p is not None else "no face" for p in score.values()]
        print(
            f"{size:6} {ms['decode']:7.0f} {ms['read']:6.0f} {ms['even']:6.0f} {ms['fast']:6.0f}"
            f"  {result['even_to_decode']:11.2f}  {result['even_to_read']:9.2f}"
            f"  {result['fast_to_even']:9.2f}  {' -> '.join(shown)}"
        )


if __name__ == "__main__":
    main()

"""Makes ``device_steps.json``: ``python tests/golden/make_device_steps.py``.

What the steps between a frame and a verdict give for made input, so that the extension's TypeScript
can be held to the SDK without a clip. Pictures are given by a formula that both languages have.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np

from dfedge.bundles.store import DEFAULT_MODEL, resolve_detector
from dfedge.crops import measure_quality
from dfedge.faces.blazeface import View, sample_view
from dfedge.faces.finder import tiles
from dfedge.faces.suppression import weighted_suppression
from dfedge.faces.tracking import FaceTracker
from dfedge.scoring import judge_clip, judge_track, timeline
from dfedge.types import Box, Face, Frame, Image
from dfedge.verdict import Observation, Reason

HERE = Path(__file__).resolve().parent
HOW = [
    "Made by tests/golden/make_device_steps.py (seed 2026) from the SDK itself.",
    "picture: byte of row y, column x, channel c = (7 x + 13 y + 29 c + 5 (x y mod 17)) mod 256",
]
SIZES = [(150, 120), (90, 90), (64, 200), (640, 360)]


def picture(width: int, height: int) -> Image:
    """The made picture of a size, (height, width, 3)."""
    y, x, c = np.mgrid[0:height, 0:width, 0:3]
    return np.asarray((7 * x + 13 * y + 29 * c + 5 * ((x * y) % 17)) % 256, np.uint8)


def main() -> None:
    """Write the vectors, a case a line."""
    rng = random.Random(2026)
    _, card = resolve_detector(DEFAULT_MODEL)
    groups = {
        "quality": [quality(w, h) for w, h in SIZES],
        "resize": [resize(w, h, 48, 32) for w, h in SIZES] + [resize(90, 90, 112, 112)],
        "view": [view(150, 120, v) for v in ((-10.5, 3.25, 97.3), (0.0, -15.0, 150.0))],
        "tiles": [
            {"args": args, "out": [[v.left, v.top, v.side] for v in tiles(*args)]}
            for args in ((640, 360, 320.0), (1280, 720, 320.0), (200, 200, 300.0))
        ],
        "suppression": [suppression(rng) for _ in range(20)],
        "tracking": [tracking(rng) for _ in range(20)],
        "judgement": [judgement(rng, card.decision) for _ in range(60)],
    }
    lines = [f'  "how": {json.dumps(HOW)}', f'  "model": {json.dumps(card.name)}']
    decision = msgspec.json.encode(card.decision).decode()
    lines.append(f'  "decision": {decision}')
    for name, cases in groups.items():
        rows = ",\n".join("    " + json.dumps(case) for case in cases)
        lines.append(f'  "{name}": [\n{rows}\n  ]')
    text = "{\n" + ",\n".join(lines) + "\n}\n"
    (HERE / "device_steps.json").write_text(text, encoding="utf-8")


def quality(width: int, height: int) -> dict[str, Any]:
    """Sharpness and brightness of a made picture."""
    seen = measure_quality(picture(width, height))
    return {
        "size": [width, height],
        "sharpness": seen.sharpness,
        "brightness": seen.brightness,
    }


def resize(width: int, height: int, to_width: int, to_height: int) -> dict[str, Any]:
    """A row of a made picture, resized."""
    small = cv2.resize(picture(width, height), (to_width, to_height), interpolation=cv2.INTER_AREA)
    row = to_height // 2
    return {
        "size": [width, height],
        "to": [to_width, to_height],
        "row": row,
        "out": _flat(small[row]),
    }


def view(width: int, height: int, square: tuple[float, float, float]) -> dict[str, Any]:
    """Two rows of what the face detector sees of a made picture."""
    seen = sample_view(picture(width, height), View(*square), 64)
    rows = [0, 31]
    return {
        "size": [width, height],
        "view": square,
        "rows": rows,
        "out": [_flat(seen[row]) for row in rows],
    }


def suppression(rng: random.Random) -> dict[str, Any]:
    """Detections about two places, and what is left of them."""
    boxes, scores = [], []
    for _ in range(rng.randint(1, 9)):
        left, top, side = rng.choice([0, 60]) + rng.uniform(0, 20), rng.uniform(0, 20), 50.0
        boxes.append([left, top, left + side, top + side])
        scores.append(round(rng.uniform(0.1, 1.0), 4))
    kept, best = weighted_suppression(
        np.array(boxes, np.float64), np.array(scores, np.float64), max_iou=0.3
    )
    return {
        "boxes": boxes,
        "scores": scores,
        "out": [[*box, float(score)] for box, score in zip(kept.tolist(), best, strict=True)],
    }


def tracking(rng: random.Random) -> dict[str, Any]:
    """Two wandering people, seen now and then, and the numbers of their tracks."""
    tracker, frames, numbers = FaceTracker(), [], []
    places, pts = [[100.0, 100.0], [180.0, 110.0]], 0.0
    blank = np.zeros((2, 2, 3), np.uint8)
    for index in range(12):
        pts = round(pts + rng.choice([0.5, 0.5, 2.0, 8.0]), 2)
        boxes = []
        for place in places:
            place[0] += rng.uniform(-30, 30)
            place[1] += rng.uniform(-20, 20)
            if rng.random() < 0.8:
                side = rng.uniform(45, 60)
                boxes.append([place[0], place[1], place[0] + side, place[1] + side])
        faces = [Face(Box(*box), 0.9, ()) for box in boxes]
        seen = tracker.update(faces, Frame(blank, index, pts))
        frames.append({"pts_seconds": pts, "boxes": boxes})
        numbers.append([face.track_id for face in seen])
    return {"frames": frames, "out": numbers}


def judgement(rng: random.Random, decision: Any) -> dict[str, Any]:
    """Observations of up to three people, and what is said of each and of all."""
    frames = rng.choice([1, 4, 8, 20])
    tracks, everything = [], []
    for track_id in range(rng.randint(0, 3)):
        level = rng.uniform(-5, 5)
        seen = tuple(
            _observation(rng, level, index) for index in range(frames) if rng.random() < 0.9
        )
        if seen:
            everything += seen
            tracks.append(judge_track(track_id, seen, decision, frames_sampled=frames))
    clip = judge_clip(tracks, decision, frames_sampled=frames)
    points = timeline([0.5 * index for index in range(frames)], everything)
    return {
        "frames": frames,
        "tracks": msgspec.to_builtins(tracks),
        "label": clip.label,
        "fake_probability": clip.fake_probability,
        "confidence": clip.confidence,
        "reasons": list(clip.reasons),
        "timeline": msgspec.to_builtins(points),
    }


def _observation(rng: random.Random, level: float, index: int) -> Observation:
    issue = rng.choice([Reason.TOO_BLURRY, Reason.TOO_DARK, Reason.FACE_TOO_SMALL])
    return Observation(
        pts_seconds=0.5 * index,
        frame_index=index,
        box=Box(0.0, 0.0, 80.0, 80.0),
        detection_score=0.9,
        logit=round(rng.gauss(level, 1.0), 6),
        fake_probability=round(rng.random(), 6),
        novelty=round(rng.uniform(0.8, 2.4), 6),
        issues=(issue,) if rng.random() < 0.2 else (),
    )


def _flat(row: Image) -> list[int]:
    return [int(value) for value in row.ravel()]


if __name__ == "__main__":
    main()

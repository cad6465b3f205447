"""The extension's pipeline in TypeScript, under Node, judges frames as the SDK does."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from dfedge import Detector
from dfedge.bundles.store import DEFAULT_MODEL, FACE_MODEL, resolve
from dfedge.media import open_media
from dfedge_tools.demo import make_clips

from .conftest import EXTENSION

FRAMES = 8


def test_made_clips(node: str, tmp_path: Path) -> None:
    """Label, reasons, boxes to a pixel and logits to a thousandth, on clips made here."""
    _hold(node, list(make_clips(tmp_path / "clips")), tmp_path)


def test_research_clips(node: str, shared_data: Path, tmp_path: Path) -> None:
    """The same on every research clip, of several sizes and rates."""
    _hold(node, sorted((shared_data / "clips").glob("*.mp4")), tmp_path)


def test_types_are_those_of_the_schemas(node: str) -> None:
    """The TypeScript types are what the SDK's JSON Schemas give."""
    done = subprocess.run(
        [node, "scripts/types.mjs", "--check"],
        cwd=EXTENSION,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (0, "") == (done.returncode, done.stderr)


def _hold(node: str, clips: list[Path], folder: Path) -> None:
    """Write what the extension's test reads, and run it."""
    assert clips
    with Detector() as detector:
        cases = [_case(detector, number, clip, folder) for number, clip in enumerate(clips)]
    told = {
        "faceBundle": str(resolve(FACE_MODEL).path),
        "bundle": str(resolve(DEFAULT_MODEL).path),
        "clips": cases,
    }
    (folder / "frames.json").write_text(json.dumps(told))
    done = subprocess.run(
        [node, "node_modules/vitest/vitest.mjs", "run", "tests/parity"],
        cwd=EXTENSION,
        env={**os.environ, "DFEDGE_PARITY": str(folder), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert 0 == done.returncode, done.stdout[-4000:] + done.stderr[-2000:]
    assert f"{len(clips)} passed" in done.stdout


def _case(detector: Detector, number: int, clip: Path, folder: Path) -> dict[str, Any]:
    """The frames of a clip, raw, and the SDK's verdict on them."""
    verdict = detector.detect(clip, frames=FRAMES)
    frames = []
    with open_media(clip, frames=FRAMES) as reader:
        for frame in reader:
            name = f"{number}-{frame.index}.rgb"
            (folder / name).write_bytes(frame.image.tobytes())
            frames.append(
                {
                    "file": name,
                    "width": frame.width,
                    "height": frame.height,
                    "pts_seconds": frame.pts_seconds,
                    "index": frame.index,
                }
            )
    return {"name": clip.name, "frames": frames, "verdict": json.loads(verdict.to_json())}

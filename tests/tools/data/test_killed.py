"""Killed at any moment and resumed, a run leaves the same bytes as one that was left alone."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from dfedge.errors import UsageError
from dfedge_tools.data.crops import crop_faces
from dfedge_tools.data.frames import extract_frames
from dfedge_tools.data.journal import JOURNAL, Journal, Record
from dfedge_tools.data.pack import pack_manifests

from .conftest import tree

SHARD_BYTES = 1 << 18


@dataclass(frozen=True)
class Stage:
    """A stage in this process, and the same in one that can be killed."""

    run: Callable[..., object]
    call: str

    def start(self, out: Path) -> subprocess.Popen[str]:
        """In a process group of its own, with two workers."""
        code = (
            "from pathlib import Path\n"
            "from dfedge_tools.data.frames import extract_frames\n"
            "from dfedge_tools.data.crops import crop_faces\n"
            "from dfedge_tools.data.pack import pack_manifests\n"
            f"{self.call.format(out=f'Path({str(out)!r})')}"
        )
        return subprocess.Popen(
            [sys.executable, "-c", code],
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )


@pytest.fixture(scope="module")
def stages(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Stage, Path]]:
    """Each stage, and what it leaves when nothing disturbs it: one worker, in this process."""
    folder = tmp_path_factory.mktemp("whole")
    frames, crops, store = (folder / name for name in ("frames", "crops", "store"))
    made = {
        "extract": Stage(
            partial(extract_frames, clips, per_scene=3),
            f"extract_frames(Path({str(clips)!r}), {{out}}, per_scene=3, workers=2)",
        ),
        "crops": Stage(
            partial(crop_faces, frames / "manifest.csv"),
            f"crop_faces(Path({str(frames / 'manifest.csv')!r}), {{out}}, workers=2)",
        ),
        "pack": Stage(
            partial(pack_manifests, [crops / "scene"], shard_bytes=SHARD_BYTES),
            f"pack_manifests([Path({str(crops / 'scene')!r})], {{out}}, "
            f"shard_bytes={SHARD_BYTES}, workers=2)",
        ),
    }
    for (name, stage), out in zip(made.items(), (frames, crops, store), strict=True):
        stage.run(out=out)
        assert len(_lines(out)) > 4, name
    return {
        name: (stage, out)
        for (name, stage), out in zip(made.items(), (frames, crops, store), strict=True)
    }


@pytest.mark.parametrize("name", ["extract", "crops", "pack"])
def test_killed_and_resumed(
    stages: dict[str, tuple[Stage, Path]], tmp_path: Path, name: str
) -> None:
    """kill -9 at the start, after the first item and half way; no process outlives its parent."""
    stage, whole = stages[name]
    out = tmp_path / "out"
    for lines in (1, 2, len(_lines(whole)) // 2):
        process = stage.start(out)
        _await_lines(process, out, lines)
        process.kill()
        process.communicate()
        assert -signal.SIGKILL == process.returncode
        _await_group_end(process.pid)
    assert len(_lines(out)) < len(_lines(whole))
    stage.run(out=out)
    assert tree(whole) == tree(out)


def test_interrupted_and_resumed(stages: dict[str, tuple[Stage, Path]], tmp_path: Path) -> None:
    """Ctrl-C reaches all processes of a terminal: only the parent speaks of it, and all end."""
    stage, whole = stages["extract"]
    for attempt in itertools.count():  # on a busy machine it may be done before it is interrupted
        out = tmp_path / str(attempt)
        process = stage.start(out)
        _await_lines(process, out, 1)
        os.killpg(process.pid, signal.SIGINT)
        _, told = process.communicate()
        if process.returncode != 0:
            break
    assert told.rstrip().endswith("KeyboardInterrupt")
    assert 1 == told.count("Traceback")
    _await_group_end(process.pid)
    stage.run(out=out)
    assert tree(whole) == tree(out)


def test_a_torn_line_is_cut_off(stages: dict[str, tuple[Stage, Path]], tmp_path: Path) -> None:
    """A journal that ends in the middle of a line counts up to the line before."""
    stage, whole = stages["pack"]
    out = tmp_path / "out"
    stage.run(out=out)
    content = (out / JOURNAL).read_bytes()
    (out / JOURNAL).write_bytes(content[: len(content) * 2 // 3])
    (out / "index.json").unlink()
    stage.run(out=out)
    assert tree(whole) == tree(out)


def test_two_runs_do_not_share_a_folder(tmp_path: Path) -> None:
    """A second run on a folder that is being filled is refused."""
    with (
        Journal(tmp_path / "out", {"made by": "a"}, Record),
        pytest.raises(UsageError, match="another run is filling this folder"),
    ):
        Journal(tmp_path / "out", {"made by": "a"}, Record)


def test_a_changed_picture_stops_packing(
    stages: dict[str, tuple[Stage, Path]], tmp_path: Path
) -> None:
    """A store is not continued from pictures that are not what they were."""
    _, store = stages["pack"]
    crops = tmp_path / "crops"
    _copy(store.parent / "crops" / "scene", crops)
    pack = partial(pack_manifests, [crops], tmp_path / "store")
    pack()
    picture = next(crops.rglob("*.png"))
    picture.write_bytes(picture.read_bytes() + b"more")
    with pytest.raises(UsageError, match=rf"1 pictures have changed.*{picture.name}"):
        pack()


def _copy(source: Path, target: Path) -> None:
    for name, content in tree(source).items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_bytes(content)


def _lines(out: Path) -> Sequence[Any]:
    """Whole lines of the journal, so far."""
    try:
        content = (out / JOURNAL).read_bytes()
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in content.split(b"\n")[:-1]]


def _await_lines(process: subprocess.Popen[str], out: Path, count: int) -> None:
    while len(_lines(out)) < count:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.002)


def _await_group_end(group: int) -> None:
    """Returns once no process of the group is left; the test hangs, and fails, if one stays."""
    while True:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.01)

"""A measured process that dies takes nothing with it, and how it died is told."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dfedge.bundles.store import builtin_folder
from dfedge_tools.benching.lane import Lane, LaneError
from dfedge_tools.benching.messages import Go, Measure, Peak, Prepare

PEAK = Peak(threads=1, side=8)
B0 = builtin_folder() / "dfedge-b0"


def child(code: str) -> tuple[str, ...]:
    """A process that runs this instead of a model."""
    return (sys.executable, "-c", code)


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("import os; os.kill(os.getpid(), 9)", "ran out of memory"),
        ("import os; os.abort()", "crashed (SIGABRT)"),
        ("raise SystemExit('no such instruction')", "ended with code 1: no such instruction"),
        (
            """print('{"say": "failed", "problem": "out of memory"}')""",
            "out of memory",
        ),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_how_a_process_died_is_told(code: str, told: str) -> None:
    """Killed for its memory, crashed, ended by itself, or with an answer."""
    with Lane(PEAK, command=child(code)) as lane, pytest.raises(LaneError) as raised:
        lane.load()
    assert told in str(raised.value)


@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are kept on Linux")
def test_a_child_without_memory_is_reported() -> None:
    """A real child under a limit that a matrix of 1.6 GB does not fit."""
    shell = f"ulimit -v 1500000; exec {sys.executable} -m dfedge_tools.benching.worker"
    job = Peak(threads=1, side=20_000)
    with Lane(job, command=("bash", "-c", shell)) as lane, pytest.raises(LaneError) as raised:
        lane.load()
    assert str(raised.value)


def test_a_peak_is_measured() -> None:
    """Loaded, then as many runs as were asked for, with the memory of the process."""
    with Lane(PEAK) as lane:
        loaded = lane.load()
        turn = lane.go(Go(runs=3))
    assert loaded.ran_on == "CPUExecutionProvider"
    assert len(turn.seconds) == 3
    assert turn.started <= turn.ended
    assert min(turn.seconds) > 0
    assert turn.cpu_seconds >= 0
    if sys.platform == "linux":
        assert turn.peak_bytes is not None
        assert loaded.loaded_bytes is not None
        assert turn.peak_bytes >= loaded.loaded_bytes


@pytest.mark.parametrize("runtime", ["ort", "openvino"])
def test_a_bundle_runs_where_it_is_told_to(runtime: str) -> None:
    """In ONNX Runtime, and in OpenVINO where it is installed."""
    if runtime == "openvino":
        pytest.importorskip("openvino", reason="needs openvino: pip install openvino")
    job = Measure(
        runtime=runtime,  # type: ignore[arg-type]
        device="cpu",
        threads=1,
        shape=(2, 3, 160, 160),
        bundle=str(B0),
    )
    with Lane(job) as lane:
        assert lane.load().seconds > 0
        assert len(lane.go(Go(runs=1)).seconds) == 1


def test_an_architecture_runs_in_torch() -> None:
    """At the size asked for, with random weights."""
    job = Measure(
        runtime="torch",
        device="cpu",
        threads=1,
        shape=(1, 3, 64, 64),
        architecture="dfedge_convnext_atto",
        img_size=64,
    )
    with Lane(job) as lane:
        assert lane.load().ran_on == "CPU"
        assert len(lane.go(Go(runs=2)).seconds) == 2


def test_a_bundle_is_prepared_with_its_torch_model(tmp_path: Path) -> None:
    """Its input, its operations, and the size that its architecture needs."""
    job = Prepare(
        bundle=str(B0),
        architecture="ms_eff_gcvit_b0",
        folder=str(tmp_path),
        torch=True,
        export=True,
    )
    with Lane(job) as lane:
        prepared = lane.prepare()
    assert prepared.input_shape == (3, 160, 160)
    assert prepared.img_size == 160
    assert prepared.no_torch is None
    assert prepared.flops == pytest.approx(0.823e9, rel=0.01)


def test_a_face_detector_has_no_torch_model(tmp_path: Path) -> None:
    """It says so; ONNX runtimes measure it."""
    bundle = str(builtin_folder() / "blazeface-short-range")
    job = Prepare(bundle=bundle, architecture="x", folder=str(tmp_path), torch=True, export=True)
    with Lane(job) as lane:
        prepared = lane.prepare()
    assert prepared.no_torch is not None
    assert prepared.input_shape == (3, 128, 128)


@pytest.mark.skipif(sys.platform == "win32", reason="process groups")
def test_nothing_is_left_behind() -> None:
    """Neither the process, nor one it started, nor its files."""
    code = (
        "import subprocess, sys\n"
        "child = subprocess.Popen(['sleep', '600'])\n"
        'print(\'{"say": "failed", "problem": "%d"}\' % child.pid, flush=True)\n'
        "sys.stdin.read()"
    )
    with Lane(PEAK, command=child(code)) as lane:
        with pytest.raises(LaneError) as raised:
            lane.load()
        scratch = lane.folder
        assert scratch.is_dir()
    assert not scratch.exists()
    grandchild = int(str(raised.value))
    for _ in range(100):
        if not _runs(grandchild):
            break
        time.sleep(0.05)
    assert not _runs(grandchild)


def test_a_child_ends_when_nobody_tells_it_anything_more() -> None:
    """So it does not outlive a parent that was killed."""
    done = subprocess.run(
        [sys.executable, "-m", "dfedge_tools.benching.worker"],
        input=b'{"say": "peak", "threads": 1, "side": 8}\n',
        capture_output=True,
        timeout=120,
        check=True,
    )
    assert done.stdout.startswith(b'{"say":"loaded"')


def _runs(process: int) -> bool:
    """Whether it lives; one that has ended and is not yet waited for does not."""
    try:
        os.kill(process, 0)
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text(encoding="ascii")
    except (ProcessLookupError, FileNotFoundError):
        return False

"""``dfedge bench`` as a user meets it."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from dfedge.bundles.store import builtin_folder
from dfedge.cli import main
from dfedge_tools.benching import plan
from dfedge_tools.benching.messages import RUNTIMES
from dfedge_tools.commands import bench

BLAZEFACE = "blazeface-short-range"


def test_the_command_and_the_machinery_know_the_same_runtimes() -> None:
    """The command must not import the machinery to say its help."""
    assert RUNTIMES == bench.RUNTIMES
    assert set(bench.DEFAULT_RUNTIMES) < set(RUNTIMES)


def test_a_bundle_is_measured_by_threads_and_batch(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A row each; the file holds what was printed; the picture is there."""
    out, plot = tmp_path / "results.json", tmp_path / "results.svg"
    cells = ["--runtime", "ort,torch", "--threads", "1,2", "--batch", "1,3", "--runs", "6"]
    code = main(
        ["bench", BLAZEFACE, *cells, "--json", "--out", str(out), "--plot", str(plot)],
    )
    printed = capsys.readouterr().out
    report = json.loads(printed)
    assert code == 0
    assert printed == out.read_text(encoding="utf-8")
    assert b"<svg" in plot.read_bytes()
    assert report["complete"] is True
    assert [1, 2] == [peak["threads"] for peak in report["peaks"]]
    (model,) = report["models"]
    assert ("frame", [3, 128, 128]) == (model["unit"], model["input_shape"])
    assert ["torch"] == [absent["runtime"] for absent in model["absent"]]
    rows = model["rows"]
    assert [(1, 1), (2, 1), (1, 3), (2, 3)] == [(row["threads"], row["batch"]) for row in rows]
    for row in rows:
        assert row["runs"] >= 6
        assert 0 < row["milliseconds"]["min"] <= row["milliseconds"]["median"]
        assert row["milliseconds"]["median"] <= row["milliseconds"]["p95"]
        assert row["ratio"] > 0
        assert row["peak_fraction"] > 0
    assert rows[0]["ratio"] == 1.0


def test_a_missing_runtime_is_listed_with_the_way_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Never skipped in silence; the others are measured."""
    _hide(monkeypatch, "openvino")
    assert main(f"bench {BLAZEFACE} --runtime ort,openvino --threads 1 --runs 1".split()) == 0
    printed = capsys.readouterr().out
    assert "not here: openvino: openvino is not installed: pip install openvino" in printed
    assert "\nort " in printed


def test_without_any_runtime_nothing_is_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Code 2, and the way out."""
    _hide(monkeypatch, "openvino")
    assert main(f"bench {BLAZEFACE} --runtime openvino".split()) == 2
    assert "pip install openvino" in capsys.readouterr().err


def test_compiling_needs_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which is told before minutes are spent."""
    monkeypatch.setattr(plan.shutil, "which", lambda name: None)
    told = plan.absence("torch-compile", "cpu")
    assert told is not None
    assert "g++" in told
    assert plan.absence("torch", "cpu") is None


@pytest.mark.parametrize(
    ("runtime", "device"),
    [("torch", "coreml"), ("torch-compile", "tensorrt"), ("openvino", "cuda")],
)
def test_a_runtime_without_the_device_is_told(runtime: Any, device: str) -> None:
    """It is no failure of the runtime."""
    told = plan.absence(runtime, device)
    assert told is not None
    assert device in told


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("no-such-bundle", "no-such-bundle"),
        ("torch:no_such_net", "there is no such architecture"),
        (f"{BLAZEFACE} {BLAZEFACE}", "named twice"),
        (f"{BLAZEFACE} --runtime tflite", "there is no runtime 'tflite'"),
        (f"{BLAZEFACE} --threads 1,0", "'0' is not a whole number"),
        (f"{BLAZEFACE} --seconds 1 --runs 2", "not allowed with"),
        (f"{BLAZEFACE} --plot speed.gif", ".png or .svg"),
        (f"{BLAZEFACE} --out no/such/folder/x.json", "there is no folder"),
        (f"{BLAZEFACE} --device gpu", "invalid choice"),
    ],
)
def test_wrong_usage_is_told_before_anything_runs(
    arguments: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Code 2, with the argument at fault."""
    assert main(["bench", *arguments.split()]) == 2
    assert told in capsys.readouterr().err


def test_two_bundles_of_one_name_are_told_apart(tmp_path: Path) -> None:
    """By what the user wrote."""
    copy = tmp_path / "copy"
    copy.symlink_to(builtin_folder() / BLAZEFACE)
    labels = [subject.label for subject in plan.read_models([BLAZEFACE, str(copy)])]
    assert [BLAZEFACE, str(copy)] == labels


def test_a_cell_that_fails_is_told_and_the_rest_is_measured(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Code 3: a device that ONNX Runtime has not here."""
    arguments = f"bench {BLAZEFACE} --runtime ort --device coreml --threads 1 --runs 1"
    if sys.platform == "darwin":
        pytest.skip("CoreML is here")
    assert main(arguments.split()) == 3
    printed = capsys.readouterr().out
    assert "ort, threads 1, batch 1: failed: device 'coreml'" in printed


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_prints_what_is_done_and_leaves_nothing(tmp_path: Path) -> None:
    """Code 130, the table so far, no file, no process, no folder."""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    assert tempfile.gettempdir() != str(tmp_path)
    out = tmp_path / "results.json"
    arguments = f"bench {BLAZEFACE} --runtime ort --threads 1 --seconds 600 --out {out}".split()
    with subprocess.Popen(
        [sys.executable, "-m", "dfedge", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        while not list(tmp_path.glob("dfedge-bench-*")):
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        printed, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "interrupted: figures are of what was done until then" in printed
    assert "interrupted" in errors
    assert [] == list(tmp_path.iterdir())


def _hide(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    """As if it were not installed."""
    find_spec = importlib.util.find_spec

    def find(name: str, *rest: Any) -> Any:
        return None if name == package else find_spec(name, *rest)

    monkeypatch.setattr(plan.importlib.util, "find_spec", find)

"""Runs that are killed, stopped or shared by processes, as a user would do it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from dfedge.cli import main
from dfedge_tools.training import checkpoints

from .conftest import weights

PYTHON = [sys.executable, "-m"]
STAGE = "convnext-atto"


def test_killed_run_ends_alike(tiny_command: list[str], tmp_path: Path) -> None:
    """A run killed by SIGKILL in a step, while it saves and at a validation ends with the weights
    of one that ran through, byte for byte."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert 0 == main([*tiny_command, "--out", str(whole)])
    folder = killed / STAGE
    again = [*tiny_command, "--out", str(killed), "--save-every", "0.001"]
    _kill_when((folder / "last.pt").exists, again)
    _kill_when((folder / "last.part").exists, again)
    assert (folder / "last.part").exists()
    _kill_when((folder / "best.pt").exists, again)
    assert not (killed / f"{STAGE}.pt").exists()
    assert 0 == main([*again, "--workers", "0"])
    assert weights(whole) == weights(killed)


def test_interrupt_stops_after_the_step(tiny_command: list[str], tmp_path: Path) -> None:
    """Ctrl-C ends the run with 1 and the words how to go on; what was done is saved."""
    folder = tmp_path / STAGE
    arguments = [*tiny_command, "--set=loop.steps=5000", "--out", str(tmp_path)]
    process = _start([*arguments, "--save-every", "0.001"])
    _wait_for((folder / "last.pt").exists, process)
    process.send_signal(signal.SIGINT)
    told, complaint = process.communicate()
    assert 1 == process.returncode, complaint
    step = checkpoints.load(folder / "last.pt")["progress"]["step"]
    assert f"stopped at step {step} of 5000 of stage {STAGE}; the same command goes on" in told


def test_torchrun_is_a_team(tiny_command: list[str], tmp_path: Path) -> None:
    """Two processes of torchrun end with the weights of ``--processes 2``; one of them speaks."""
    launcher = [*PYTHON, "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    ours = ["-m", "dfedge_tools.training", *tiny_command[1:], "--out", str(tmp_path / "torchrun")]
    done = subprocess.run(
        [*launcher, *ours], capture_output=True, text=True, check=False, env=_environment()
    )
    assert 0 == done.returncode, done.stderr
    assert 1 == done.stdout.count("video AUC on val")
    assert 0 == main([*tiny_command, "--processes", "2", "--out", str(tmp_path / "processes")])
    assert weights(tmp_path / "processes") == weights(tmp_path / "torchrun")


def _start(arguments: Sequence[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*PYTHON, "dfedge_tools.training", *arguments[1:]],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=_environment(),
    )


def _kill_when(condition: Callable[[], bool], arguments: Sequence[str]) -> None:
    """Start the run, and kill it as soon as the condition holds."""
    process = _start(arguments)
    _wait_for(condition, process)
    process.kill()
    process.communicate()
    assert -signal.SIGKILL == process.returncode


def _wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    while not condition():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.001)


def _environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1"}

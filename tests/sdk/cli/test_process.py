"""The command as a process: signals, pipes and codes as a shell sees them.

The detector is replaced by one that is quick, or hangs on purpose: what the real one says is tested
elsewhere, here it is the process that counts.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SLOW = """
import sys, time
import dfedge.detector
from dfedge.analysis import Failure
from dfedge.errors import MediaNotFoundError


class SlowDetector:
    '''Answers at once for the first input, never for the second.'''

    def __init__(self, *arguments, **options): pass
    def __enter__(self): return self
    def __exit__(self, *details): print("closed", file=sys.stderr)

    def detect_many(self, sources, **options):
        for number, source in enumerate(sources):
            if number == SLOW_FROM:
                print("waiting", file=sys.stderr, flush=True)
                time.sleep(60)
            yield Failure(source, MediaNotFoundError(source, "not there"))


dfedge.detector.Detector = SlowDetector
from dfedge.cli import main
sys.exit(main())
"""


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    """A script: ``dfedge`` with a detector that hangs at the second input."""
    path = tmp_path / "slow.py"
    path.write_text(SLOW.replace("SLOW_FROM", "1"))
    return path


@pytest.fixture
def quick(tmp_path: Path) -> Path:
    """A script: ``dfedge`` with a detector that answers at once."""
    path = tmp_path / "quick.py"
    path.write_text(SLOW.replace("SLOW_FROM", "-1"))
    return path


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT as a terminal does")
def test_ctrl_c_ends_with_130_and_no_traceback(slow: Path, tmp_path: Path) -> None:
    """What was printed stays, the detector is closed, no file is left."""
    report = tmp_path / "out" / "r.html"
    report.parent.mkdir()
    process = subprocess.Popen(
        [sys.executable, str(slow), "detect", "a", "b", "--json", "--report", str(report)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    first = process.stdout.readline()
    assert process.stderr.readline() == "waiting\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert '"dfedge.failure/1"' in first
    assert (process.returncode, out) == (130, "")
    assert err.startswith("closed\ndfedge: interrupted")
    assert "Traceback" not in err
    assert list(report.parent.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="pipes as a POSIX shell makes them")
def test_a_closed_pipe_ends_quietly(quick: Path) -> None:
    """As in ``dfedge detect ... | head -1``: code 141, nothing on stderr but the closing."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as pipe:
        done = subprocess.run(
            [sys.executable, str(quick), "detect", "a", "b", "--json"],
            stdout=pipe,
            stderr=subprocess.PIPE,
            text=True,
            timeout=30,
            check=False,
        )
    assert (done.returncode, done.stderr) == (141, "closed\n")


def test_python_m_dfedge_is_the_command() -> None:
    """The module and the script are one."""
    done = subprocess.run(
        [sys.executable, "-m", "dfedge", "detect", "nothing/*.mp4"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("dfedge: ")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_narrow_encoding_loses_no_verdict(encoding: str, quick: Path, tmp_path: Path) -> None:
    """Characters the terminal lacks become escapes; JSON is UTF-8 whatever the terminal takes."""
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    arguments = [sys.executable, str(quick), "detect", "漢字.mp4"]
    text, machine = (
        subprocess.run(
            [*arguments, *options], capture_output=True, env=environment, timeout=30, check=False
        )
        for options in ([], ["--csv", "-"])
    )
    assert (text.returncode, machine.returncode) == (3, 3)
    assert b"\\u6f22\\u5b57.mp4" in text.stderr
    assert "漢字.mp4".encode() in machine.stdout

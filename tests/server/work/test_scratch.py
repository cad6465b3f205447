"""Media that a worker looks at does not outlive it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from dfedge_server.work.scratch import scratch_folder

_HOLD = """
import sys, time
from dfedge_server.work.scratch import scratch_folder
with scratch_folder() as folder:
    (folder / "media").write_text("a face")
    print(folder, flush=True)
    time.sleep(60)
"""


def test_what_a_killed_worker_left_is_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder of a living worker is left alone; that of a dead one goes with the next start."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD], stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        theirs = Path(other.stdout.readline().strip())
        with scratch_folder() as mine:
            assert {mine, theirs} == set(tmp_path.iterdir())
        assert "a face" == (theirs / "media").read_text()
        other.kill()
    with scratch_folder() as mine:
        assert [mine] == list(tmp_path.iterdir())
    assert [] == list(tmp_path.iterdir())

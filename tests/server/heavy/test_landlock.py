"""Which files a process may still read once it has said so."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import ctypes, sys
from pathlib import Path
from dfedge_server.heavy.landlock import code_folders, read_only
ctypes.CDLL(None).prctl(38, 1, 0, 0, 0)
if not read_only([*code_folders(), sys.argv[1]]):
    sys.exit("not here")
print(Path(sys.argv[1]).read_text())
for name in (sys.argv[2], "/etc/passwd"):
    try:
        print(Path(name).read_text())
    except PermissionError:
        print("refused")
for name in sys.argv[1:]:
    try:
        Path(name).write_text("changed")
    except PermissionError:
        print("refused")
import decimal  # what is loaded later still can be
print(decimal.Decimal(1))
"""


def test_nothing_but_what_was_named_is_read_and_nothing_is_written(tmp_path: Path) -> None:
    """The file itself, and the code; not its neighbour, not the system's files."""
    mine, other = tmp_path / "mine", tmp_path / "other"
    mine.write_text("mine")
    other.write_text("other")
    command = [sys.executable, "-c", CODE, str(mine), str(other)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "not here" in done.stderr:
        pytest.skip("this system has no Landlock")
    assert (["mine", "refused", "refused", "refused", "refused", "1"], "") == (
        done.stdout.split(),
        done.stderr,
    )

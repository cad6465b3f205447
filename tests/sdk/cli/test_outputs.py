"""Output files: proved early, written in one step."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from dfedge.cli.outputs import OutputFile
from dfedge.errors import UsageError


def test_the_file_appears_with_usual_permissions(tmp_path: Path) -> None:
    """Those the umask gives, not those of a temporary file."""
    path = tmp_path / "r.html"
    OutputFile.prepare("--report", str(path), []).write("é")
    plain = tmp_path / "plain"
    plain.touch()
    assert path.read_bytes() == "é".encode()
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)
    assert sorted(tmp_path.iterdir()) == [plain, path]


def test_preparing_leaves_no_trace(tmp_path: Path) -> None:
    """Neither a new file nor a change of an old one."""
    old = tmp_path / "old.html"
    old.write_text("old")
    OutputFile.prepare("--report", str(old), [])
    OutputFile.prepare("--report", str(tmp_path / "new.html"), [])
    assert (old.read_text(), list(tmp_path.iterdir())) == ("old", [old])


def test_a_link_is_followed(tmp_path: Path) -> None:
    """The file it points to is replaced, the link stays."""
    target = tmp_path / "target.html"
    target.write_text("old")
    link = tmp_path / "link.html"
    link.symlink_to(target)
    OutputFile.prepare("--report", str(link), []).write("new")
    assert (link.is_symlink(), target.read_text()) == (True, "new")


def test_permissions_of_a_replaced_file_are_kept(tmp_path: Path) -> None:
    """A private report stays private."""
    path = tmp_path / "r.html"
    path.touch(mode=0o600)
    OutputFile.prepare("--report", str(path), []).write("new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_device_is_written_straight() -> None:
    """There is nothing to replace."""
    OutputFile.prepare("--report", os.devnull, []).write("gone")
    assert Path(os.devnull).is_char_device()


def test_a_frame_of_an_input_folder_is_not_overwritten(tmp_path: Path) -> None:
    """A page or a table beside the frames is fine, a frame is not."""
    frame, page = tmp_path / "1.png", tmp_path / "r.html"
    frame.touch()
    page.touch()
    OutputFile.prepare("--report", str(page), [str(tmp_path)])
    with pytest.raises(UsageError, match="overwrite the input"):
        OutputFile.prepare("--report", str(frame), [str(tmp_path)])


@pytest.mark.parametrize("source", ["https://example.org/a.mp4", "a\0b", "x" * 5000])
def test_inputs_that_are_no_files_do_no_harm(source: str, tmp_path: Path) -> None:
    """An address, or a name no file can have."""
    path = tmp_path / "r.html"
    path.touch()
    assert OutputFile.prepare("--report", str(path), [source]).target == path.resolve()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_refused(tmp_path: Path) -> None:
    """Before the work."""
    tmp_path.chmod(0o500)
    with pytest.raises(UsageError, match="--report"):
        OutputFile.prepare("--report", str(tmp_path / "r.html"), [])

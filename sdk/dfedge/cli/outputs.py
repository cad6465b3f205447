"""Output files: proved writable before the long work, written in one step after it."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dfedge.errors import UsageError


@dataclass(frozen=True, slots=True)
class OutputFile:
    """A file that appears whole or not at all.

    Attributes:
        option: the option that names it, for messages.
        path: as the user gave it.
        target: the file itself, links followed.
    """

    option: str
    path: Path
    target: Path

    @classmethod
    def prepare(cls, option: str, name: str, inputs: Sequence[str]) -> OutputFile:
        """Prove that the file can be written, and that it is none of the inputs.

        Raises:
            UsageError: it cannot be written, or writing it would destroy an input.
        """
        path = Path(name)
        target = Path(os.path.realpath(path))
        if target.is_dir():
            raise UsageError(f"{option} {name}: this is a folder; give the name of a file in it")
        if not target.parent.is_dir():
            raise UsageError(f"{option} {name}: there is no folder {target.parent}; make it first")
        _refuse_input(option, name, target, inputs)
        output = cls(option, path, target)
        output._probe()
        return output

    def write(self, text: str) -> None:
        """Write the text as UTF-8: beside the target, then in its place in one step.

        Raises:
            UsageError: the disk is full or the folder has become unwritable.
        """
        self.write_bytes(text.encode("utf-8", errors="backslashreplace"))

    def write_bytes(self, data: bytes) -> None:
        """Write bytes as :meth:`write` does text.

        Raises:
            UsageError: the disk is full or the folder has become unwritable.
        """
        try:
            if self._is_special:
                self.target.write_bytes(data)
            else:
                self._replace(data)
        except OSError as error:
            raise UsageError(f"{self.option} {self.path}: {error.strerror or error}") from error

    @property
    def _is_special(self) -> bool:
        """A device or a pipe: written straight, there is nothing to replace."""
        return self.target.exists() and not self.target.is_file()

    def _probe(self) -> None:
        try:
            if self._is_special:
                if not os.access(self.target, os.W_OK):
                    raise PermissionError(None, "this may not be written")
                return
            if self.target.exists():
                with self.target.open("ab"):
                    pass
            with tempfile.NamedTemporaryFile(dir=self.target.parent, prefix=".dfedge-"):
                pass
        except OSError as error:
            raise UsageError(
                f"{self.option} {self.path}: {error.strerror or error}; choose another place"
            ) from error

    def _replace(self, data: bytes) -> None:
        handle, name = tempfile.mkstemp(dir=self.target.parent, prefix=".dfedge-", suffix=".tmp")
        beside = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            beside.chmod(_mode_for(self.target))
            beside.replace(self.target)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise


def _mode_for(target: Path) -> int:
    """Permissions of the file that is replaced, or what the umask gives a new one."""
    if target.exists():
        return stat.S_IMODE(target.stat().st_mode)
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask


def _refuse_input(option: str, name: str, target: Path, inputs: Sequence[str]) -> None:
    if not target.exists():
        return
    for source in inputs:
        if not os.path.exists(source):  # noqa: PTH110 - unlike Path.exists, True or False for any text
            continue
        path = Path(source)
        is_frame = (
            path.is_dir()
            and path.samefile(target.parent)
            and target.suffix.lower() not in {".html", ".htm", ".csv"}
        )
        if is_frame or path.samefile(target):
            raise UsageError(f"{option} {name}: this would overwrite the input {source}")

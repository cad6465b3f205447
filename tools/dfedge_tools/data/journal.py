"""What is finished is written down, so that a run stopped at any moment goes on from there.

A folder that is being filled holds ``journal.jsonl``: a line that says how it is made, then one for
each finished item, in the order of the manifest. Files come into their place in one step and before
the line that tells of them, so the journal never promises what is not there; what a stopped run had
half done is done again.
"""

from __future__ import annotations

import csv
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Generic, Self, TypeVar

import msgspec

from dfedge.errors import UsageError

if sys.platform != "win32":
    import fcntl

JOURNAL = "journal.jsonl"
FAILURES = "failures.csv"
UNFINISHED = ".unfinished"
"""Folder in the output folder for files that are not yet in their place."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """By what a source file is known again.

    Attributes:
        size: bytes.
        mtime_ns: time of its last change; when only this differs, the content is compared.
        sha256: of the content, in hexadecimal.
    """

    size: int
    mtime_ns: int
    sha256: str

    @classmethod
    def of(cls, path: Path) -> Fingerprint | None:
        """Of a file; None when it cannot be read."""
        try:
            with path.open("rb") as file:
                status = os.fstat(file.fileno())
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:
            return None
        return cls(status.st_size, status.st_mtime_ns, digest)

    def is_of(self, path: Path) -> bool:
        """Whether the file still has the content it had."""
        try:
            status = path.stat()
        except OSError:
            return False
        if status.st_size != self.size:
            return False
        if status.st_mtime_ns == self.mtime_ns:
            return True
        now = Fingerprint.of(path)
        return now is not None and now.sha256 == self.sha256


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one item; its pictures may have failed in part or all.

    Attributes:
        item: name of the item, once in a journal.
        sources: files it was made from, by their path in the manifest; None for one that could not
            be read.
        files: files made, by their path in the output folder, with their size in bytes.
        failures: (path in the manifest, reason).
    """

    item: str
    sources: dict[str, Fingerprint | None]
    files: dict[str, int]
    failures: tuple[tuple[str, str], ...] = ()


AnyRecord = TypeVar("AnyRecord", bound=Record)


class Journal(Generic[AnyRecord]):
    """The journal of an output folder, locked for one run.

    Args:
        folder: the output folder; made if it is not there.
        settings: by which the results are made, with their names as a user knows them.
        record_type: of the lines.

    Raises:
        UsageError: the folder cannot be written, is in use by another run, was filled with other
            settings, or is not one that a run has filled.
    """

    def __init__(
        self, folder: Path, settings: Mapping[str, str], record_type: type[AnyRecord]
    ) -> None:
        self.folder = folder
        with writing_to(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._file: BinaryIO = (folder / JOURNAL).open("a+b", buffering=0)
        try:
            self._lock()
            lines = self._whole_lines()
            self._check_settings(lines[0] if lines else None, dict(settings))
            decoder = msgspec.json.Decoder(record_type)
            read = [decoder.decode(line) for line in lines[1:]]
            self.records: dict[str, AnyRecord] = {record.item: record for record in read}
            """By item; an item that was done again counts as it was done last."""
            with writing_to(folder):
                remove_unfinished(folder)
        except BaseException as error:
            self._file.close()
            if isinstance(error, msgspec.MsgspecError):
                raise UsageError(f"{folder / JOURNAL}: cannot be read; {START_AGAIN}") from error
            raise

    def append(self, record: AnyRecord) -> None:
        """Write down what is finished. Its files are in their place already."""
        self._write(msgspec.json.encode(record))
        self.records[record.item] = record

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _lock(self) -> None:
        if sys.platform == "win32":
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(
                f"{self.folder}: another run is filling this folder; wait for it, or stop it"
            ) from error

    def _whole_lines(self) -> list[bytes]:
        """Lines of the file; one that was being written when a run was killed is cut off."""
        self._file.seek(0)
        content = self._file.read()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            self._file.truncate(whole)
        return content[:whole].splitlines()

    def _check_settings(self, line: bytes | None, settings: dict[str, str]) -> None:
        if line is None:
            others = [p.name for p in self.folder.iterdir() if p.name != JOURNAL]
            if others:
                (self.folder / JOURNAL).unlink()
                raise UsageError(
                    f"{self.folder}: is not empty, and no run of this command filled it; give "
                    "another folder"
                )
            self._write(msgspec.json.encode(settings))
            return
        before = msgspec.json.decode(line, type=dict[str, str])
        if before != settings:
            names = sorted(before.keys() | settings.keys())
            differing = ", ".join(
                f"{name} was {before.get(name)} and is now {settings.get(name)}"
                for name in names
                if before.get(name) != settings.get(name)
            )
            raise UsageError(f"{self.folder}: was filled otherwise: {differing}; {START_AGAIN}")

    def _write(self, line: bytes) -> None:
        rest = memoryview(line + b"\n")
        with writing_to(self.folder):
            while rest:
                rest = rest[self._file.write(rest) or 0 :]


class FailureLog:
    """``failures.csv`` of an output folder, a line a failure as it comes; begun anew by each run.

    Attributes:
        path: of the file.
        count: failures so far.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FAILURES
        self.count = 0
        self._folder = folder
        with writing_to(folder):
            self._file = self.path.open("w", encoding="utf-8", newline="")
            self._line("path", "reason")

    def add(self, failures: Iterable[tuple[str, str]]) -> None:
        """Write down (path, reason) pairs."""
        for path, reason in failures:
            with writing_to(self._folder):
                self._line(path, reason)
            self.count += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with writing_to(self._folder):
            self._file.close()

    def _line(self, path: str, reason: str) -> None:
        csv.writer(self._file, lineterminator="\n").writerow([path, reason])
        self._file.flush()


@contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """Tell of a full disk or a folder that may not be written as an error with a way out."""
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"{folder}: {error.strerror or error}; make room or see to its permissions, then run "
            "the same command again: it goes on from here"
        ) from error


def replace_file(path: Path, data: bytes) -> None:
    """Write a file that is there whole or not at all."""
    with writing_to(path.parent):
        beside = path.with_name(f".{path.name}.part")
        beside.write_bytes(data)
        beside.replace(path)


def unfinished_folder(out: Path) -> Path:
    """A fresh folder for the files of one item until they are moved into their place."""
    with writing_to(out):
        (out / UNFINISHED).mkdir(exist_ok=True)
        return Path(tempfile.mkdtemp(dir=out / UNFINISHED))


def move_into_place(unfinished: Path, out: Path, files: Iterable[str]) -> None:
    """Move files to the same place in the output folder, each in one step."""
    with writing_to(out):
        for name in files:
            target = out / name
            target.parent.mkdir(parents=True, exist_ok=True)
            (unfinished / name).replace(target)
        shutil.rmtree(unfinished)


def remove_unfinished(out: Path) -> None:
    """Remove what a run left half done."""
    shutil.rmtree(out / UNFINISHED, ignore_errors=True)
    for pattern in (".dfedge-*.tmp", "*/.dfedge-*.tmp"):  # of manifests that were being written
        for stray in out.glob(pattern):
            stray.unlink()


def is_reusable(record: Record, root: Path, out: Path, changed: list[str]) -> bool:
    """Whether what a record tells of is still there and need not be made again.

    What was deleted is made again, and so is what failed when its source has changed since. When a
    source has changed whose results are there, it is added to `changed`: to go on would mix
    results of two data sets. A source that is gone is not missed.
    """
    for name, size in record.files.items():
        try:
            if (out / name).stat().st_size != size:
                return False
        except OSError:
            return False
    different = [p for p, before in record.sources.items() if is_changed(before, root / p)]
    if different and record.failures:
        return False
    changed.extend(different)
    return True


def refuse_changed(out: Path, changed: Sequence[str]) -> None:
    """Raise UsageError if sources have changed."""
    if changed:
        raise UsageError(
            f"{out}: {len(changed)} of the files it was made from have changed since, the first is "
            f"{changed[0]}; put the former content back, or delete what was made of them to have "
            "it made again, or give another folder"
        )


def is_changed(before: Fingerprint | None, path: Path) -> bool:
    """Whether a source has other content than it had, or can be read where it could not."""
    return path.is_file() and (before is None or not before.is_of(path))


START_AGAIN = "give another folder, or delete this one to start again"

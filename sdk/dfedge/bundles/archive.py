"""The files of a bundle as bytes, from a folder or from a zip that nobody has to trust.

A zip is read in memory, never unpacked: its names are refused unless they are plain file names, its
sizes are compared with what the caller expects before a byte is inflated, and inflating stops at
that size whatever the archive says of itself.
"""

from __future__ import annotations

import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

from dfedge.errors import BundleError, BundleFormatError, BundleIntegrityError, BundleNotFoundError

CARD_NAME = "card.json"

MAX_CARD_BYTES = 1 << 20
"""A card is a few kilobytes; one of more than a mebibyte is none."""

MAX_FILE_BYTES = (1 << 31) - 1
"""Protobuf, hence ONNX, holds no more in one message."""

_MAX_ENTRIES = 64
_MAX_DIRECTORY_BYTES = 1 << 20
_REPACK = "zip the files of the bundle again, without folders: zip -j bundle.zip FOLDER/*"


class Members(Protocol):
    """The files of one bundle."""

    def names(self) -> tuple[str, ...] | None:
        """All file names, or None where files beside the bundle's own do no harm (a folder)."""

    def read(self, name: str, *, size_bytes: int | None = None, limit_bytes: int) -> bytes:
        """The bytes of one file.

        Raises:
            BundleIntegrityError: the file is missing, or its size is not ``size_bytes``.
            BundleFormatError: it is larger than ``limit_bytes``, or not a plain file.
        """


@contextmanager
def open_members(path: Path) -> Iterator[Members]:
    """Open a bundle folder or zip for reading.

    Raises:
        BundleNotFoundError: there is nothing at ``path``.
        BundleFormatError: it is neither a folder nor a zip fit to be a bundle.
    """
    mode = _mode(path)
    if stat.S_ISDIR(mode):
        yield _Folder(path)
        return
    if not stat.S_ISREG(mode):
        raise BundleFormatError(
            f"{path}: is neither a folder nor a .zip file; give the path of a bundle"
        )
    try:
        file = path.open("rb")
    except OSError as error:
        raise _unreadable(path, error) from error
    with file, _open_zip(path, file) as archive:
        yield _Zip(path, archive)


def missing(path: Path, name: str) -> BundleError:
    """The error for a file that a bundle lacks: without a card it is no bundle at all."""
    if name == CARD_NAME:
        return BundleFormatError(
            f"{path}: is not a dfedge bundle, it has no {CARD_NAME} at its top level; "
            f"give the folder or .zip that holds {CARD_NAME}"
        )
    return BundleIntegrityError(
        f"{path / name}: the card lists this file but it is not there; get the bundle again"
    )


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        raise BundleNotFoundError(
            f"{path}: there is no such bundle; `dfedge models list` shows those installed"
        ) from error
    except OSError as error:
        raise _unreadable(path, error) from error
    except ValueError as error:  # a NUL in the path
        raise BundleNotFoundError(
            f"{str(path)!r}: is not a path ({error}); give a bundle folder or .zip"
        ) from error


def _unreadable(path: Path, error: OSError) -> BundleError:
    return BundleError(f"{path}: cannot be read ({error.strerror or error}); check its permissions")


class _Folder:
    """A bundle as a folder; its files may be links, since their content is checked anyway."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def names(self) -> None:
        return None

    def read(self, name: str, *, size_bytes: int | None = None, limit_bytes: int) -> bytes:
        path = self._path / name
        try:
            # Not to hang on a FIFO, which is then refused by its mode.
            descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        except (FileNotFoundError, NotADirectoryError) as error:
            raise missing(self._path, name) from error
        except OSError as error:
            raise _unreadable(path, error) from error
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            os.close(descriptor)
            raise BundleFormatError(f"{path}: is not a regular file; get the bundle again")
        with os.fdopen(descriptor, "rb") as file:
            return _checked_read(file, path, status.st_size, size_bytes, limit_bytes)


class _Zip:
    """A bundle as a zip whose directory has been found fit."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self._path = path
        self._archive = archive

    def names(self) -> tuple[str, ...]:
        return tuple(self._archive.namelist())

    def read(self, name: str, *, size_bytes: int | None = None, limit_bytes: int) -> bytes:
        label = self._path / name
        try:
            entry = self._archive.getinfo(name)
        except KeyError as error:
            raise missing(self._path, name) from error
        try:
            with self._archive.open(entry) as file:
                return _checked_read(file, label, entry.file_size, size_bytes, limit_bytes)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as error:
            raise BundleIntegrityError(
                f"{label}: the archive is damaged there ({error}); get the bundle again"
            ) from error


def _checked_read(
    file: IO[bytes], label: Path, declared: int, size_bytes: int | None, limit_bytes: int
) -> bytes:
    """Read a file that must have ``size_bytes``, never holding more than that or the limit."""
    if size_bytes is not None and declared != size_bytes:
        raise BundleIntegrityError(
            f"{label}: is {declared} bytes, its card says {size_bytes}; get the bundle again"
        )
    if declared > limit_bytes:
        raise BundleFormatError(
            f"{label}: is {declared} bytes, more than the {limit_bytes} such a file may have"
        )
    content = file.read(declared + 1)
    if len(content) != declared:
        raise BundleIntegrityError(
            f"{label}: does not have the {declared} bytes it declares; get the bundle again"
        )
    return content


@contextmanager
def _open_zip(path: Path, file: IO[bytes]) -> Iterator[zipfile.ZipFile]:
    _check_directory_size(path, file)
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error) as error:
        raise BundleFormatError(
            f"{path}: is not a zip archive that can be read ({error}); get the bundle again"
        ) from error
    with archive:
        for entry in archive.infolist():
            _check_entry(path, entry)
        _check_distinct(path, archive.namelist())
        yield archive


def _check_directory_size(path: Path, file: IO[bytes]) -> None:
    """Refuse a zip whose directory is larger than a bundle can need, before reading it.

    The end record (PKWARE APPNOTE.TXT 4.3.16) is the last 22 bytes and a comment of up to 65,535.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 22 - 65_535 - 20))
    tail = file.read()
    file.seek(0)
    end = tail.rfind(b"PK\x05\x06")
    if end < 0 or len(tail) - end < 22:
        raise BundleFormatError(
            f"{path}: is not a zip archive or is cut off; give a bundle folder or a bundle .zip, "
            "or get the bundle again"
        )
    entries, directory_bytes = struct.unpack_from("<HI", tail, end + 10)
    zip64 = tail[max(0, end - 20) : end].startswith(b"PK\x06\x07")
    if zip64 or entries > _MAX_ENTRIES or directory_bytes > _MAX_DIRECTORY_BYTES:
        raise BundleFormatError(
            f"{path}: has more files than a bundle can have ({_MAX_ENTRIES}); {_REPACK}"
        )


def _check_entry(path: Path, entry: zipfile.ZipInfo) -> None:
    name, mode = entry.filename, entry.external_attr >> 16
    if stat.S_ISLNK(mode):
        problem = "is a link"
    elif entry.flag_bits & 0x1:
        raise BundleFormatError(f"{path}: {name!r} is encrypted, a bundle is not; {_REPACK}")
    elif entry.orig_filename != name or name in ("", ".", "..") or set(name) & set("/\\:"):
        problem = "is not a plain file name, and a bundle has no folders"
    elif entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        problem = f"is packed by method {entry.compress_type}, not stored or deflated"
    else:
        return
    raise BundleFormatError(f"{path}: {name!r} {problem}; {_REPACK}")


def _check_distinct(path: Path, names: list[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name.casefold() in seen:
            raise BundleFormatError(f"{path}: {name!r} is in the archive twice; {_REPACK}")
        seen.add(name.casefold())

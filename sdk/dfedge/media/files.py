"""Opening a local file without surprises, and saying what a file is that is not media."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from dfedge.errors import MediaAccessError, MediaFormatError, MediaNotFoundError

HEAD_BYTES = 4096

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".png", ".apng", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif"}
)
VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts"}
    | {".flv", ".wmv", ".asf", ".3gp", ".3g2", ".ogv", ".mxf"}
)
MEDIA_SUFFIXES = IMAGE_SUFFIXES | VIDEO_SUFFIXES


def display_name(path: str | os.PathLike[str]) -> str:
    """The path as text that may be printed: no control characters, no undecodable bytes."""
    text = os.fspath(path)
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text.encode("utf-8", "backslashreplace").decode("utf-8")
    )


def stat_source(path: str | os.PathLike[str]) -> os.stat_result:
    """What is at a path; raises MediaNotFoundError or MediaAccessError."""
    name = display_name(path)
    try:
        return Path(path).stat()
    except PermissionError as error:
        raise MediaAccessError(name, "a folder on the way may not be entered") from error
    except FileNotFoundError as error:
        raise MediaNotFoundError(name, "there is no such file; check the path") from error
    except (OSError, ValueError) as error:
        # Too long a name, a loop of links, a file used as a folder, a null byte.
        reason = getattr(error, "strerror", None) or str(error)
        raise MediaNotFoundError(name, f"this is not a usable path ({reason.lower()})") from error


def open_regular_file(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a regular, non-empty file for reading; never blocks on a FIFO or device.

    Raises MediaNotFoundError, MediaAccessError, or MediaFormatError for an empty file.
    """
    name = display_name(path)
    _refuse_special(name, stat_source(path).st_mode)
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags | getattr(os, "O_CLOEXEC", 0))
    except PermissionError as error:
        raise MediaAccessError(name, "may not be read; check its permissions") from error
    except OSError as error:
        raise MediaAccessError(name, f"cannot be opened ({error.strerror})") from error
    file = os.fdopen(descriptor, "rb")
    try:
        status = os.fstat(descriptor)
        _refuse_special(name, status.st_mode)
        if status.st_size == 0:
            raise MediaFormatError(name, "is empty (0 bytes)")
    except BaseException:
        file.close()
        raise
    return file


def read_head(file: BinaryIO) -> bytes:
    """The first bytes of an open file, which is left at its start."""
    file.seek(0)
    head = file.read(HEAD_BYTES)
    file.seek(0)
    return head


def describe_content(head: bytes) -> str | None:
    """What a file is, by its first bytes, when it is a known kind that holds no picture for us."""
    for magic, description in _MAGIC:
        if head.startswith(magic):
            return description
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return "only sound (WAV)"
    if head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS:
        return "a HEIC/HEIF photograph, which is not supported: save it as JPEG or PNG first"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:256].lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "a web page (HTML), not the media itself"
    if text.startswith((b"#extm3u", b"[playlist]", b"ffconcat")):
        return "a playlist, not the media itself"
    if text.startswith((b"<?xml", b"<svg", b"<mpd")):
        return "an XML document"
    if not any(byte < 9 or 13 < byte < 32 for byte in head):
        return "text"
    return None


_HEIF_BRANDS = frozenset({b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"})

_MAGIC = (
    (b"PK\x03\x04", "a ZIP archive: unpack it first"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"\x1f\x8b", "a gzip archive: unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it first"),
    (b"Rar!", "a RAR archive: unpack it first"),
    (b"%PDF", "a PDF document"),
    (b"Salted__", "a file encrypted with OpenSSL: decrypt it first"),
    (b"-----BEGIN PGP", "a file encrypted with PGP: decrypt it first"),
    (b"\x7fELF", "a program"),
    (b"ID3", "only sound (MP3)"),
    (b"\xff\xfb", "only sound (MP3)"),
    (b"\xff\xf1", "only sound (AAC)"),
    (b"fLaC", "only sound (FLAC)"),
)


def _refuse_special(name: str, mode: int) -> None:
    if stat.S_ISFIFO(mode):
        raise MediaAccessError(name, "is a named pipe (FIFO); save the media to a file first")
    if stat.S_ISSOCK(mode):
        raise MediaAccessError(name, "is a socket; save the media to a file first")
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        raise MediaAccessError(name, "is a device; for a camera use `dfedge watch`")
    if stat.S_ISDIR(mode):
        raise MediaAccessError(name, "is a folder")

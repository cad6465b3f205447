"""Fetch one large file over HTTPS, going on where an earlier try stopped.

What has arrived lies in ``NAME.part``; ``NAME.part.json`` beside it says of which address and which
version of the file it is. A resumed request names that version (``If-Range``, RFC 9110 section
13.1.5), so a file that changed meanwhile is sent whole and starts again. Proxies are those of the
environment (``https_proxy``, ``no_proxy``); no token and no cookie is ever sent.
"""

from __future__ import annotations

import hashlib
import http.client
import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from tqdm import tqdm

from dfedge import __version__
from dfedge.errors import UsageError
from dfedge_tools.importing.address import CheckedRedirects, check_address, shown

ATTEMPTS = 6
"""Tries in a row that bring nothing new."""
TIMEOUT_SECONDS = 30.0
"""Of one wait for the server."""
LONGEST_WAIT_SECONDS = 60.0
CHUNK_BYTES = 1 << 20
MAX_BYTES = 1 << 34
"""No checkpoint known is a fifth of this; a stream without end stops here."""
SPARE_BYTES = 1 << 26
"""Left free on the disk."""

_RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")


class _Note(msgspec.Struct, frozen=True):
    """What the part file is a part of."""

    url: str
    validator: str | None
    """A strong ETag or a date; None: the part cannot be resumed."""


class _DroppedError(Exception):
    """A try that ended early; another may do better."""

    def __init__(self, problem: str, wait_seconds: float = 0.0) -> None:
        self.wait_seconds = wait_seconds
        super().__init__(problem)


@dataclass
class _Transfer:
    """The state of one download over its tries."""

    url: str
    part: Path
    size_bytes: int | None
    bar: Any
    sha256: str | None

    @property
    def note(self) -> Path:
        return self.part.with_name(f"{self.part.name}.json")

    @property
    def have(self) -> int:
        return self.part.stat().st_size if self.part.is_file() else 0

    def discard(self) -> None:
        self.part.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)


def fetch(
    url: str,
    target: Path,
    *,
    size_bytes: int | None = None,
    sha256: str | None = None,
    quiet: bool = False,
    wait: Callable[[float], object] = time.sleep,
) -> None:
    """Download a file to a path, which appears only when it is whole and checked.

    Args:
        url: HTTPS (HTTP for this machine only), also after redirects.
        size_bytes: what the file must have, if known.
        sha256: what the file must have, if known, hexadecimal.
        wait: sleeps between tries.

    Raises:
        UsageError: the address is refused or gives no such file, another file than promised, the
            connection keeps failing, or the disk is full. What arrived is kept unless it is wrong.
    """
    check_address(url)
    part = target.with_name(f"{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _bar(target.name, quiet=quiet) as bar:
            transfer = _Transfer(url, part, size_bytes, bar, sha256)
            _until_whole(transfer, wait)
        _check_content(transfer)
        part.replace(target)
        transfer.note.unlink(missing_ok=True)
    except OSError as error:  # of the disk: those of the network have become dropped tries
        raise UsageError(
            f"{part}: cannot be written ({error.strerror or error}); free the disk, then the same "
            "command goes on from here, or set DFEDGE_HOME to a folder on another one"
        ) from error


def file_sha256(path: Path) -> str:
    """Hexadecimal sha256 of a file of any size."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _until_whole(transfer: _Transfer, wait: Callable[[float], object]) -> None:
    """Try until the part is the whole file, or nothing more comes."""
    failures = 0
    while True:
        before = transfer.have
        try:
            _attempt(transfer)
        except _DroppedError as error:
            failures = 0 if transfer.have > before else failures + 1
            if failures == ATTEMPTS:
                raise UsageError(
                    f"{shown(transfer.url)}: {error}, {ATTEMPTS} times in a row; the same command "
                    f"goes on from the {transfer.have:,} bytes that are here"
                ) from error
            wait(min(max(error.wait_seconds, 2.0**failures), LONGEST_WAIT_SECONDS))
        else:
            return


def _attempt(transfer: _Transfer) -> None:
    """One request; returns when the file is whole."""
    offset, headers = _resume_headers(transfer)
    redirects = CheckedRedirects(transfer.url)
    opener = urllib.request.build_opener(redirects)
    request = urllib.request.Request(transfer.url, headers=headers)  # noqa: S310 - scheme checked
    try:
        response = opener.open(request, timeout=TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        with error:
            _refused(transfer, error)
        return
    except (OSError, http.client.HTTPException) as error:
        raise _DroppedError(_reason(error)) from error
    with response:
        transfer.sha256 = transfer.sha256 or redirects.sha256
        offset, total = _place(transfer, response, offset)
        _check_room(transfer, offset, total)
        transfer.note.write_bytes(msgspec.json.encode(_Note(transfer.url, _validator(response))))
        received = _receive(transfer, response, offset)
    if total is not None and received < total:
        raise _DroppedError(f"the connection ended {total - received:,} bytes early")


def _resume_headers(transfer: _Transfer) -> tuple[int, dict[str, str]]:
    headers = {"User-Agent": f"dfedge/{__version__}", "Accept-Encoding": "identity"}
    try:
        note = msgspec.json.decode(transfer.note.read_bytes(), type=_Note)
    except (OSError, msgspec.MsgspecError):
        return 0, headers
    have = transfer.have
    if note.url != transfer.url or note.validator is None or not have:
        return 0, headers
    return have, headers | {"Range": f"bytes={have}-", "If-Range": note.validator}


def _refused(transfer: _Transfer, error: urllib.error.HTTPError) -> None:
    """Sort an error status; returns only where the part turns out to be the whole file."""
    if error.code == 416:
        if error.headers.get("Content-Range") == f"bytes */{transfer.have}":
            return
        transfer.discard()
        raise _DroppedError("the server has no such part of the file") from error
    if error.code in _RETRIED:
        asked = error.headers.get("Retry-After") or ""
        seconds = float(asked) if asked.isdecimal() else 0.0
        raise _DroppedError(f"the server answers {error.code} {error.reason}", seconds) from error
    hint = {
        401: "it asks for a login; download it with a browser and use dfedge models import",
        403: "it may ask for a login; download it with a browser and use dfedge models import",
    }.get(error.code, "the file may have moved; give its new address with --url")
    raise UsageError(
        f"{shown(transfer.url)}: the server answers {error.code} {error.reason}; {hint}"
    ) from error


def _place(transfer: _Transfer, response: Any, offset: int) -> tuple[int, int | None]:
    """Where the answer's bytes belong, and the size of the whole file if it is told."""
    if response.status == 206:
        match = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if match is None or int(match[1]) != offset:
            transfer.discard()
            raise _DroppedError("the server sent another part than was asked for")
        total: int | None = int(match[2])
    else:
        offset = 0
        length = response.headers.get("Content-Length", "")
        total = int(length) if length.isdecimal() else None
    if total is not None and transfer.size_bytes not in (None, total):
        raise UsageError(
            f"{shown(transfer.url)}: has {total:,} bytes there, not the {transfer.size_bytes:,} "
            "that are published for it; it is another file"
        )
    return offset, total


def _check_room(transfer: _Transfer, offset: int, total: int | None) -> None:
    free = shutil.disk_usage(transfer.part.parent).free
    here = transfer.have - offset  # is overwritten
    needed = (total or 0) - offset + SPARE_BYTES
    if free + here < needed:
        raise UsageError(
            f"{transfer.part.parent}: has {free:,} bytes free, {needed:,} are needed; free the "
            "disk, or set DFEDGE_HOME to a folder on another one"
        )


def _receive(transfer: _Transfer, response: Any, offset: int) -> int:
    """Write the answer behind the first `offset` bytes; the size that is reached."""
    mode = "r+b" if transfer.part.exists() else "w+b"
    with transfer.part.open(mode) as file:
        file.seek(offset)
        file.truncate()
        length = response.length  # of the rest; None when it is not told
        transfer.bar.reset(None if length is None else offset + length)
        transfer.bar.initial = transfer.bar.n = offset  # what was here does not count as speed
        transfer.bar.refresh()
        while True:
            try:
                chunk = response.read(CHUNK_BYTES)
            except (OSError, http.client.HTTPException) as error:
                raise _DroppedError(_reason(error)) from error
            if not chunk:
                return file.tell()
            if file.tell() + len(chunk) > MAX_BYTES:
                raise UsageError(f"{shown(transfer.url)}: is over {MAX_BYTES:,} bytes")
            file.write(chunk)
            transfer.bar.update(len(chunk))


def _check_content(transfer: _Transfer) -> None:
    size = transfer.have
    if transfer.size_bytes not in (None, size):
        transfer.discard()
        raise UsageError(
            f"{shown(transfer.url)}: gave {size:,} bytes, not the {transfer.size_bytes:,} that "
            "are published for it; it was removed, try again"
        )
    if transfer.sha256 is None:
        return
    digest = file_sha256(transfer.part)
    if digest != transfer.sha256:
        transfer.discard()
        raise UsageError(
            f"{shown(transfer.url)}: gave a file of sha256 {digest[:16]}..., promised is "
            f"{transfer.sha256[:16]}...; it was removed, try again, and if it stays so the file is "
            "not the published one"
        )


def _validator(response: Any) -> str | None:
    etag: str | None = response.headers.get("ETag")
    if etag is not None and not etag.startswith("W/"):
        return etag
    date: str | None = response.headers.get("Last-Modified")
    return date


def _bar(name: str, *, quiet: bool) -> Any:
    return tqdm(
        desc=name, unit="B", unit_scale=True, leave=False, dynamic_ncols=True, disable=quiet or None
    )


def _reason(error: Exception) -> str:
    cause = getattr(error, "reason", error)
    return f"the connection failed ({cause or type(error).__name__})"

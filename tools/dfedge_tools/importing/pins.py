"""The sha256 of each checkpoint as it was first used, so that a changed file is noticed.

No publisher of these weights gives a hash. What was imported once is therefore written down in
``checkpoints.json`` under ``$DFEDGE_HOME`` (or the user's cache folder), and another file of that
name is refused until its user says that it may be another.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import tempfile
from pathlib import Path

import msgspec

from dfedge.bundles.card import Sha256
from dfedge.bundles.store import cache_folder
from dfedge.errors import UsageError

ACCEPT_OPTION = "--accept-changed"


class Pin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One checkpoint as it was first used."""

    sha256: Sha256
    size_bytes: int
    source: str
    """Address, or name of the file."""
    recorded: str
    """Day, ISO 8601."""


def pins_path() -> Path:
    """Where they are written; the file need not exist."""
    return cache_folder().parent / "checkpoints.json"


def check(name: str, sha256: str, *, file: Path) -> None:
    """Compare a file with the one that was first used under a name; the first of all passes.

    Raises:
        UsageError: it is another file, or the list of hashes cannot be read.
    """
    known = _read().get(name)
    if known is not None and known.sha256 != sha256:
        raise UsageError(
            f"{file}: has sha256 {sha256[:16]}..., the {name} first used here ({known.recorded}, "
            f"{known.source}) has {known.sha256[:16]}... (in {pins_path()}); if you know why the "
            f"file changed, run the same command with {ACCEPT_OPTION}"
        )


def record(name: str, sha256: str, *, size_bytes: int, source: str) -> None:
    """Write down what was used; what is there already under that hash stays.

    Raises:
        UsageError: the list cannot be read or written.
    """
    pins = _read()
    if name in pins and pins[name].sha256 == sha256:
        return
    today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    pins[name] = Pin(sha256, size_bytes, source, today)
    text = msgspec.json.format(msgspec.json.encode(dict(sorted(pins.items()))), indent=2) + b"\n"
    path = pins_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, scratch = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(text)
            Path(scratch).replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(scratch).unlink()
            raise
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be written ({error.strerror or error}); free the disk or set "
            "DFEDGE_HOME to a folder that can be written"
        ) from error


def _read() -> dict[str, Pin]:
    path = pins_path()
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Pin])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{path}: is not the list of checkpoint hashes that dfedge writes ({error}); correct "
            "it, or remove it to start a new one"
        ) from error

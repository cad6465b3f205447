"""The folder of the signed bundle; read at each request, so that the operator may replace it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO, Final

from dfedge.bundles.web import SignedManifest, WebFile, WebManifest, read_signed
from dfedge.errors import BundleError
from dfedge_server.problems import ProblemError
from dfedge_server.settings import Settings

PIECE_BYTES: Final = 256 * 1024

_log = logging.getLogger(__name__)


async def signed(settings: Settings) -> tuple[Path, WebManifest, SignedManifest]:
    """The folder, and its manifest as read and as signed.

    Raises:
        ProblemError: there is none, or it is not sound.
    """
    folder = settings.web_bundle
    if folder is None:
        raise ProblemError(
            "not_found", "This server has no model for browsers; its setting web_bundle names one."
        )
    try:
        return folder, *await asyncio.to_thread(read_signed, folder)
    except BundleError as error:
        raise _broken(error) from None


async def pieces(folder: Path, file: WebFile) -> AsyncIterator[bytes]:
    """A file of the folder, opened at once and read bit by bit.

    Raises:
        ProblemError: it is not there, or has another size than was signed.
    """
    path = folder / file.name
    try:
        opened = await asyncio.to_thread(path.open, "rb")
        size = path.stat().st_size
    except OSError as error:
        raise _broken(error) from None
    if size != file.size_bytes:
        opened.close()
        raise _broken(f"{path}: has {size} bytes, {file.size_bytes} were signed")
    return _read(opened)


async def _read(file: IO[bytes]) -> AsyncIterator[bytes]:
    with file:
        while piece := await asyncio.to_thread(file.read, PIECE_BYTES):
            yield piece


def _broken(error: object) -> ProblemError:
    """The operator is told what it is, clients that it is."""
    _log.error("web_bundle: %s", error)
    return ProblemError("unavailable", "The model for browsers is being replaced, or is broken.")

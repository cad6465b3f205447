"""Fetching what an escalation names by address, so that no stranger reaches into our network."""

from __future__ import annotations

from pathlib import Path

from dfedge.media import MediaLimits
from dfedge.media.remote import fetch_into
from dfedge_server.settings import Settings


def fetch(url: str, path: Path, settings: Settings) -> None:
    """Download an http(s) address to a new file, within the limits of the settings.

    Every host, those of redirects too, is resolved once, all its addresses are checked, and one
    that was checked is connected to.

    Raises:
        MediaError: it may not be, or could not be fetched; nothing is left at ``path``.
    """
    limits = MediaLimits(
        max_bytes=settings.max_upload_bytes,
        max_seconds=settings.fetch_seconds,
        allow_private_addresses=settings.allow_private_addresses,
    )
    with path.open("xb") as file:
        try:
            fetch_into(file, url, limits)
        except BaseException:
            path.unlink()
            raise

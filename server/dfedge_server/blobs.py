"""Media and pictures: a folder or an S3 bucket behind one small interface.

Keys are ``jobs/<job id>/media/<part>`` and ``jobs/<job id>/evidence/<name>``, so that all of a job
goes with one prefix. Nothing a client names is ever part of a path but a checked part name.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

import obstore
from obstore.store import LocalStore, ObjectStore, S3Store

from dfedge.errors import UsageError
from dfedge_server.settings import Settings

CHUNK_BYTES = 5 * 1024**2
"""Parts of an upload; S3 takes none smaller."""


def media_key(job_id: UUID, part: str) -> str:
    """The key of an uploaded part."""
    return f"jobs/{job_id}/media/{part}"


def evidence_key(job_id: UUID, name: str) -> str:
    """The key of a picture kept as evidence."""
    return f"jobs/{job_id}/evidence/{name}"


def job_prefix(job_id: UUID) -> str:
    """What all keys of a job begin with."""
    return f"jobs/{job_id}/"


class Blobs:
    """Where media and pictures are kept; safe to use from several tasks at once."""

    def __init__(self, settings: Settings) -> None:
        self._store = _open_store(settings)

    async def put(self, key: str, data: bytes | Path | AsyncIterator[bytes]) -> None:
        """Store bytes, a file or a stream; it is there whole or not at all."""
        await obstore.put_async(self._store, key, data, chunk_size=CHUNK_BYTES)

    async def get(self, key: str) -> bytes:
        """All bytes of a small blob.

        Raises:
            FileNotFoundError: there is none.
        """
        result = await obstore.get_async(self._store, key)
        return bytes(await result.bytes_async())

    async def stream(self, key: str) -> AsyncIterator[bytes]:
        """The bytes of a blob, piece by piece; raises FileNotFoundError at the first."""
        result = await obstore.get_async(self._store, key)
        async for chunk in result.stream(min_chunk_size=CHUNK_BYTES):
            yield bytes(chunk)

    async def length(self, key: str) -> int:
        """Bytes of a blob; raises FileNotFoundError where there is none."""
        return int((await obstore.head_async(self._store, key))["size"])

    async def range(self, key: str, start: int, end: int) -> bytes:
        """The bytes from ``start`` up to and without ``end``, few enough for memory."""
        return bytes(await obstore.get_range_async(self._store, key, start=start, end=end))

    async def stream_range(self, key: str, start: int, end: int) -> AsyncIterator[bytes]:
        """The same, piece by piece."""
        result = await obstore.get_async(self._store, key, options={"range": (start, end)})
        async for chunk in result.stream(min_chunk_size=CHUNK_BYTES):
            yield bytes(chunk)

    async def download(self, key: str, path: Path) -> None:
        """Write a blob to a file."""
        with path.open("wb") as file:
            async for chunk in self.stream(key):
                file.write(chunk)

    async def delete(self, keys: Iterable[str]) -> None:
        """Delete blobs; those that are not there are no error."""
        for key in keys:
            try:
                await obstore.delete_async(self._store, key)
            except FileNotFoundError:
                continue

    async def delete_prefix(self, prefix: str) -> int:
        """Delete everything whose key begins so; tells how many there were."""
        keys = await self.keys(prefix)
        await self.delete(keys)
        return len(keys)

    async def size(self, prefix: str) -> int:
        """Bytes of all blobs whose key begins so."""
        return sum(
            [item["size"] async for batch in obstore.list(self._store, prefix) for item in batch]
        )

    async def keys(self, prefix: str, *, older_than: datetime | None = None) -> list[str]:
        """All keys that begin so; with a time, those that were written before it."""
        return [
            item["path"]
            async for batch in obstore.list(self._store, prefix)
            for item in batch
            if older_than is None or item["last_modified"] < older_than
        ]


def _open_store(settings: Settings) -> ObjectStore:
    """The store that ``storage_url`` names."""
    url = settings.storage_url
    if url.startswith("s3://"):
        return _open_s3(settings)
    if "://" in url:
        raise UsageError(f"setting storage_url {url}: give s3://bucket/prefix or a folder")
    folder = Path(url).expanduser().absolute() if url else settings.data_dir / "media"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        name = "storage_url" if url else "data_dir"
        raise UsageError(
            f"setting {name} {folder}: {error.strerror}; give a folder that this user may write to"
        ) from error
    return LocalStore(folder, automatic_cleanup=True)


def _open_s3(settings: Settings) -> S3Store:
    parts = urlsplit(settings.storage_url)
    if not parts.netloc:
        raise UsageError(f"setting storage_url {settings.storage_url}: names no bucket")
    config: dict[str, str] = {}
    if settings.s3_endpoint:
        config |= {"endpoint": settings.s3_endpoint, "virtual_hosted_style_request": "false"}
    if settings.s3_region:
        config["region"] = settings.s3_region
    if key := settings.s3_access_key_id.get_secret_value():
        config["access_key_id"] = key
        config["secret_access_key"] = settings.s3_secret_access_key.get_secret_value()
    return S3Store(
        parts.netloc,
        prefix=parts.path.strip("/") or None,
        config=config,  # type: ignore[arg-type]
        client_options={"allow_http": settings.s3_endpoint.startswith("http://")},
    )

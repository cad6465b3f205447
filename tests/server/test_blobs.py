"""Media and pictures, in a folder and on an S3 server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import msgspec
import pytest
from tests.server.conftest import with_settings

from dfedge.errors import UsageError
from dfedge.escalation.wire import PartName
from dfedge_server.blobs import CHUNK_BYTES, Blobs, evidence_key, job_prefix, media_key
from dfedge_server.settings import Settings

pytestmark = pytest.mark.anyio

JOB = UUID("01890000-0000-7000-8000-000000000001")


@pytest.fixture(params=["folder", "s3"])
def blobs(request: pytest.FixtureRequest, settings: Settings, anyio_backend: str) -> Blobs:
    """A new, empty store of each kind."""
    if request.param == "folder":
        return Blobs(settings)
    return Blobs(with_settings(settings, **request.getfixturevalue("s3")))


async def _pieces(*sizes: int) -> AsyncIterator[bytes]:
    for number, size in enumerate(sizes):
        yield bytes([number]) * size


async def test_bytes_files_and_streams_come_back_as_they_went(blobs: Blobs, tmp_path: Path) -> None:
    """Whatever way they went in, and larger than one part of an upload."""
    file = tmp_path / "clip.mp4"
    file.write_bytes(b"from a file")
    sizes = (10, CHUNK_BYTES, 3, CHUNK_BYTES // 2)
    await blobs.put("jobs/a", b"bytes")
    await blobs.put("jobs/b", file)
    await blobs.put("jobs/c", _pieces(*sizes))
    await blobs.put("jobs/d", b"")
    assert b"bytes" == await blobs.get("jobs/a")
    assert b"from a file" == await blobs.get("jobs/b")
    whole = b"".join(bytes([number]) * size for number, size in enumerate(sizes))
    assert whole == await blobs.get("jobs/c")
    assert b"" == await blobs.get("jobs/d")
    assert whole == b"".join([piece async for piece in blobs.stream("jobs/c")])
    await blobs.download("jobs/c", tmp_path / "copy")
    assert whole == (tmp_path / "copy").read_bytes()


async def test_a_stream_that_breaks_off_leaves_nothing(blobs: Blobs) -> None:
    """An upload that ends early is not half there; what was there before stays."""
    await blobs.put("jobs/a", b"before")

    async def broken() -> AsyncIterator[bytes]:
        yield bytes(CHUNK_BYTES + 1)
        raise ConnectionResetError

    for key in ("jobs/a", "jobs/b"):
        with pytest.raises(ConnectionResetError):
            await blobs.put(key, broken())
    assert b"before" == await blobs.get("jobs/a")
    assert ["jobs/a"] == await blobs.keys("jobs/")


async def test_what_is_missing_is_said_and_may_be_deleted(blobs: Blobs, tmp_path: Path) -> None:
    """FileNotFoundError from every way of reading; deleting twice is no error."""
    with pytest.raises(FileNotFoundError):
        await blobs.get("jobs/none")
    with pytest.raises(FileNotFoundError):
        await anext(blobs.stream("jobs/none"))
    with pytest.raises(FileNotFoundError):
        await blobs.download("jobs/none", tmp_path / "copy")
    await blobs.put("jobs/a", b"a")
    await blobs.delete(["jobs/a", "jobs/a", "jobs/none"])
    assert [] == await blobs.keys("jobs/")


async def test_all_of_a_job_goes_and_nothing_else(blobs: Blobs) -> None:
    """delete_prefix tells how many went; another job's stay, however alike its name."""
    other = uuid4()
    for number in range(5):
        await blobs.put(media_key(JOB, f"crop-{number}"), b"x")
    await blobs.put(evidence_key(JOB, "heat-0.png"), b"x")
    await blobs.put(media_key(other, "clip"), b"y")
    await blobs.put(f"jobs/{JOB}0/media/clip", b"z")
    assert 6 == await blobs.delete_prefix(job_prefix(JOB))
    assert {media_key(other, "clip"), f"jobs/{JOB}0/media/clip"} == set(await blobs.keys("jobs/"))
    assert 0 == await blobs.delete_prefix(job_prefix(JOB))


@pytest.mark.parametrize(
    "part", ["-", "_.-", "a" * 64, "con", "index.html", "a.", "a..b", "__proto__", "0"]
)
async def test_every_part_name_that_is_allowed_works(blobs: Blobs, part: str) -> None:
    """Names that a manifest may hold (``PartName``): none loses its bytes or leaves its job."""
    assert part == msgspec.convert(part, PartName)
    key = media_key(JOB, part)
    await blobs.put(key, part.encode())
    assert part.encode() == await blobs.get(key)
    assert [key] == await blobs.keys(job_prefix(JOB))
    assert 1 == await blobs.delete_prefix(job_prefix(JOB))


@pytest.mark.parametrize("part", ["", ".", "..", ".hidden", "a/b", "a\\b", "a b", "ä", "a" * 65])
def test_no_other_part_name_is_allowed(part: str) -> None:
    """Nothing that means something to a file system."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(part, PartName)


@pytest.mark.parametrize("key", ["../out", "jobs/../../out", "/../out", "jobs/./../../out"])
async def test_a_folder_store_cannot_be_left(settings: Settings, key: str) -> None:
    """Were a name ever to get past the checks, the store would refuse it still."""
    with pytest.raises(ValueError, match="out"):
        await Blobs(settings).put(key, b"x")
    assert [] == list(settings.data_dir.parent.rglob("out"))


async def test_deleting_takes_the_empty_folders_along(settings: Settings) -> None:
    """Names of jobs do not gather on the disk."""
    blobs = Blobs(settings)
    await blobs.put(media_key(JOB, "clip"), b"x")
    await blobs.delete_prefix(job_prefix(JOB))
    assert [] == [path.name for path in (settings.data_dir / "media").rglob("*")]


async def test_nobody_else_may_read_the_folder(settings: Settings) -> None:
    """The folder of media is its owner's alone."""
    await Blobs(settings).put("jobs/a", b"x")
    assert 0 == (settings.data_dir / "media").stat().st_mode & 0o077


async def test_a_bucket_holds_only_what_lies_below_the_prefix(
    settings: Settings, s3: dict[str, str]
) -> None:
    """``s3://bucket/server``: others may use the same bucket."""
    await Blobs(with_settings(settings, **s3)).put("jobs/a", b"x")
    bucket = s3["storage_url"].removesuffix("/server")
    whole = Blobs(with_settings(settings, **s3 | {"storage_url": bucket}))
    assert ["server/jobs/a"] == await whole.keys("")


@pytest.mark.parametrize(
    "url", ["gs://bucket", "http://host/bucket", "s3:///prefix", "/proc/nowhere"]
)
async def test_an_address_that_cannot_work_is_refused(settings: Settings, url: str) -> None:
    """The setting is named."""
    with pytest.raises(UsageError, match="setting storage_url"):
        Blobs(with_settings(settings, storage_url=url))

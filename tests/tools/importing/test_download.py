"""Downloads against a real server: resumed, checked, and refused where they must be."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("tqdm")

from dfedge.errors import UsageError
from dfedge_tools.importing import download
from dfedge_tools.importing.download import ATTEMPTS, fetch

Server = Any  # FileServer of conftest.py, which tests do not import


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Where the file is to appear."""
    return tmp_path / "downloads" / "weights.bin"


@pytest.fixture
def get(server: Server, target: Path) -> Callable[..., None]:
    """Fetches the server's file to the target without waiting between tries."""

    def run(**options: Any) -> None:
        fetch(server.url, target, **{"quiet": True, "wait": lambda seconds: None} | options)

    return run


def part(target: Path) -> Path:
    """Where the bytes of an unfinished download lie."""
    return target.with_name(f"{target.name}.part")


def test_a_file_arrives_whole_and_alone(server: Server, target: Path, get: Any) -> None:
    """Its bytes are the server's, and nothing is left beside it."""
    get(size_bytes=len(server.content), sha256=server.sha256)
    assert server.content == target.read_bytes()
    assert [target.name] == [path.name for path in target.parent.iterdir()]


def test_a_cut_connection_goes_on_where_it_was(server: Server, target: Path, get: Any) -> None:
    """The second request asks for the rest of this very version only."""
    server.cut_after = [100_000]
    get()
    assert server.content == target.read_bytes()
    assert [None, "bytes=100000-"] == server.asked_ranges()
    assert server.etag == server.requests[1]["if-range"]


def test_many_cuts_do_not_matter_while_something_arrives(
    server: Server, target: Path, get: Any
) -> None:
    """Only tries in a row that bring nothing count."""
    server.cut_after = [1000] * (3 * ATTEMPTS)
    get()
    assert server.content == target.read_bytes()


def test_a_connection_that_brings_nothing_is_given_up(
    server: Server, target: Path, get: Any
) -> None:
    """The message says what is here and that the same command goes on; the waits grow."""
    server.cut_after = [5000] + [0] * ATTEMPTS
    waits: list[float] = []
    with pytest.raises(UsageError, match=rf"{ATTEMPTS} times in a row; the same command .* 5,000"):
        get(wait=waits.append)
    assert 5000 == part(target).stat().st_size
    assert [1.0, 2.0, 4.0, 8.0, 16.0, 32.0] == waits
    get()
    assert server.content == target.read_bytes()
    assert "bytes=5000-" == server.asked_ranges()[-1]


@pytest.mark.parametrize("etag", ['"two"', None])
def test_a_file_that_changed_starts_again(
    server: Server, target: Path, get: Any, etag: str | None
) -> None:
    """Bytes of two versions are never mixed."""
    server.cut_after = [200_000, *[0] * ATTEMPTS]
    with pytest.raises(UsageError):
        get()
    server.cut_after = []
    server.content, server.etag = server.content[::-1], etag
    get()
    assert server.content == target.read_bytes()


def test_a_server_without_ranges_sends_all_again(server: Server, target: Path, get: Any) -> None:
    """Its answer 200 means from the start."""
    server.ranges = False
    server.cut_after = [250_000]
    get()
    assert server.content == target.read_bytes()
    assert [None, "bytes=250000-"] == server.asked_ranges()


def test_a_server_that_names_no_version_is_not_resumed(
    server: Server, target: Path, get: Any
) -> None:
    """Nothing could tell whether the rest belongs to what is here."""
    server.etag = None
    server.cut_after = [250_000]
    get()
    assert [None, None] == server.asked_ranges()


def test_a_part_that_was_whole_is_not_fetched_again(server: Server, target: Path, get: Any) -> None:
    """A process that died between the last byte and the check costs one request."""
    server.cut_after = [100_000, *[0] * ATTEMPTS]
    with pytest.raises(UsageError):
        get()
    server.cut_after = []
    part(target).write_bytes(server.content)
    get()
    assert server.content == target.read_bytes()
    assert f"bytes={len(server.content)}-" == server.asked_ranges()[-1]


def test_a_part_longer_than_the_file_is_thrown_away(server: Server, target: Path, get: Any) -> None:
    """It cannot be a part of it."""
    server.cut_after = [100_000, *[0] * ATTEMPTS]
    with pytest.raises(UsageError):
        get()
    server.cut_after = []
    part(target).write_bytes(server.content + b"more")
    get()
    assert server.content == target.read_bytes()


def test_an_answer_without_a_size_is_taken_to_its_end(
    server: Server, target: Path, get: Any
) -> None:
    """Then only the promised size can show that it is whole."""
    server.tells_size = False
    get(size_bytes=len(server.content))
    assert server.content == target.read_bytes()


def test_a_wrong_size_is_refused_before_a_byte_is_written(
    server: Server, target: Path, get: Any
) -> None:
    """The server tells it first."""
    with pytest.raises(UsageError, match=r"has 300,000 bytes there, not the 5 that are published"):
        get(size_bytes=5)
    assert not target.exists()
    assert not part(target).exists()


def test_a_wrong_size_that_shows_at_the_end_is_refused(
    server: Server, target: Path, get: Any
) -> None:
    """Where the server does not tell it."""
    server.tells_size = False
    with pytest.raises(UsageError, match=r"gave 300,000 bytes, not the 400,000"):
        get(size_bytes=400_000)
    assert [] == list(target.parent.iterdir())


def test_a_wrong_hash_is_refused_and_removed(server: Server, target: Path, get: Any) -> None:
    """What arrived is not the promised file, so it must not be resumed."""
    with pytest.raises(UsageError, match=r"gave a file of sha256 .* promised is 0000"):
        get(sha256="0" * 64)
    assert [] == list(target.parent.iterdir())


def test_the_hash_that_a_redirect_tells_is_held_to(server: Server, target: Path, get: Any) -> None:
    """Hugging Face names the sha256 of large files when it redirects to them."""
    server.redirect = "/moved.bin"
    server.linked_sha256 = server.sha256
    get()
    assert server.content == target.read_bytes()
    target.unlink()
    server.linked_sha256 = "0" * 64
    with pytest.raises(UsageError, match="promised is 0000"):
        get()


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(server: Server, target: Path, get: Any, status: int) -> None:
    """These pass."""
    server.refuse = [status, status]
    get()
    assert server.content == target.read_bytes()


@pytest.mark.parametrize(
    ("status", "hint"),
    [(404, "give its new address with --url"), (401, "asks for a login"), (410, "may have moved")],
)
def test_a_refusal_is_told_at_once(
    server: Server, target: Path, get: Any, status: int, hint: str
) -> None:
    """Asking again would not help; the message says what does."""
    server.refuse = [status]
    with pytest.raises(UsageError, match=rf"answers {status} .*{hint}"):
        get()
    assert 1 == len(server.requests)


def test_a_full_disk_is_seen_before_anything_is_written(
    server: Server, target: Path, get: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is free and what is needed stand in the message."""
    usage = shutil.disk_usage("/")._replace(free=1000)
    monkeypatch.setattr(download.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(UsageError, match=r"has 1,000 bytes free, 67,408,864 are needed"):
        get()
    assert not part(target).exists()


def test_a_disk_that_fills_up_keeps_the_part(
    server: Server, target: Path, get: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same command goes on from there once there is room."""
    full = OSError(errno.ENOSPC, "No space left on device")

    class Bar:
        def __enter__(self) -> Bar:
            return self

        def __exit__(self, *details: object) -> None: ...
        def refresh(self) -> None: ...
        def reset(self, total: int | None) -> None: ...

        def update(self, count: int) -> None:
            raise full

    monkeypatch.setattr(download, "CHUNK_BYTES", 100_000)
    monkeypatch.setattr(download, "_bar", lambda name, quiet: Bar())
    with pytest.raises(UsageError, match=r"cannot be written \(No space left on device\)"):
        get()
    assert 100_000 == part(target).stat().st_size
    monkeypatch.undo()
    get()
    assert server.content == target.read_bytes()


def test_ctrl_c_keeps_the_part(
    server: Server, target: Path, get: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the next call goes on from there."""
    server.cut_after = [120_000]

    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get(wait=interrupt)
    assert 120_000 == part(target).stat().st_size
    get()
    assert server.content == target.read_bytes()
    assert "bytes=120000-" == server.asked_ranges()[-1]


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/w.bin",
        "ftp://example.org/w.bin",
        "file:///etc/passwd",
        "https://",
        "w",
        "http://[bad",
    ],
)
def test_only_https_is_asked(target: Path, url: str) -> None:
    """Before anything is sent."""
    with pytest.raises(UsageError, match="is no HTTPS address"):
        fetch(url, target, quiet=True)


@pytest.mark.parametrize("place", ["http://example.org/w.bin", "ftp://127.0.0.1/w.bin"])
def test_a_redirect_away_from_https_is_not_followed(
    server: Server, target: Path, get: Any, place: str
) -> None:
    """Each hop is checked like the first."""
    server.redirect = place
    with pytest.raises(UsageError, match="which is not HTTPS; it was not followed"):
        get()


def test_a_secret_in_the_address_is_not_told(server: Server, target: Path, get: Any) -> None:
    """Signed addresses carry one in their query."""
    server.refuse = [404]
    with pytest.raises(UsageError) as caught:
        fetch(f"{server.url}?signature=secret", target, quiet=True)
    assert "secret" not in str(caught.value)


def test_a_server_that_is_not_there_is_given_up(target: Path) -> None:
    """A refused connection is tried again, then told."""
    with pytest.raises(UsageError, match="the connection failed"):
        fetch("http://127.0.0.1:9/w.bin", target, quiet=True, wait=lambda seconds: None)

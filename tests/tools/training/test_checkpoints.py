"""Checkpoints are whole or not there, whatever happens while they are written."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from dfedge.errors import UsageError
from dfedge_tools.training import checkpoints


@contextmanager
def _room_for(count: int) -> Iterator[None]:
    """Let no file grow beyond so many bytes: the system's answer is that of a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (count, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_saved_is_loaded(tmp_path: Path) -> None:
    """What was saved comes back."""
    checkpoints.save(tmp_path / "new" / "last.pt", {"net": {"a": torch.ones(2)}})
    loaded = checkpoints.load(tmp_path / "new" / "last.pt")
    assert torch.equal(torch.ones(2), loaded["net"]["a"])


def test_full_disk_keeps_the_last(tmp_path: Path) -> None:
    """Where there is no room the error says so, the former checkpoint stays, and no litter."""
    path = tmp_path / "last.pt"
    checkpoints.save(path, {"step": 1})
    with _room_for(50_000), pytest.raises(UsageError, match=r"last\.pt: could not be saved"):
        checkpoints.save(path, {"step": 2, "net": torch.zeros(100_000)})
    assert 1 == checkpoints.load(path)["step"]
    assert ["last.pt"] == [file.name for file in tmp_path.iterdir()]


def test_same_weights_same_bytes(tmp_path: Path) -> None:
    """Weights are written as the same bytes under any name and layout in memory."""
    plain = torch.arange(24.0).reshape(1, 2, 3, 4)
    for name, value in (("a", plain), ("b", plain.to(memory_format=torch.channels_last))):
        checkpoints.save_weights(tmp_path / f"{name}.pt", {"w": value})
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "b.pt").read_bytes()


@pytest.mark.parametrize("content", [b"", b"no checkpoint", None])
def test_foreign_file_is_refused(tmp_path: Path, content: bytes | None) -> None:
    """A file that is no checkpoint of ours is refused by name, with the way out."""
    path = tmp_path / "last.pt"
    torch.save({"weights": torch.zeros(1)}, path)
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=r"last\.pt: .* give another --out"):
        checkpoints.load(path)

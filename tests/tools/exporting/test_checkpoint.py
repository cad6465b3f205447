"""Weights from a file: strictly, and without running anything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import dfedge_models
from dfedge.errors import UsageError
from dfedge_tools.exporting.checkpoint import load_checkpoint

ATTO = "dfedge_convnext_atto"


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {"state_dict": state},
        lambda state: {"ema": {f"detector.{name}": v for name, v in state.items()}},
        lambda state: {f"module.{name}": v for name, v in state.items()},
        lambda state: {
            "format": 1,
            "ema": {"mask_head.w": torch.zeros(1)}
            | {f"detector.{name}": v for name, v in state.items()},
        },
    ],
    ids=["container", "trainer", "parallel", "mask head"],
)
def test_wrapped_weights_are_found(
    atto: Any, tmp_path: Path, wrap: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    """As training programs save them, and whole."""
    torch.save(wrap(atto.state_dict()), tmp_path / "w.pt")
    model = dfedge_models.create(ATTO)
    load_checkpoint(model, tmp_path / "w.pt")
    loaded, wanted = model.state_dict(), atto.state_dict()
    assert [name for name in wanted if not torch.equal(wanted[name], loaded[name])] == []


class _Bomb:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return Path.touch, (Path("exploded"),)  # type: ignore[return-value]


def _file(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_a_checkpoint_cannot_run_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that carries more than tensors is refused unread."""
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": _Bomb()}, tmp_path / "w.pt")
    with pytest.raises(UsageError, match="is no file of plain torch weights"):
        load_checkpoint(dfedge_models.create(ATTO), tmp_path / "w.pt")
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({}, "holds no state dict"),
        ({"weight": "text"}, "holds no state dict"),
        ({"weight": torch.zeros(1)}, "the weights do not fit the architecture: lacks"),
    ],
)
def test_weights_of_something_else_are_refused(
    tmp_path: Path, state: dict[str, Any], message: str
) -> None:
    """Every entry must be there, in its shape."""
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(UsageError, match=message):
        load_checkpoint(dfedge_models.create(ATTO), tmp_path / "w.pt")

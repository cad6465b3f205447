"""A made-up machine for the tests of measuring."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def sysfs(tmp_path: Path) -> Callable[[dict[str, str]], Path]:
    """Writes files under a made-up ``/sys`` and gives its path."""
    root = tmp_path / "sys"
    root.mkdir()

    def write(files: dict[str, str]) -> Path:
        for name, content in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{content}\n", encoding="ascii")
        return root

    return write

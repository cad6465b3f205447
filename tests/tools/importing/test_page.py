"""The page on importing."""

from __future__ import annotations

from pathlib import Path

from dfedge_tools.importing.names import NAMES

PAGE = Path(__file__).resolve().parents[3] / "docs" / "import.md"


def test_the_page_holds_every_name() -> None:
    """In the help, at least."""
    text = PAGE.read_text(encoding="utf-8")
    assert [] == [name for name in NAMES if name not in text]

"""The page on importing."""

from __future__ import annotations

from pathlib import Path

from dfedge_tools.cli_docs import refresh
from dfedge_tools.importing.names import NAMES

PAGE = Path(__file__).resolve().parents[3] / "docs" / "import.md"


def test_the_page_holds_the_help_the_commands_print() -> None:
    """``python -m dfedge_tools.cli_docs docs/import.md`` was run after the last change."""
    text = PAGE.read_text(encoding="utf-8")
    assert refresh(text) == text


def test_the_page_holds_every_name() -> None:
    """In the help, at least."""
    text = PAGE.read_text(encoding="utf-8")
    assert [] == [name for name in NAMES if name not in text]

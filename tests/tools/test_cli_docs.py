"""The help texts in the documentation."""

from __future__ import annotations

from pathlib import Path

import pytest

from dfedge_tools.cli_docs import help_of, main, refresh

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = sorted(DOCS.glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_holds_the_help_the_command_prints(page: Path) -> None:
    """``python -m dfedge_tools.cli_docs docs/*.md`` was run after the last change."""
    text = page.read_text(encoding="utf-8")
    assert refresh(text) == text


@pytest.mark.parametrize(
    ("command", "page"),
    [
        *((command, "cli") for command in ("", " detect", " watch", " models", " completion")),
        *((f" {name}", name) for name in ("bench", "evaluate", "explain", "export", "quantize")),
        (" calibrate", "decision"),
        (" data", "data"),
        *(
            (f" data {name}", "data")
            for name in ("manifest", "layouts", "split", "check", "extract", "crops", "pack")
        ),
        (" data sheet", "fakes"),
        (" train", "training"),
        (" verify", "verify"),
        (" models import", "import"),
        (" models pull", "import"),
        (" serve", "server"),
        (" keys", "keys"),
        *((f" keys {name}", "keys") for name in ("create", "list", "rotate", "revoke")),
    ],
)
def test_every_command_has_its_help_on_a_page(command: str, page: str) -> None:
    """None is forgotten."""
    text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    assert f"<!-- help: dfedge{command} -->" in text


def test_a_stale_page_is_found_and_refreshed(tmp_path: Path) -> None:
    """--check only tells; without it the text is filled in, and the rest stays."""
    page = tmp_path / "page.md"
    stale = "before\n<!-- help: dfedge completion -->\nold\n<!-- end of help -->\nafter\n"
    page.write_text(stale, encoding="utf-8")
    assert main([str(page), "--check"]) == 1
    assert page.read_text(encoding="utf-8") == stale
    assert main([str(page)]) == 0
    text = page.read_text(encoding="utf-8")
    assert "dfedge completion SHELL" in text
    assert "old" not in text
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert main([str(page), "--check"]) == 0


def test_an_unknown_command_is_refused() -> None:
    """A page cannot document what does not exist."""
    with pytest.raises(ValueError, match="dfedge nothing --help"):
        help_of(["nothing"])

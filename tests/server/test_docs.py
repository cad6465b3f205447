"""The documentation of the server, held to the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dfedge_server.settings import Settings
from dfedge_server.settings_docs import main, refresh, table
from dfedge_server.telemetry.metrics import REGISTRY

DOCS = Path(__file__).resolve().parents[2] / "docs"
DEPLOY = DOCS.parent / "deploy"


def test_the_page_holds_the_settings_as_they_are() -> None:
    """``python -m dfedge_server.settings_docs docs/server.md`` was run after the last change."""
    text = (DOCS / "server.md").read_text(encoding="utf-8")
    assert text == refresh(text)


def test_every_setting_has_a_row() -> None:
    """None is forgotten, and each has a sentence."""
    rows = re.findall(r"^\| `(\w+)` \|.*\| (.+) \|$", table(), flags=re.MULTILINE)
    assert list(Settings.model_fields) == [name for name, _ in rows]
    assert all(sentence.endswith(".") for _, sentence in rows)


def test_a_stale_page_is_found_and_refreshed(tmp_path: Path) -> None:
    """--check only tells; without it the table is filled in, and the rest stays."""
    page = tmp_path / "page.md"
    stale = "before\n<!-- settings -->\nouter space\n<!-- end of settings -->\nafter\n"
    page.write_text(stale, encoding="utf-8")
    assert main([str(page), "--check"]) == 1
    assert page.read_text(encoding="utf-8") == stale
    assert main([str(page)]) == 0
    text = page.read_text(encoding="utf-8")
    assert "| `retention_days` | number | 30 |" in text
    assert "outer space" not in text
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert main([str(page), "--check"]) == 0


@pytest.mark.parametrize("page", ["server.md", "operations.md"])
def test_links_lead_somewhere(page: str) -> None:
    """No link of the page is broken."""
    text = (DOCS / page).read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text) if "://" not in link]
    assert links
    assert [] == [link for link in links if not (DOCS / link).exists()]


@pytest.mark.parametrize("page", ["server.md", "operations.md"])
def test_settings_that_are_named_exist(page: str) -> None:
    """A variable of the environment in the text is a setting."""
    text = (DOCS / page).read_text(encoding="utf-8")
    named = {name.lower() for name in re.findall(r"DFEDGE_SERVER_([A-Z][A-Z0-9_]+)", text)}
    assert set() == named - set(Settings.model_fields) - {"name", "config", "secrets"}


def test_metrics_that_are_named_exist() -> None:
    """An alert on a metric that is not told would never fire."""
    told = set()
    for metric in REGISTRY.collect():
        told |= {metric.name, f"{metric.name}_total", f"{metric.name}_bucket"}
    text = (DOCS / "operations.md").read_text(encoding="utf-8")
    text += (DEPLOY / "alerts.yaml").read_text(encoding="utf-8")
    named = set(
        re.findall(r"\bdfedge_(?:requests?|jobs?|queue|workers|blob|model)_?[a-z_]*\b", text)
    )
    assert named
    assert set() == named - told

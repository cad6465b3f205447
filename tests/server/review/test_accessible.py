"""What can be checked of accessibility without a browser: contrast, labels, headings, no inline."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import dfedge_server.review

FOLDER = Path(dfedge_server.review.__file__).parent
TEMPLATES = sorted((FOLDER / "templates").glob("*.j2"))
CSS = (FOLDER / "static" / "review.css").read_text()

AA_TEXT = 4.5
AA_SHAPES = 3.0
"""Of WCAG 2.2, criteria 1.4.3 and 1.4.11."""

TONES = ("fake", "real", "unsure")
TEXT = [
    *[(ink, ground) for ink in ("ink", "soft") for ground in ("paper", "panel", "sunk")],
    *[("ink", f"{tone}-wash") for tone in TONES],
    *[(tone, f"{tone}-wash") for tone in TONES],
    *[(tone, "panel") for tone in (*TONES, "none")],
    ("none", "sunk"),
    ("on-accent", "accent"),
    ("paper", "ink"),
]
SHAPES = [
    *[(line, "panel") for line in ("p0", "p1", "p2", "p3", "p4", "p5", "other")],
    ("field", "panel"),
    ("field", "paper"),
    ("accent", "panel"),
    ("accent", "paper"),
    ("accent", "sunk"),
]


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("front", "ground", "least"),
    [(*pair, AA_TEXT) for pair in TEXT] + [(*pair, AA_SHAPES) for pair in SHAPES],
)
def test_colours_stand_out(front: str, ground: str, least: float, scheme: int) -> None:
    """Text and what has a meaning differ enough from what lies behind, in light and dark."""
    found = contrast(colour(front, scheme), colour(ground, scheme))
    assert found >= least, f"--{front} on --{ground} has {found:.2f}"


def test_contrast_is_that_of_the_standard() -> None:
    """Black on white is 21, a colour on itself 1."""
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
    assert contrast("#777777", "#777777") == pytest.approx(1.0)


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_templates_hold_no_inline_script_style_or_other_host(template: Path) -> None:
    """The policy of the pages would refuse them."""
    text = template.read_text()
    assert [] == re.findall(r"<style|\sstyle=|\son[a-z]+=|javascript:|<script(?![^>]*\ssrc=)", text)
    assert [] == re.findall(r"(?:src|href)=\"(?:https?:)?//", text)
    assert "|safe" not in text.replace(" ", "")
    assert "autoescapefalse" not in text.replace(" ", "")


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_everything_to_fill_in_has_a_label(template: Path) -> None:
    """By ``for`` or around it; buttons have words; pictures an alternative; posts a token."""
    page = Page()
    page.feed(re.sub(r"\{%.*?%\}", "", template.read_text()))
    assert [] == [name for name in page.controls if name not in page.labelled]
    assert [] == page.without_alt
    assert [] == page.without_token


class Page(HTMLParser):
    """What a template has to fill in, and what names it."""

    def __init__(self) -> None:
        super().__init__()
        self.controls: list[str] = []
        self.labelled: set[str] = set()
        self.without_alt: list[str] = []
        self.without_token: list[str] = []
        self._label = False
        self._form: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect labels and what they are for."""
        given: dict[str, Any] = dict(attrs)
        if tag == "label":
            self._label = True
            self.labelled.add(given.get("for") or "")
        elif tag in ("input", "select", "textarea") and given.get("type") != "hidden":
            name = given.get("id") or given.get("name") or tag
            self.controls.append(name)
            if self._label or "aria-label" in given:
                self.labelled.add(name)
        elif tag == "img" and not given.get("alt"):
            self.without_alt.append(given.get("src") or "")
        elif tag == "form" and given.get("method") == "post":
            self._form = given.get("action")
        if tag == "input" and given.get("name") == "csrf":
            self._form = None

    def handle_endtag(self, tag: str) -> None:
        """A form that posts must have brought its token; signing in has none yet."""
        if tag == "label":
            self._label = False
        elif tag == "form" and self._form is not None:
            if self._form != "/review/sign-in":
                self.without_token.append(self._form)
            self._form = None


def colour(name: str, scheme: int) -> str:
    """The hexadecimal colour of a variable, light (0) or dark (1)."""
    found = re.search(rf"--{name}: light-dark\((#\w+), (#\w+)\)", CSS)
    assert found is not None, f"--{name} is no pair of colours"
    return found[1 + scheme]


def contrast(front: str, ground: str) -> float:
    """The contrast ratio of WCAG 2."""
    lighter, darker = sorted((luminance(front), luminance(ground)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    """Relative luminance of ``#rrggbb``."""
    levels = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    linear = [
        level / 12.92 if level <= 0.04045 else ((level + 0.055) / 1.055) ** 2.4 for level in levels
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

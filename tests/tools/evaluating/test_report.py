"""The HTML report: one sound file that holds what was found, and nothing from elsewhere."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html.parser import HTMLParser

import msgspec
import pytest

from dfedge_tools.evaluating.estimates import Estimate
from dfedge_tools.evaluating.evaluation import About, AlarmLimits, Rule, evaluate
from dfedge_tools.evaluating.report import render_report
from dfedge_tools.evaluating.results import Evaluation, Robustness
from dfedge_tools.evaluating.scores import ScoreTable
from dfedge_tools.evaluating.scoring import small_jpeg
from dfedge_tools.evaluating.units import NO_CARD

from .conftest import row

VOID = {"meta", "img", "br", "link", "input", "hr"}


@dataclass
class _Page(HTMLParser):
    """Collects elements, ids and text, and checks that tags are closed in order."""

    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    text: str = ""

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.text += data

    def count(self, tag: str) -> int:
        """Elements of a kind."""
        return sum(name == tag for name, _ in self.tags)


def parsed(html: str) -> _Page:
    """The page, all of whose elements were closed."""
    page = _Page()
    page.feed(html)
    page.close()
    assert [] == page.open
    return page


@pytest.fixture(scope="module")
def found() -> Evaluation:
    """Ten people, one hostile name, one disturbance."""
    frames = [
        row(name, label, logit + n / 20, identity=f"{n}", method=method, compression="c23")
        for n in range(10)
        for name, label, logit, method in (
            (f"r{n}", 0, -2.0, "original"),
            (f"f{n}", 1, 1.0, "Deepfakes"),
            (f"<script>alert({n})</script>", 1, -1.0, "<b>Sly</b>"),
        )
    ]
    about = About(("set & val",), "dfedge evaluate 'a b'", datetime(2026, 11, 21, tzinfo=UTC))
    rows = tuple(
        Robustness(
            kind="JPEG quality",
            level=level,
            videos=30,
            lost=0,
            auc=Estimate(value=0.7, low=0.6, high=0.8),
            change=Estimate(value=-0.05, low=-0.1, high=0.0),
            called={},
        )
        for level in (90, 50)
    )
    limits = AlarmLimits(0.5, None)
    return evaluate(ScoreTable(tuple(frames)), Rule(NO_CARD), about, limits=limits, robustness=rows)


def test_it_holds_what_was_found(found: Evaluation) -> None:
    """The figures of the headline, the levels, the groups and the disturbance."""
    page = parsed(render_report(found, {}))
    level = found.level("video")
    assert level is not None
    auc = level.figures["auc"]
    assert f"{auc.value:.3f}" in page.text
    assert f"95% interval {auc.low:.3f} to {auc.high:.3f}" in page.text
    for words in ("20 fake and 10 genuine videos of 10 identities", "set & val", "Deepfakes",
                  "JPEG quality", "-0.050", "-0.100 to +0.000", "dfedge evaluate 'a b'",
                  "10 genuine, at least 100 are needed", "The worst mistakes"):  # fmt: skip
        assert words in page.text
    assert 4 == page.count("svg"), "ROC, reliability, scores, JPEG"


def test_it_loads_nothing_and_runs_nothing(found: Evaluation) -> None:
    """No script, no address but in names of XML, hostile names as text."""
    html = render_report(found, {})
    page = parsed(html)
    assert 0 == page.count("script") == page.count("link")
    assert "<script>alert(0)</script>" in page.text
    assert "<b>Sly</b>" in page.text
    addresses = {a for a in re.findall(r"https?://[^\"' <)]+", html) if "w3.org" not in a}
    assert set() == addresses
    policy = next(a["content"] for tag, a in page.tags if a.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:;")


def test_tables_and_plots_can_be_read_out(found: Evaluation) -> None:
    """Every table has heads with a scope, every plot a description, every id stands once."""
    page = parsed(render_report(found, {}))
    heads = [attributes for tag, attributes in page.tags if tag == "th"]
    assert heads
    assert all(attributes.get("scope") in ("col", "row") for attributes in heads)
    plots = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert all(a.get("role") == "img" and a.get("aria-label") for a in plots)
    ids = [attributes["id"] for _, attributes in page.tags if attributes.get("id")]
    assert len(ids) == len(set(ids))


def test_plots_take_the_colours_of_the_page(found: Evaluation) -> None:
    """No colour of the plot is fixed, so that a dark page stays readable."""
    html = render_report(found, {})
    drawn = html[html.index("<svg") :]
    assert "var(--ink)" in drawn
    assert [] == re.findall(r"(?:fill|stroke): #", drawn)


def test_pictures_of_mistakes_only_where_they_may_be(found: Evaluation) -> None:
    """As data addresses with words for those who cannot see; without them their names remain."""
    import numpy as np

    clip = (found.mistakes[0].source, found.mistakes[0].video_id)
    jpeg = small_jpeg(np.zeros((400, 200, 3), np.uint8))
    page = parsed(render_report(found, {clip: jpeg}))
    (image,) = [attributes for tag, attributes in page.tags if tag == "img"]
    assert (image["src"] or "").startswith("data:image/jpeg;base64,")
    assert image["alt"]
    without = parsed(render_report(found, {}))
    assert 0 == without.count("img")
    assert "Their pictures were left out." in without.text


def test_the_json_form_is_read_back(found: Evaluation) -> None:
    """metrics.json is typed both ways."""
    assert found == msgspec.json.decode(msgspec.json.encode(found), type=Evaluation)


def test_nothing_scored_still_makes_a_report() -> None:
    """A page that says so, with no plot and no number."""
    about = About(("nothing",), "dfedge evaluate", datetime(2026, 11, 21, tzinfo=UTC))
    page = parsed(render_report(evaluate(ScoreTable(()), Rule(NO_CARD), about), {}))
    assert "no face was found" in page.text
    assert "not defined" in page.text

"""The HTML report: whole, safe, and true to the verdict."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import pytest
from msgspec.structs import replace as replace_fields

from dfedge.analysis import Failure
from dfedge.errors import MediaFormatError
from dfedge.report import render_report
from dfedge.verdict import Verdict

HOSTILE = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>\u202egpj.mp4"


class Page(HTMLParser):
    """What a browser would see: elements with their attributes, and the text."""

    VOID = frozenset({"meta", "img"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.pre: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element that has an end."""
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element that closes itself."""
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """Check the nesting."""
        assert tag == self.open.pop(), "elements are closed in order"

    def handle_data(self, data: str) -> None:
        """Note text, with what stands in the element pre apart."""
        if "style" not in self.open:
            self.words.append(data)
        if "pre" in self.open:
            self.pre.append(data)

    @property
    def text(self) -> str:
        """All visible text with single spaces."""
        return " ".join(" ".join(self.words).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of every element of that name."""
        return [attributes for name, attributes in self.elements if name == tag]


def page(*analyses: Any, failures: tuple[Failure, ...] = ()) -> Page:
    """The report on these, read as a browser reads it."""
    return Page(render_report(analyses, failures))


def test_the_verdict_comes_first_in_plain_words(analysis_maker: Any) -> None:
    """Headline, label, confidence and the sentence that explains the score."""
    text = page(analysis_maker.analysis("clip.mp4", [0.9] * 4)).text
    start = text.index("Looks fake")
    assert text[start:].startswith("Looks fake FAKE confidence 90% The model puts the probability")
    assert start < text.index("1 person")


@pytest.mark.parametrize("name", ["clip.mp4", HOSTILE, "https://example.org/<b>.mp4"])
def test_nothing_is_loaded_and_nothing_can_run(analysis_maker: Any, name: str) -> None:
    """No script, no handler, no address but data: and anchors, and a CSP that says so."""
    failures = (Failure(name, MediaFormatError(name, "<img src=//e.org onerror=x>")),)
    analysis = analysis_maker.analysis(name, [0.9] * 4, problems=[name])
    seen = page(analysis, failures=failures)
    tags = {tag for tag, _ in seen.elements}
    assert tags & {"script", "iframe", "link", "object", "embed", "form", "base", "audio"} == set()
    for tag, attributes in seen.elements:
        for attribute, value in attributes.items():
            assert not attribute.startswith("on"), (tag, attribute)
            if attribute in {"src", "href", "srcset", "xlink:href", "action"}:
                assert value is not None
                assert value.startswith(("data:image/jpeg;", "data:application/json;", "#"))
    policies = [meta["content"] for meta in seen.all("meta") if "http-equiv" in meta]
    assert len(policies) == 1
    assert policies[0] == (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        "base-uri 'none'; form-action 'none'"
    )


def test_the_style_loads_nothing(analysis_maker: Any) -> None:
    """No url() and no @import in the style sheet."""
    html = render_report([analysis_maker.analysis("clip.mp4", [0.9] * 4)])
    assert re.findall(r"url\(|@import|https?://", html) == []


def test_a_hostile_name_is_shown_as_it_is(analysis_maker: Any) -> None:
    """Markup is text, and a character that turns the reading direction is visible."""
    seen = page(analysis_maker.analysis(HOSTILE, [0.9] * 4))
    shown = HOSTILE.replace("\u202e", "\\u202e").rpartition("/")
    assert shown[2] in seen.text
    assert shown[0] in seen.text
    assert "\u202e" not in "".join(seen.words)


def test_right_to_left_names_keep_their_letters(analysis_maker: Any) -> None:
    """They stand in an isolated element, so that they do not turn what is around them."""
    name = "فيديو.mp4"
    seen = page(analysis_maker.analysis(name, [0.9] * 4))
    assert name in seen.text
    assert all(bdi == {"dir": "ltr"} for bdi in seen.all("bdi"))


def test_the_embedded_json_is_the_verdict(analysis_maker: Any) -> None:
    """Both the text to copy and the file to download."""
    analysis = analysis_maker.analysis(HOSTILE, [0.9, 0.5, 0.7], [0.1, None, 0.2])
    seen = page(analysis)
    assert Verdict.from_json("".join(seen.pre)) == analysis.verdict
    link = next(a for a in seen.all("a") if "download" in a)
    data = base64.b64decode(str(link["href"]).partition("base64,")[2])
    assert Verdict.from_json(data) == analysis.verdict
    assert re.fullmatch(r"[A-Za-z0-9._-]+\.verdict\.json", str(link["download"]))


def test_every_person_has_a_row_with_their_pictures(analysis_maker: Any) -> None:
    """Label, score, counted frames, and a picture with box, score and time for each observation."""
    seen = page(analysis_maker.analysis("c.mp4", [0.9] * 4, [0.1] * 4, blurred=[3]))
    assert "Person 1 FAKE P(fake) 90% 3 of 4 frames count, decides the verdict" in seen.text
    assert "Person 2 REAL P(fake) 10% 3 of 4 frames count" in seen.text
    pictures = seen.all("img")
    assert len(pictures) == 8
    assert pictures[0]["alt"] == "Person 1 at 0:00.0: P(fake) 90%"
    boxes = [i["style"] for i in seen.all("i") if "top" in str(i.get("style"))]
    assert boxes == ["left: 25.0%; top: 25.0%; width: 50.0%; height: 50.0%"] * 8
    assert len([f for f in seen.all("figure") if "ignored" in str(f["class"])]) == 2


def test_the_timeline_has_a_dot_an_observation_and_both_thresholds(analysis_maker: Any) -> None:
    """Dots carry a text for hovering; the picture has a title and a description."""
    seen = page(analysis_maker.analysis("c.mp4", [0.9, 0.5, 0.7, 0.75], duration_seconds=2.0))
    assert [(c["cx"], c["cy"]) for c in seen.all("circle")] == [
        ("0.0%", "10.0%"),
        ("25.0%", "50.0%"),
        ("50.0%", "30.0%"),
        ("75.0%", "25.0%"),
    ]
    thresholds = {line["class"]: line["y1"] for line in seen.all("line") if line["class"] != "edge"}
    assert thresholds == {"threshold-fake": "20.0%", "threshold-real": "80.0%"}
    svg = seen.all("svg")[0]
    assert (svg["role"], svg["aria-labelledby"]) == ("img", "timeline-1-title timeline-1-text")
    identifiers = {attributes["id"] for _, attributes in seen.elements if "id" in attributes}
    assert {"timeline-1-title", "timeline-1-text"} <= identifiers


def test_the_scale_marks_score_and_thresholds(analysis_maker: Any) -> None:
    """The three parts fill the bar and the mark stands at P(fake)."""
    seen = page(analysis_maker.analysis("c.jpg", [0.5], kind="image"))
    parts = [i["style"] for i in seen.all("i") if str(i.get("style")).startswith("width")]
    assert parts == ["width: 20.0%", "width: 60.0%", "width: 20.0%"]
    mark = next(span for span in seen.all("span") if span.get("class") == "mark")
    assert mark["style"] == "left: clamp(2px, 50.0%, 100% - 2px)"


def test_what_the_model_is_not_good_for_stands_in_the_card_s_words(analysis_maker: Any) -> None:
    """Limits, training data, thresholds with their meaning, figures and hash."""
    card = analysis_maker.card(
        limits=["Misses <diffusion> fakes.", "Faces only."],
        provenance={"training_data": "Stills & frames."},
        metrics=[{"name": "video_auc", "value": 0.8125, "data": "val frames", "count": 85}],
    )
    text = page(analysis_maker.analysis("c.mp4", [0.9] * 4, card=card)).text
    for words in (
        "What it must not be relied on for Misses <diffusion> fakes. Faces only.",
        "Trained on Stills & frames.",
        "video AUC all 0.812 85 val frames",
        "FAKE from 80%: none, a test",
        "sha256 " + "ab" * 32,
    ):
        assert words in text


def test_several_inputs_have_an_index_and_the_unreadable_are_listed(analysis_maker: Any) -> None:
    """The index links to each section; the failures say what is wrong."""
    failure = Failure("gone.mp4", MediaFormatError("gone.mp4", "this is a text file"))
    first = analysis_maker.analysis("/a/one.mp4", [0.9] * 4)
    second = analysis_maker.analysis("two.jpg", kind="image")
    seen = page(first, second, failures=(failure,))
    assert "3 inputs: 1 FAKE, 1 NO FACE, 1 not readable" in seen.text
    links = [str(a["href"]) for a in seen.all("a") if str(a["href"]).startswith("#")]
    identifiers = {attributes["id"] for _, attributes in seen.elements if "id" in attributes}
    assert {link[1:] for link in links} <= identifiers
    assert links[:3] == ["#input-1", "#input-2", "#not-readable"]
    assert "gone.mp4 This is a text file." in seen.text


def test_one_model_is_described_once(analysis_maker: Any) -> None:
    """However many inputs it judged; a second model gets its own section."""
    card = analysis_maker.card(name="other-model")
    same = [analysis_maker.analysis(f"{index}.mp4", [0.9] * 4) for index in range(3)]
    text = page(*same, analysis_maker.analysis("x.mp4", [0.9] * 4, card=card)).text
    assert text.count("The model: tiny-detector 0.1.0") == 1
    assert text.count("The model: other-model 0.1.0") == 1


def test_a_crowd_keeps_the_file_small(analysis_maker: Any) -> None:
    """Pictures of the ten most suspicious people; everybody keeps a row."""
    people = [[0.05 + 0.04 * number] * 4 for number in range(20)]
    seen = page(analysis_maker.analysis("crowd.mp4", *people))
    assert len(seen.all("img")) == 40
    assert "Person 1 REAL" in seen.text
    assert "Pictures are kept for the most suspicious people only." in seen.text


def test_only_failures_still_make_a_report() -> None:
    """Somebody asked for a report, so they get one that says what went wrong."""
    seen = page(failures=(Failure("a.mp4", MediaFormatError("a.mp4", "no video in it")),))
    assert "Could not be read Input Problem a.mp4 No video in it." in seen.text


def test_the_report_depends_on_nothing_but_its_arguments(analysis_maker: Any) -> None:
    """The same analyses at the same time give the same bytes."""
    analysis = analysis_maker.analysis("clip.mp4", [0.9] * 4)
    created = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
    first, second = (render_report([analysis], created=created) for _ in range(2))
    assert first == second
    assert "2026-03-01 12:30 UTC" in first


def with_heat(analysis: Any, *frames: int) -> Any:
    """The analysis with heat maps of its first person in the frames numbered so."""
    evidence = tuple(
        replace(item, heat_jpeg=item.jpeg)
        if item.track_id == 0 and item.frame_index in frames
        else item
        for item in analysis.evidence
    )
    return replace(analysis, evidence=evidence)


def test_a_heat_map_stands_beside_its_picture_with_what_it_means(analysis_maker: Any) -> None:
    """Such frames come first, once; a sentence says what a map shows and what it does not."""
    analysis = analysis_maker.analysis("c.mp4", [0.9] * 4, [0.1] * 4)
    seen = page(with_heat(analysis, 12, 24))
    pictures = [str(picture["alt"]) for picture in seen.all("img")]
    assert pictures[:6] == [
        "Person 1 at 0:00.5: P(fake) 90%",
        "Heat map: Person 1 at 0:00.5: P(fake) 90%",
        "Person 1 at 0:01.0: P(fake) 90%",
        "Heat map: Person 1 at 0:01.0: P(fake) 90%",
        "Person 1 at 0:00.0: P(fake) 90%",
        "Person 1 at 0:01.5: P(fake) 90%",
    ]
    assert len(pictures) == 8 + 2
    assert seen.text.count("not what was manipulated") == 1


def test_without_heat_maps_nothing_is_said_of_them(analysis_maker: Any) -> None:
    """A report that was made without them does not mention them."""
    text = page(analysis_maker.analysis("c.mp4", [0.9] * 4)).text
    assert "heat map" not in text.lower()


@pytest.mark.parametrize(
    ("frames", "box_source", "expected"),
    [
        (1, "tiny-faces", ""),
        (12, "tiny-faces", "looks at 12 frames of a face at once: all frames of a person carry"),
        (12, "whole-frame", "looks at 12 whole frames at once: all people carry"),
        (1, "whole-frame", "looks at whole frames: all faces of a frame carry its score"),
    ],
)
def test_what_a_score_stands_for_is_told_where_it_is_not_one_face_in_one_frame(
    analysis_maker: Any, frames: int, box_source: str, expected: str
) -> None:
    """Above the people, so that equal scores are no riddle."""
    plain = analysis_maker.card()
    card = replace_fields(
        plain,
        input=replace_fields(plain.input, frames=frames),
        crop=replace_fields(plain.crop, box_source=box_source),
    )
    text = page(analysis_maker.analysis("c.mp4", [0.9] * 12, card=card)).text
    assert expected in text
    assert ("This model looks" in text) == bool(expected)

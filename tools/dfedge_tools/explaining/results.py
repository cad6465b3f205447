"""What ``dfedge explain`` writes besides pictures: ``explanations.json`` and ``index.html``."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

import jinja2
import msgspec

from dfedge.report.wording import percent
from dfedge.types import Box
from dfedge.verdict import Label
from dfedge_tools.explaining.faithfulness import Faithfulness

SCHEMA: Final = "dfedge.explanations/1"
JSON_NAME = "explanations.json"
PAGE_NAME = "index.html"


class _Part(msgspec.Struct, frozen=True, kw_only=True):
    """Base of the parts: immutable. Paths are relative to the folder of the JSON."""


class MapResult(_Part, frozen=True, kw_only=True):
    """One map of one face.

    Attributes:
        branch: of the layer; None for a method that knows of no layers.
        cells: height and width before it was enlarged to the input.
        signed: whether the ``.npy`` has negative values that mean evidence against the target;
            pictures and scores are of the positive part.
        overlay: a PNG.
        array: a float32 ``.npy`` of the input's size, if asked for.
        faithfulness: None if not asked for.
    """

    name: str
    method: str
    branch: Literal["low", "middle", "high"] | None
    cells: tuple[int, int]
    signed: bool
    overlay: str
    array: str | None
    faithfulness: Faithfulness | None


class FaceResult(_Part, frozen=True, kw_only=True):
    """One face in one frame.

    Attributes:
        logit: log-odds of *fake* before calibration.
        fake_probability: calibrated.
        sheet: a PNG of all maps.
        reconstruction: a PNG of what the model's auto-encoder made of the crop, if it has one.
        random: faithfulness of a map that knows nothing, the line to be above.
    """

    frame_index: int
    pts_seconds: float
    box: Box
    logit: float
    fake_probability: float
    sheet: str
    reconstruction: str | None
    maps: tuple[MapResult, ...]
    random: Faithfulness | None


class SourceResult(_Part, frozen=True, kw_only=True):
    """One person of one source.

    Attributes:
        people: persons seen in the source.
        track_id: of the one explained.
        label: of the person, over all frames that were looked at.
        video: an MP4, of clips.
    """

    name: str
    people: int
    track_id: int
    label: Label
    fake_probability: float
    faces: tuple[FaceResult, ...]
    video: str | None


class FailureResult(_Part, frozen=True, kw_only=True):
    """A source that could not be explained."""

    source: str
    problem: str


class Explanations(_Part, frozen=True, kw_only=True):
    """All of one run.

    Attributes:
        model: name and version of the bundle.
        target: what positive values speak for.
    """

    schema: Literal["dfedge.explanations/1"] = SCHEMA
    model: str
    architecture: str
    model_sha256: str
    target: Literal["fake", "real"]
    sources: tuple[SourceResult, ...]
    failures: tuple[FailureResult, ...]
    dfedge_version: str


def write_results(folder: Path, results: Explanations) -> None:
    """Write ``explanations.json`` and ``index.html``."""
    (folder / JSON_NAME).write_text(as_json(results) + "\n", encoding="utf-8")
    page = jinja2.Environment(autoescape=True, trim_blocks=True).from_string(_PAGE)
    text = page.render(results=results, percent=percent)
    (folder / PAGE_NAME).write_text(text, encoding="utf-8")


def as_json(results: Explanations) -> str:
    """The ``dfedge.explanations/1`` form, indented."""
    return msgspec.json.format(msgspec.json.encode(results), indent=2).decode()


_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>What {{ results.model }} looked at</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
img, video { max-width: 100%; height: auto; border: 1px solid #ccc }
h2 { margin-top: 3rem; overflow-wrap: anywhere }
</style>
<h1>What {{ results.model }} looked at</h1>
<p>Coloured places speak for <em>{{ results.target }}</em> in the model's reckoning. They show
what moved the score, not what was forged, and are no proof of anything. Scores under a map say how
far the model's own answer follows it; a random map's are the line to be above.</p>
{% for source in results.sources %}
<h2>{{ source.name }}</h2>
<p>{{ source.label.value }}, P(fake) {{ percent(source.fake_probability) }}
{%- if source.people > 1 %} (track {{ source.track_id }} of {{ source.people }} people){% endif %}
</p>
{% if source.video %}
<video controls loop muted src="{{ source.video }}"></video>
{% endif %}
{% for face in source.faces %}
<p><img src="{{ face.sheet }}"
alt="Maps of the face at {{ '%.2f'|format(face.pts_seconds) }} s"></p>
{% endfor %}
{% endfor %}
{% if results.failures %}
<h2>Not explained</h2>
<ul>
{% for failure in results.failures %}
<li>{{ failure.problem }}</li>
{% endfor %}
</ul>
{% endif %}
</html>
"""

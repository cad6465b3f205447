"""What the template shows, worked out beforehand: the template itself decides nothing."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Literal, TypeAlias

from dfedge import __version__
from dfedge.report.people import PEOPLE_WITH_CROPS, PersonView, people_views
from dfedge.report.timeline import TimelineView, timeline_view
from dfedge.report.wording import (
    HEADLINES,
    Thresholds,
    count,
    describe_look,
    describe_source,
    describe_tier,
    explain,
    failure_name,
    is_fused,
    percent,
    printable,
    sentence,
    thresholds_of,
)
from dfedge.scoring import usable_frames_needed
from dfedge.verdict import Label, Timing, Verdict

if TYPE_CHECKING:
    from dfedge.analysis import Analysis, Failure
    from dfedge.bundles.card import DetectorCard, Metric

Tone: TypeAlias = Literal["fake", "real", "unsure", "none"]
"""Name of the colour something is shown in; never the only sign of what it says."""

TONES: dict[Label, Tone] = {
    Label.FAKE: "fake",
    Label.REAL: "real",
    Label.UNCERTAIN: "unsure",
    Label.NO_FACE: "none",
}


@dataclass(frozen=True, slots=True)
class ScaleView:
    """The probability scale; positions in percent of its width."""

    real: float
    fake: float
    real_text: str
    fake_text: str
    score: float
    score_text: str


@dataclass(frozen=True, slots=True)
class OpinionView:
    """What one model says of the whole source."""

    model: str
    where: str
    label: str
    tone: Tone
    probability: str


@dataclass(frozen=True, slots=True)
class ItemView:
    """One source and its verdict.

    Attributes:
        folder: what stands before the name in a path; empty for anything else.
        opinions: of each model, where a server's had their say; else empty.
        look: what a score stands for where it is not one face in one frame; else empty.
    """

    anchor: str
    name: str
    folder: str
    facts: str
    label: str
    tone: Tone
    headline: str
    probability: str
    confidence: str
    sentences: tuple[str, ...]
    problems: tuple[str, ...]
    model_anchor: str
    scale: ScaleView | None
    opinions: tuple[OpinionView, ...]
    timeline: TimelineView | None
    people: tuple[PersonView, ...]
    people_heading: str
    look: str
    people_without_crops: int
    models: tuple[str, ...]
    timing: str
    json: str
    json_href: str
    json_file: str


@dataclass(frozen=True, slots=True)
class FailureView:
    """A source that could not be read."""

    name: str
    problem: str


@dataclass(frozen=True, slots=True)
class MetricView:
    """One measured figure of a card."""

    name: str
    subset: str
    value: str
    data: str
    count: str


@dataclass(frozen=True, slots=True)
class ModelView:
    """What the card says of the model, for a reader."""

    anchor: str
    name: str
    version: str
    summary: str
    facts: tuple[tuple[str, str], ...]
    sha256: str
    limits: tuple[str, ...]
    metrics: tuple[MetricView, ...]


@dataclass(frozen=True, slots=True)
class ReportView:
    """The whole document."""

    title: str
    created: str
    version: str
    summary: str
    items: tuple[ItemView, ...]
    failures: tuple[FailureView, ...]
    models: tuple[ModelView, ...]


def report_view(
    analyses: Sequence[Analysis], failures: Sequence[Failure], created: datetime
) -> ReportView:
    """Everything the template shows, in its order."""
    items = tuple(_item(analysis, number) for number, analysis in enumerate(analyses, start=1))
    cards = {_model_anchor(analysis.card): analysis.card for analysis in analyses}
    single = items[0].name if len(items) == 1 and not failures else None
    return ReportView(
        title=single or count(len(items) + len(failures), "input"),
        created=created.strftime("%Y-%m-%d %H:%M %Z").strip(),
        version=__version__,
        summary=_summary(items, failures),
        items=items,
        failures=tuple(
            FailureView(printable(failure_name(failure)), sentence(_problem(failure)))
            for failure in failures
        ),
        models=tuple(_model(card) for card in cards.values()),
    )


def _item(analysis: Analysis, number: int) -> ItemView:
    verdict = analysis.verdict
    thresholds = thresholds_of(analysis)
    probability = verdict.fake_probability
    json_text = _visible_json(verdict)
    people = people_views(verdict, analysis.evidence, thresholds)
    folder, name = _split(verdict.source.name)
    return ItemView(
        anchor=f"input-{number}",
        name=name,
        folder=folder,
        facts=describe_source(verdict.source),
        label=verdict.label.value.replace("_", " "),
        tone=TONES[verdict.label],
        headline=HEADLINES[verdict.label],
        probability="" if probability is None else percent(probability),
        confidence="" if verdict.confidence is None else percent(verdict.confidence),
        sentences=explain(verdict, thresholds),
        problems=tuple(sentence(problem) for problem in verdict.source.problems),
        model_anchor=_model_anchor(analysis.card),
        scale=None if probability is None else _scale(probability, thresholds),
        opinions=_opinions(verdict),
        timeline=timeline_view(verdict, thresholds, number),
        people=people,
        people_heading=count(len(people), "person", "people"),
        look=describe_look(analysis.card),
        people_without_crops=max(len(people) - PEOPLE_WITH_CROPS, 0),
        models=tuple(
            printable(f"{model.name} {model.version} ({_ROLES[model.role]}, sha256 {model.sha256})")
            for model in verdict.models
        ),
        timing=_timing(verdict.timing),
        json=json_text,
        json_href="data:application/json;base64," + base64.b64encode(json_text.encode()).decode(),
        json_file=_json_file(verdict),
    )


def _opinions(verdict: Verdict) -> tuple[OpinionView, ...]:
    if not is_fused(verdict):
        return ()
    return tuple(
        OpinionView(
            model=printable(opinion.model),
            where=describe_tier(opinion),
            label=opinion.label.value.replace("_", " "),
            tone=TONES[opinion.label],
            probability=""
            if opinion.fake_probability is None
            else f"P(fake) {percent(opinion.fake_probability)}",
        )
        for opinion in verdict.opinions
    )


_ROLES = {"face_detector": "finds faces", "edge": "scores them", "heavy": "second opinion"}


def _split(source: str) -> tuple[str, str]:
    """Folder and name of a path, both printable; an address stays whole."""
    if "://" in source:
        return "", printable(source)
    folder, _, name = source.rstrip("/").rpartition("/")
    return printable(folder), printable(name or source)


def _scale(probability: float, thresholds: Thresholds) -> ScaleView:
    return ScaleView(
        real=round(100 * thresholds.real, 2),
        fake=round(100 * thresholds.fake, 2),
        real_text=percent(thresholds.real),
        fake_text=percent(thresholds.fake),
        score=round(100 * probability, 2),
        score_text=percent(probability),
    )


def _model(card: DetectorCard) -> ModelView:
    decision = card.decision
    model_file = next(file for file in card.files if file.role == "model")
    facts = [
        ("Architecture", card.architecture),
        ("Trained on", card.provenance.training_data),
        ("Calibrated on", decision.calibration.fitted_on),
        ("FAKE", f"from {percent(decision.fake.threshold)}: {decision.fake.meaning}"),
        ("REAL", f"up to {percent(decision.real.threshold)}: {decision.real.meaning}"),
    ]
    if decision.novelty is not None:
        limit = decision.novelty
        facts.append(("UNCERTAIN", f"novelty above {limit.threshold:.2f}: {limit.meaning}"))
    facts += [("Needs", _needs(card)), ("Licence", card.licence)]
    return ModelView(
        anchor=_model_anchor(card),
        name=card.name,
        version=card.version,
        summary=card.summary,
        facts=tuple(facts),
        sha256=model_file.sha256,
        limits=card.limits,
        metrics=tuple(_metric(metric) for metric in card.metrics),
    )


def _model_anchor(card: DetectorCard) -> str:
    """Names of cards are plain by their schema, so they can be part of an anchor."""
    return f"model-{card.name}-{card.version}"


def _needs(card: DetectorCard) -> str:
    frames = usable_frames_needed(card.decision, card.input.frames)
    pixels = card.decision.quality.min_face_pixels
    return (
        f"a face of at least {pixels:.0f} pixels, not blurred, dark or overexposed; "
        f"in a video at least {count(frames, 'such frame')} of one person"
    )


def _metric(metric: Metric) -> MetricView:
    return MetricView(
        name=metric.name.replace("_", " ").replace("auc", "AUC"),
        subset="" if metric.subset == "all" else metric.subset.replace("=", ": "),
        value=f"{metric.value:.3f}",
        data=metric.data,
        count="" if metric.count is None else str(metric.count),
    )


def _timing(timing: Timing) -> str:
    return (
        f"{timing.total_seconds:.2f} s in all: {timing.decode_seconds:.2f} s decoding, "
        f"{timing.faces_seconds:.2f} s finding faces, "
        f"{timing.classify_seconds:.2f} s scoring them (the stages overlap)"
    )


def _summary(items: Sequence[ItemView], failures: Sequence[Failure]) -> str:
    """``15 inputs: 3 FAKE, 10 REAL, 1 UNCERTAIN, 1 not readable``."""
    labels = [label.value.replace("_", " ") for label in Label]
    shares = [
        f"{number} {label}"
        for label in labels
        if (number := sum(item.label == label for item in items))
    ]
    if failures:
        shares.append(f"{len(failures)} not readable")
    return f"{count(len(items) + len(failures), 'input')}: {', '.join(shares)}"


def _problem(failure: Failure) -> str:
    """The error without the name, which stands beside it."""
    return str(failure.error).removeprefix(f"{failure_name(failure)}: ")


def _visible_json(verdict: Verdict) -> str:
    """The JSON form, in which characters that cannot be seen are written as escapes."""
    return "".join(
        character if character.isprintable() or character == "\n" else json.dumps(character)[1:-1]
        for character in verdict.to_json(indent=2)
    )


def _json_file(verdict: Verdict) -> str:
    """A plain name for the download, whatever the source is called."""
    stem = PurePosixPath(verdict.source.name.replace("\\", "/")).stem
    return (re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-.") or "verdict") + ".verdict.json"

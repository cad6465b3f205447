"""What the page of one escalation shows, worked out beforehand: the template decides nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from dfedge.escalation.wire import FINAL, Escalation, Submission
from dfedge.report.view import TONES, ScaleView, Tone
from dfedge.report.wording import (
    HEADLINES,
    Thresholds,
    count,
    describe_source,
    explain,
    other_reasons,
    percent,
    printable,
    sentence,
)
from dfedge.verdict import Label, Verdict
from dfedge_server.review.people import PersonView, people_views
from dfedge_server.review.timeline import PlotView, plot_view
from dfedge_server.review.words import KINDS, LABELS, STATES, stage_words


@dataclass(frozen=True, slots=True)
class OpinionView:
    """What one model says, and which model that is."""

    model: str
    whose: str
    label: str
    tone: Tone
    probability: str
    position: float | None
    version: str
    sha256: str


@dataclass(frozen=True, slots=True)
class OverrideView:
    """What a person made of it."""

    label: str
    tone: Tone
    headline: str
    note: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ResultView:
    """The verdict of the machines.

    Attributes:
        several: whether more than one model had a say.
        sentences: why, in words; the first speaks of the score.
        problems: what could not be read of the source.
        other_models: those that took part without an opinion, such as the one that finds faces.
    """

    label: str
    tone: Tone
    headline: str
    confidence: str
    several: bool
    sentences: tuple[str, ...]
    problems: tuple[str, ...]
    facts: str
    scale: ScaleView | None
    plot: PlotView | None
    people: tuple[PersonView, ...]
    people_heading: str
    opinions: tuple[OpinionView, ...]
    other_models: tuple[OpinionView, ...]
    timing: str


@dataclass(frozen=True, slots=True)
class MediaView:
    """A picture or clip that is still kept."""

    href: str
    is_video: bool


@dataclass(frozen=True, slots=True)
class ItemView:
    """The page of one escalation.

    Attributes:
        sent: what the device sent, and what it made of it itself.
        media_gone: media was there and has been deleted.
    """

    id: str
    name: str
    href: str
    state_text: str
    final: bool
    stage: str
    progress: float | None
    created_at: datetime
    finished_at: datetime | None
    expires_at: datetime | None
    kind: str
    sent: tuple[str, ...]
    reused: bool
    problem: str
    notes: tuple[str, ...]
    media: MediaView | None
    media_gone: bool
    result: ResultView | None
    overrides: tuple[OverrideView, ...]


def item_view(
    escalation: Escalation, submission: Mapping[str, Any], *, media_gone: bool
) -> ItemView:
    """Everything the page shows.

    Args:
        submission: what was asked, as it was sent.
        media_gone: whether media was there and has been deleted.
    """
    asked = msgspec.convert(submission, Submission)
    stage = escalation.stage
    return ItemView(
        id=str(escalation.id),
        name=source_name(escalation),
        href=escalation.href,
        state_text=STATES[escalation.state],
        final=escalation.state in FINAL,
        stage=stage_words(stage, escalation.queue_position),
        progress=None if not stage.total else round(100 * stage.done / stage.total, 1),
        created_at=escalation.created_at,
        finished_at=escalation.finished_at,
        expires_at=escalation.expires_at,
        kind=KINDS[escalation.kind],
        sent=_sent(asked),
        reused=escalation.reused,
        problem="" if escalation.problem is None else printable(escalation.problem.detail),
        notes=tuple(sentence(note) for note in escalation.notes),
        media=_media(escalation),
        media_gone=media_gone,
        result=None if escalation.verdict is None else _result(escalation, escalation.verdict),
        overrides=tuple(
            OverrideView(
                override.label.value.replace("_", " "),
                TONES[override.label],
                LABELS[override.label],
                override.note,
                printable(override.by),
                override.at,
            )
            for override in escalation.overrides
        ),
    )


def source_name(escalation: Escalation) -> str:
    """What the caller called it, or something to call it by."""
    return printable(escalation.name) or f"{KINDS[escalation.kind]} without a name"


def _media(escalation: Escalation) -> MediaView | None:
    """The clip or picture itself; crops are shown among the faces."""
    if escalation.kind == "crops" or not escalation.media or escalation.state not in FINAL:
        return None
    verdict = escalation.verdict
    is_video = verdict is None or verdict.source.kind != "image"
    return MediaView(escalation.media[0].href, is_video)


def _sent(asked: Submission) -> tuple[str, ...]:
    """What came from the client, in sentences."""
    told = []
    if asked.kind == "crops":
        people = len({crop.track_id for crop in asked.crops})
        frames = len({crop.frame_index for crop in asked.crops})
        crops = count(len(asked.crops), "face crop")
        told.append(
            f"{crops} of {count(people, 'person', 'people')} from {count(frames, 'frame')}; "
            f"the device looked at {count(asked.frames_sampled, 'frame')}. "
            "Nothing else of the pictures was sent."
        )
    elif asked.kind == "url":
        told.append(f"The address {printable(asked.url or '')}; the server fetches it itself.")
    else:
        told.append("The whole file.")
    if asked.device_verdict is None:
        told.append("It came without a verdict of a device.")
    else:
        told.append(_device_sentence(asked.device_verdict))
    return tuple(told)


def _device_sentence(verdict: Verdict) -> str:
    label = verdict.label.value.replace("_", " ")
    score = verdict.fake_probability
    said = label if score is None else f"{label}, P(fake) {percent(score)}"
    reasons = " ".join(other_reasons(verdict.reasons))
    return f"The device itself said {said}." + (f" {reasons}" if reasons else "")


def _result(escalation: Escalation, verdict: Verdict) -> ResultView:
    told = escalation.thresholds
    thresholds = None if told is None else Thresholds(real=told.real, fake=told.fake)
    people = people_views(verdict, escalation.evidence, thresholds)
    opinions = _opinions(verdict)
    with_opinion = {opinion.model for opinion in verdict.opinions}
    return ResultView(
        label=verdict.label.value.replace("_", " "),
        tone=TONES[verdict.label],
        headline=HEADLINES[verdict.label],
        confidence="" if verdict.confidence is None else percent(verdict.confidence),
        several=len(verdict.opinions) > 1,
        sentences=_sentences(verdict, thresholds),
        problems=tuple(sentence(problem) for problem in verdict.source.problems),
        facts=describe_source(verdict.source),
        scale=_scale(verdict, thresholds),
        plot=None if thresholds is None else plot_view(verdict, thresholds),
        people=people,
        people_heading=count(len(people), "person", "people"),
        opinions=opinions,
        other_models=tuple(
            OpinionView(
                model.name, _ROLES[model.role], "", "none", "", None, model.version, model.sha256
            )
            for model in verdict.models
            if model.name not in with_opinion
        ),
        timing=f"{verdict.timing.total_seconds:.1f} s of work",
    )


_ROLES = {"face_detector": "finds faces", "edge": "device", "heavy": "server"}


def _sentences(verdict: Verdict, thresholds: Thresholds | None) -> tuple[str, ...]:
    if thresholds is not None:
        return explain(verdict, thresholds)
    return other_reasons(verdict.reasons)


def _scale(verdict: Verdict, thresholds: Thresholds | None) -> ScaleView | None:
    probability = verdict.fake_probability
    if probability is None or thresholds is None:
        return None
    return ScaleView(
        real=round(100 * thresholds.real, 2),
        fake=round(100 * thresholds.fake, 2),
        real_text=percent(thresholds.real),
        fake_text=percent(thresholds.fake),
        score=round(100 * probability, 2),
        score_text=percent(probability),
    )


def _opinions(verdict: Verdict) -> tuple[OpinionView, ...]:
    """The device's first, then each model's of the server."""
    models = {(model.name, model.role): model for model in verdict.models}
    views = []
    for opinion in sorted(verdict.opinions, key=lambda opinion: opinion.tier):
        model = models.get((opinion.model, opinion.tier))
        score = opinion.fake_probability
        views.append(
            OpinionView(
                model=opinion.model,
                whose="Device" if opinion.tier == "edge" else "Server",
                label=opinion.label.value.replace("_", " "),
                tone=TONES[opinion.label],
                probability="" if score is None else percent(score),
                position=None if score is None else round(100 * score, 2),
                version="" if model is None else model.version,
                sha256="" if model is None else model.sha256,
            )
        )
    return tuple(views)


OVERRIDE_LABELS: tuple[Label, ...] = (Label.FAKE, Label.REAL, Label.UNCERTAIN, Label.NO_FACE)
"""In the order a person is asked."""

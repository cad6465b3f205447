"""One run of ``dfedge evaluate``: from what was asked for to what is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from dfedge.bundles.card import DetectorCard
from dfedge.bundles.store import resolve_detector
from dfedge.errors import UsageError
from dfedge.runtime import Device
from dfedge_tools.evaluating.card_metrics import card_metrics
from dfedge_tools.evaluating.evaluation import (
    LEAST,
    About,
    AlarmLimits,
    Rule,
    evaluate,
    worst_videos,
)
from dfedge_tools.evaluating.inputs import Clip, read_data, read_held_stills
from dfedge_tools.evaluating.predictions import Meaning, prediction_tables, read_predictions
from dfedge_tools.evaluating.report import render_report
from dfedge_tools.evaluating.results import Evaluation, ModelInfo, PredictionTable, Robustness
from dfedge_tools.evaluating.robustness import run_sweeps, stratified
from dfedge_tools.evaluating.scores import Scored, ScoreTable, read_table, scores_csv
from dfedge_tools.evaluating.scoring import BundleScorer, small_jpeg
from dfedge_tools.evaluating.units import NO_CARD, judge_videos
from dfedge_tools.faceset import PICTURE_SUFFIXES, read_image


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is to be done; one of `data` (or `stills`), `scores` and `predictions` is given.

    Attributes:
        sample: clips for the robustness sweeps; 0: no sweep.
        pictures: put the worst mistakes into the report.
        command: how it was asked for, in words of the command line.
    """

    model: str | None = None
    data: Path | None = None
    split: str | None = None
    stills: Path | None = None
    scores: Path | None = None
    predictions: tuple[Path, ...] = ()
    score_is: Meaning = "auto"
    sample: int = 0
    frames: int | None = None
    least: int = LEAST
    max_false_alarms: float | None = None
    max_group_false_alarms: float | None = None
    pictures: bool = True
    worst: int = 24
    device: Device = "cpu"
    threads: int | None = None
    quiet: bool = False
    command: str = ""


@dataclass(frozen=True, slots=True)
class Done:
    """What was found, and how each file is made of it, by name."""

    found: Evaluation
    files: Mapping[str, Callable[[], bytes]]


@dataclass(frozen=True, slots=True)
class _Material:
    """Scores, and all that is needed to report them."""

    table: ScoreTable
    rule: Rule
    data: tuple[str, ...]
    stills: str = ""
    notes: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()
    predictions: tuple[PredictionTable, ...] = ()
    robustness: tuple[Robustness, ...] = ()
    pictures: Mapping[tuple[str, str], bytes] = field(default_factory=dict)


def run(request: Request) -> Done:
    """Do it.

    Raises:
        DfedgeError: an input or the bundle cannot be used, or nothing at all could be read.
    """
    if request.predictions:
        material = _from_predictions(request)
    elif request.scores is not None:
        material = _from_scores(request, request.scores)
    else:
        material = _from_data(request)
    about = About(
        data=material.data,
        command=request.command,
        created=datetime.now(UTC),
        notes=material.notes,
        unreadable=material.unreadable,
    )
    found = evaluate(
        material.table,
        material.rule,
        about,
        limits=AlarmLimits(request.max_false_alarms, request.max_group_false_alarms),
        least=request.least,
        worst=request.worst,
        predictions=material.predictions,
        robustness=material.robustness,
    )
    return Done(found, _files(request, found, material))


def _from_data(request: Request) -> _Material:
    """Score the clips and stills by the bundle."""
    assert request.model is not None
    sets = []
    if request.data is not None:
        sets.append(read_data(request.data, split=request.split))
    if request.stills is not None:
        sets.append(read_held_stills(request.stills))
    clips = [clip for data in sets for clip in data.clips]
    with BundleScorer(
        request.model, frames=request.frames, device=request.device, threads=request.threads
    ) as scorer:
        rule = _rule(scorer.card, scorer.sha256)
        table, unreadable = scorer.score(clips, what="clips", quiet=request.quiet)
        if not table.frames and not table.faceless:
            raise UsageError(f"nothing of {sets[0].name} could be read: {unreadable[0]}")
        robustness: tuple[Robustness, ...] = ()
        if request.sample:
            chosen = stratified(sets[0].clips, request.sample)
            robustness = run_sweeps(
                scorer, chosen, table, rule, least=request.least, quiet=request.quiet
            )
        pictures = _clip_pictures(scorer, clips, table, rule, request)
    return _Material(
        table=table,
        rule=rule,
        data=tuple(data.name for data in sets),
        stills=sets[-1].name if request.stills is not None else "",
        notes=tuple(note for data in sets for note in data.notes),
        unreadable=unreadable,
        robustness=robustness,
        pictures=pictures,
    )


def _from_scores(request: Request, path: Path) -> _Material:
    """Measure a table of scores, by the card of the model where one was named."""
    table = read_table(path)
    if request.model is None:
        rule, note = Rule(NO_CARD), "no model was named: P(fake) is the sigmoid of the logit"
    else:
        bundle, card = resolve_detector(request.model)
        rule = _rule(card, bundle.sha256)
        note = f"calibration and thresholds are those of {card.name} {card.version}"
    pictures = _file_pictures(path.parent, table, rule, request)
    return _Material(table=table, rule=rule, data=(path.name,), notes=(note,), pictures=pictures)


def _from_predictions(request: Request) -> _Material:
    """Measure what others' files say."""
    files = [read_predictions(path, meaning=request.score_is) for path in request.predictions]
    table = ScoreTable(tuple(entry.row for file in files for entry in file.entries))
    rule = Rule(NO_CARD)
    return _Material(
        table=table,
        rule=rule,
        data=tuple(file.name for file in files),
        notes=tuple(note for file in files for note in file.notes),
        predictions=prediction_tables(files, least=request.least),
        pictures=_file_pictures(Path(), table, rule, request),
    )


def _rule(card: DetectorCard, sha256: str) -> Rule:
    decision = card.decision
    model = ModelInfo(
        name=card.name,
        version=card.version,
        sha256=sha256,
        fake_threshold=decision.fake.threshold,
        real_threshold=decision.real.threshold,
        temperature=decision.calibration.temperature,
        bias=decision.calibration.bias,
    )
    return Rule(decision, card.input.frames, model)


def _worst(table: ScoreTable, rule: Rule, request: Request) -> list[Scored]:
    """The frames of the mistakes that are shown; none where no picture is wanted."""
    if not request.pictures:
        return []
    videos = judge_videos(table, rule.decision, clip_frames=rule.clip_frames)
    return [video.worst for video in worst_videos(videos, request.worst) if video.worst is not None]


def _clip_pictures(
    scorer: BundleScorer, clips: Sequence[Clip], table: ScoreTable, rule: Rule, request: Request
) -> dict[tuple[str, str], bytes]:
    by_clip = {clip.row.clip: clip for clip in clips}
    shown = {
        row.clip: scorer.picture(by_clip[row.clip], row) for row in _worst(table, rule, request)
    }
    return {clip: picture for clip, picture in shown.items() if picture is not None}


def _file_pictures(
    folder: Path, table: ScoreTable, rule: Rule, request: Request
) -> dict[tuple[str, str], bytes]:
    """Pictures whose paths lead somewhere, from the folder of the table or from here."""
    shown = {}
    for row in _worst(table, rule, request):
        places = [base / row.path for base in (folder, Path())]
        picture = next(
            (p for p in places if p.suffix.lower() in PICTURE_SUFFIXES and p.is_file()), None
        )
        if picture is not None:
            shown[row.clip] = small_jpeg(read_image(picture))
    return shown


def _files(
    request: Request, found: Evaluation, material: _Material
) -> dict[str, Callable[[], bytes]]:
    clips, stills = material.data[0], material.stills
    metrics = card_metrics(found, clips=clips, stills=stills)
    return {
        "report.html": lambda: render_report(found, material.pictures).encode(),
        "metrics.json": lambda: _pretty(found),
        "scores.csv": lambda: scores_csv(material.table.frames, material.table.faceless).encode(),
        "card": lambda: _pretty(metrics),
    }


def _pretty(value: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"

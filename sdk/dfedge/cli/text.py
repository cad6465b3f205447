"""A verdict as text for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from dfedge.cli.terminal import Style
from dfedge.report.wording import (
    HEADLINES,
    Thresholds,
    clock,
    count,
    describe_frames,
    describe_source,
    describe_tier,
    explain,
    is_fused,
    other_reasons,
    percent,
    person,
    printable,
    sentence,
)
from dfedge.verdict import TrackVerdict, Verdict

_INDENT = "  "
_SPARK_COLUMNS = 40
_PEOPLE_SHOWN = 12


def render_text(verdict: Verdict, thresholds: Thresholds, style: Style) -> str:
    """The whole verdict, several lines, ending in a newline."""
    lines = [
        style.paint(printable(verdict.source.name), "bold"),
        style.paint(_INDENT + describe_source(verdict.source), "dim"),
        "",
        _INDENT + _headline(verdict, style),
    ]
    if verdict.fake_probability is not None:
        lines.append(_INDENT + _scale(verdict.fake_probability, thresholds, style))
    lines.append("")
    problems = tuple(map(sentence, verdict.source.problems))
    for said in (*explain(verdict, thresholds), *problems):
        lines += textwrap.wrap(said, style.width, initial_indent=_INDENT, subsequent_indent=_INDENT)
    lines.append("")
    lines += _opinions(verdict, style)
    lines += _people(verdict, thresholds, style)
    lines += _facts(verdict, thresholds, style)
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _headline(verdict: Verdict, style: Style) -> str:
    line = f"{style.label(verdict.label)}  {HEADLINES[verdict.label]}"
    if verdict.fake_probability is not None:
        line += f", P(fake) {percent(verdict.fake_probability)}"
    if verdict.confidence is not None:
        line += f", confidence {percent(verdict.confidence)}"
    return line


def _scale(probability: float, thresholds: Thresholds, style: Style) -> str:
    columns = min(50, style.width - 20)
    return f"real {style.scale(probability, thresholds, columns=columns)} fake"


def _opinions(verdict: Verdict, style: Style) -> Iterator[str]:
    """What each model says, where more than this machine's own was asked."""
    if not is_fused(verdict):
        return
    columns = max(len(opinion.model) for opinion in verdict.opinions)
    for opinion in verdict.opinions:
        probability = opinion.fake_probability
        score = "" if probability is None else percent(probability)
        where = style.paint(describe_tier(opinion), "dim")
        yield (
            f"{_INDENT}{printable(opinion.model):{columns}} {style.label(opinion.label, pad=9)} "
            f"{score:>6}  {where}"
        )
    yield ""


def _people(verdict: Verdict, thresholds: Thresholds, style: Style) -> Iterator[str]:
    if len(verdict.tracks) < 2:
        return
    by_suspicion = sorted(verdict.tracks, key=lambda track: -track.fake_probability)
    shown = sorted(by_suspicion[:_PEOPLE_SHOWN], key=lambda track: track.track_id)
    for track in shown:
        yield _INDENT + _person_row(track, thresholds, style)
        for reason in other_reasons(track.reasons):
            yield _INDENT + " " * 11 + style.paint(reason, "dim")
    if len(shown) < len(verdict.tracks):
        rest = count(len(verdict.tracks) - len(shown), "more person", "more people")
        yield f"{_INDENT}{rest}, less suspicious"
    yield ""


def _person_row(track: TrackVerdict, thresholds: Thresholds, style: Style) -> str:
    scores = [observation.fake_probability for observation in track.observations]
    spark = style.sparkline(scores, thresholds, columns=20)
    return (
        f"{person(track.track_id):<10} {style.label(track.label, pad=9)} "
        f"{percent(track.fake_probability):>6}  {describe_frames(track):<24} {spark}"
    )


def _facts(verdict: Verdict, thresholds: Thresholds, style: Style) -> Iterator[str]:
    if len(verdict.timeline) > 1:
        scores = [point.fake_probability for point in verdict.timeline]
        columns = min(_SPARK_COLUMNS, style.width - 26)
        spark = style.sparkline(scores, thresholds, columns=columns)
        start, end = verdict.timeline[0].pts_seconds, verdict.timeline[-1].pts_seconds
        yield _fact("Over time", f"{clock(start)} {spark} {clock(end)}", style)
    scorers = [model for model in verdict.models if model.role != "face_detector"]
    for model in scorers:
        name = printable(f"{model.name} {model.version}")
        if model.role == "edge" and not is_fused(verdict):
            name += f", REAL up to {percent(thresholds.real)}, FAKE from {percent(thresholds.fake)}"
        yield _fact("Model", name, style)
    yield _fact("Time", f"{verdict.timing.total_seconds:.1f} s", style)


def _fact(name: str, value: str, style: Style) -> str:
    return f"{_INDENT}{style.paint(f'{name:<10}', 'dim')} {value}"

"""The words a verdict is told in, shared by the terminal and the HTML report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dfedge.errors import MediaError
from dfedge.verdict import (
    REASON_TEXT,
    Label,
    Opinion,
    Reason,
    SourceInfo,
    TrackVerdict,
    Verdict,
)

if TYPE_CHECKING:
    from dfedge.analysis import Analysis, Failure
    from dfedge.bundles.card import DetectorCard

HEADLINES: dict[Label, str] = {
    Label.FAKE: "Looks fake",
    Label.REAL: "Looks real",
    Label.UNCERTAIN: "Cannot tell",
    Label.NO_FACE: "No face found",
}
"""What each label means, in two or three words."""

_SCORE_REASONS = frozenset(
    {
        Reason.SCORE_ABOVE_FAKE_THRESHOLD,
        Reason.SCORE_BELOW_REAL_THRESHOLD,
        Reason.SCORE_IN_UNSURE_BAND,
    }
)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The two thresholds of a card on P(fake): at or below ``real``, at or above ``fake``."""

    real: float
    fake: float


def thresholds_of(analysis: Analysis) -> Thresholds:
    """What the label rests on: the server's thresholds for a fused verdict, else the card's."""
    came = analysis.escalation
    if came is not None and came.thresholds is not None:
        return Thresholds(real=came.thresholds.real, fake=came.thresholds.fake)
    decision = analysis.card.decision
    return Thresholds(real=decision.real.threshold, fake=decision.fake.threshold)


def is_fused(verdict: Verdict) -> bool:
    """Whether a server's models had their say."""
    return any(opinion.tier == "heavy" for opinion in verdict.opinions)


def describe_tier(opinion: Opinion) -> str:
    """Where the model of an opinion ran."""
    return "this machine" if opinion.tier == "edge" else "server"


def percent(probability: float) -> str:
    """A probability for a reader; a decimal only near the ends, never a certain 0% or 100%."""
    if probability < 0.001:
        return "<0.1%"
    if probability > 0.999:
        return ">99.9%"
    if probability < 0.05 or probability > 0.95:
        return f"{100 * probability:.1f}%"
    return f"{100 * probability:.0f}%"


def clock(seconds: float, *, tenths: bool = False) -> str:
    """Time in a source as ``m:ss`` or ``h:mm:ss``, with tenths of a second if wanted."""
    units = round(seconds * 10) if tenths else round(seconds) * 10
    whole, tenth = divmod(units, 10)
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    text = f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"
    return f"{text}.{tenth}" if tenths else text


def printable(text: str) -> str:
    """The text with control, direction-changing and undecodable characters made visible.

    A file name may not move a terminal's cursor, recolour it, or show ``gpj.exe`` as ``exe.jpg``.
    """
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


def sentence(problem: str) -> str:
    """A problem as a printable sentence, with a capital and a full stop."""
    text = printable(problem)
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?", "!")) else ".")


def person(track_id: int) -> str:
    """How a track is called before a reader; tracks count from 0, people from 1."""
    return f"Person {track_id + 1}"


def failure_name(failure: Failure) -> str:
    """How a source that could not be read is called: as its error does, without credentials."""
    error = failure.error
    return error.source if isinstance(error, MediaError) else failure.source


def count(number: int, singular: str, plural: str | None = None) -> str:
    """``1 frame``, ``20 frames``."""
    return f"{number} {singular if number == 1 else plural or singular + 's'}"


def other_reasons(reasons: tuple[Reason, ...]) -> tuple[str, ...]:
    """A sentence for each reason but those that only repeat where the score lies."""
    return tuple(REASON_TEXT[reason] for reason in reasons if reason not in _SCORE_REASONS)


def explain(verdict: Verdict, thresholds: Thresholds) -> tuple[str, ...]:
    """The verdict in sentences: the score against its threshold first, then what spoils it."""
    other = other_reasons(verdict.reasons)
    if verdict.fake_probability is None:
        return other or (REASON_TEXT[Reason.NO_FACE],)
    return (_score_sentence(verdict, verdict.fake_probability, thresholds), *other)


def describe_source(source: SourceInfo) -> str:
    """``Video, 1920 x 1080, 0:12, 20 frames looked at, 19 with a face``."""
    parts = [_KINDS[source.kind]]
    if source.width and source.height:
        parts.append(f"{source.width} x {source.height}")
    if source.duration_seconds:
        parts.append(clock(source.duration_seconds, tenths=source.duration_seconds < 10))
    if source.kind != "image":
        parts.append(f"{count(source.frames_sampled, 'frame')} looked at")
        parts.append(f"{source.frames_with_face} with a face")
    return ", ".join(parts)


def describe_frames(track: TrackVerdict) -> str:
    """How many frames of a person count: ``18 of 20 frames count``."""
    seen = len(track.observations)
    if track.usable_frames == seen:
        return f"{count(seen, 'frame')}, all count" if seen > 1 else "1 frame"
    return f"{track.usable_frames} of {count(seen, 'frame')} count"


def describe_look(card: DetectorCard) -> str:
    """What a score stands for where it is not that of one face in one frame; else empty."""
    from dfedge.bundles.card import WHOLE_FRAME

    whole, frames = card.crop.box_source == WHOLE_FRAME, card.input.frames
    if frames > 1:
        what = f"{frames} whole frames" if whole else f"{frames} frames of a face"
        whose = "all people" if whole else "all frames of a person"
        return f"This model looks at {what} at once: {whose} carry the score of the clip."
    if whole:
        return "This model looks at whole frames: all faces of a frame carry its score."
    return ""


_KINDS = {
    "video": "Video",
    "image": "Picture",
    "frames": "Folder of frames",
    "array": "Array",
    "stream": "Stream",
}


def _score_sentence(verdict: Verdict, probability: float, thresholds: Thresholds) -> str:
    """One sentence that sets the score against the threshold the label rests on."""
    people = len(verdict.tracks)
    whose = "the face" if people == 1 else f"the most suspicious of the {people} people"
    several = len(verdict.opinions) > 1
    who, say, their = (
        ("The models together put", "they say", "their")
        if several
        else ("The model puts", "it says", "its")
    )
    score = f"{who} the probability that {whose} is fake at {percent(probability)}"
    if verdict.label is Label.FAKE:
        return f"{score}; from {percent(thresholds.fake)} on {say} FAKE."
    if verdict.label is Label.REAL:
        return f"{score}; up to {percent(thresholds.real)} {say} REAL."
    if thresholds.real < probability < thresholds.fake:
        return (
            f"{score}, in {their} unsure band between "
            f"{percent(thresholds.real)} and {percent(thresholds.fake)}."
        )
    return f"{score}, but that score cannot be relied on here."

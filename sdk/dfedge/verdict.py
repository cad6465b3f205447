"""The verdict: what the SDK, the server and the extension say of a source, and its JSON form.

The JSON form is versioned (``dfedge.verdict/1``) and its schema, ``verdict.schema.json``, is
generated from these types. P(fake) is always the calibrated probability that a face is fake.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

from dfedge.types import Box

VERDICT_SCHEMA: Final = "dfedge.verdict/1"

Probability: TypeAlias = Annotated[float, Meta(ge=0.0, le=1.0)]
Seconds: TypeAlias = Annotated[float, Meta(ge=0.0)]


class Label(StrEnum):
    """What is said of a clip or of one person in it."""

    REAL = "REAL"
    FAKE = "FAKE"
    UNCERTAIN = "UNCERTAIN"
    NO_FACE = "NO_FACE"


class Reason(StrEnum):
    """Machine-readable reasons; :data:`REASON_TEXT` has a sentence for each."""

    NO_FACE = "no_face"
    FACE_TOO_SMALL = "face_too_small"
    TOO_BLURRY = "too_blurry"
    TOO_DARK = "too_dark"
    TOO_BRIGHT = "too_bright"
    TOO_FEW_FRAMES = "too_few_frames"
    SCORE_IN_UNSURE_BAND = "score_in_unsure_band"
    SCORE_ABOVE_FAKE_THRESHOLD = "score_above_fake_threshold"
    SCORE_BELOW_REAL_THRESHOLD = "score_below_real_threshold"
    PARTLY_UNREADABLE = "partly_unreadable"
    OUT_OF_DISTRIBUTION = "out_of_distribution"
    MODELS_DISAGREE = "models_disagree"
    ESCALATION_FAILED = "escalation_failed"


REASON_TEXT: dict[Reason, str] = {
    Reason.NO_FACE: "No face was found.",
    Reason.FACE_TOO_SMALL: "The face is too small in the picture to judge.",
    Reason.TOO_BLURRY: "The face is too blurred to judge.",
    Reason.TOO_DARK: "The face is too dark to judge.",
    Reason.TOO_BRIGHT: "The face is too bright to judge.",
    Reason.TOO_FEW_FRAMES: "Too few frames show the face well enough.",
    Reason.SCORE_IN_UNSURE_BAND: "The score lies between the two thresholds.",
    Reason.SCORE_ABOVE_FAKE_THRESHOLD: "The score reaches the threshold for FAKE.",
    Reason.SCORE_BELOW_REAL_THRESHOLD: "The score is under the threshold for REAL.",
    Reason.PARTLY_UNREADABLE: "Part of the source could not be read.",
    Reason.OUT_OF_DISTRIBUTION: "The face is unlike those the model was trained on.",
    Reason.MODELS_DISAGREE: "The models do not agree.",
    Reason.ESCALATION_FAILED: "The server gave no second opinion: this verdict is the device's.",
}


class _Part(msgspec.Struct, frozen=True):
    """Base of the parts of a verdict: immutable."""


class Observation(_Part, frozen=True, kw_only=True):
    """One face in one frame.

    Attributes:
        pts_seconds: presentation time of the frame from the start of the source.
        frame_index: number of the frame in its source.
        box: face box in pixels of the frame.
        detection_score: the face detector's confidence.
        logit: raw logit of *fake*, before calibration; of a model that takes several frames at
            once that of the clip this frame stands for, the same in all frames of the person.
        fake_probability: ``logit`` calibrated: P(fake) of this frame alone, or of that clip.
        novelty: how unlike the face is to those the model knows, about 1 for a usual one; None
            where the model does not measure it.
        issues: why the frame does not count; empty when it does.
    """

    pts_seconds: Seconds
    frame_index: int
    box: Box
    detection_score: Probability
    logit: float
    fake_probability: Probability
    novelty: float | None = None
    issues: tuple[Reason, ...] = ()

    @property
    def usable(self) -> bool:
        """Whether the frame counts towards the verdict."""
        return not self.issues


class TrackVerdict(_Part, frozen=True, kw_only=True):
    """What is said of one person.

    Attributes:
        track_id: number of the track, from 0 in order of appearance.
        fake_probability: calibrated P(fake) over the track's usable frames (over all its frames
            when none is usable; the label is then UNCERTAIN).
        confidence: probability of the label's side; None when no side is taken.
        usable_frames: observations that count.
        novelty: mean over the frames ``fake_probability`` is of; None where it is not measured.
    """

    track_id: int
    label: Label
    fake_probability: Probability
    confidence: Probability | None
    reasons: tuple[Reason, ...]
    usable_frames: int
    observations: tuple[Observation, ...]
    novelty: float | None = None


class TimelinePoint(_Part, frozen=True, kw_only=True):
    """The highest P(fake) among the faces of one sampled frame; None where there is no face."""

    pts_seconds: Seconds
    fake_probability: Probability | None


class ModelInfo(_Part, frozen=True, kw_only=True):
    """A model that took part."""

    name: str
    version: str
    sha256: str
    role: Literal["face_detector", "edge", "heavy"]


class Opinion(_Part, frozen=True, kw_only=True):
    """What one model says of the whole source."""

    model: str
    tier: Literal["edge", "heavy"]
    label: Label
    fake_probability: Probability | None


class SourceInfo(_Part, frozen=True, kw_only=True):
    """What was looked at.

    Attributes:
        name: path, address or description the caller gave (credentials in addresses removed).
        width, height: pixels, upright; 0 when the source gave no frame.
        duration_seconds: None when unknown (streams) or meaningless (pictures).
        frames_sampled: frames that were decoded and searched for faces.
        frames_with_face: of those, frames with at least one face.
        problems: what could not be read, in words; empty for a sound source.
    """

    name: str
    kind: Literal["video", "image", "frames", "array", "stream"]
    width: int
    height: int
    duration_seconds: float | None
    sampling: str
    frames_sampled: int
    frames_with_face: int
    problems: tuple[str, ...] = ()


class Timing(_Part, frozen=True, kw_only=True):
    """Wall seconds; the stages overlap, so they need not add up to ``total_seconds``."""

    total_seconds: Seconds
    decode_seconds: Seconds
    faces_seconds: Seconds
    classify_seconds: Seconds


class Verdict(_Part, frozen=True, kw_only=True):
    """What is said of a source.

    Attributes:
        fake_probability: calibrated P(fake) of the most suspicious person with enough usable
            frames (of the most suspicious one when none has enough); None only for NO_FACE.
        confidence: ``fake_probability`` for FAKE, its complement for REAL, else None.
    """

    schema: Literal["dfedge.verdict/1"] = VERDICT_SCHEMA
    source: SourceInfo
    label: Label
    fake_probability: Probability | None
    confidence: Probability | None
    reasons: tuple[Reason, ...]
    tracks: tuple[TrackVerdict, ...]
    timeline: tuple[TimelinePoint, ...]
    opinions: tuple[Opinion, ...]
    models: tuple[ModelInfo, ...]
    timing: Timing
    dfedge_version: str

    def __post_init__(self) -> None:
        if (self.label is Label.NO_FACE) != (self.fake_probability is None):
            raise ValueError(
                f"fake_probability is None for NO_FACE and only then, got "
                f"{self.label} with {self.fake_probability}"
            )

    def to_json(self, *, indent: int | None = None) -> str:
        """The ``dfedge.verdict/1`` form, on one line unless ``indent`` spaces are asked for."""
        text = msgspec.json.encode(self)
        return (msgspec.json.format(text, indent=indent) if indent else text).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> Verdict:
        """Read the JSON form back.

        Raises:
            ValueError: the text is not a ``dfedge.verdict/1`` document; the message says where.
        """
        return msgspec.json.decode(text, type=cls)

"""What travels between a device and an escalation server, version 1.

These types are the JSON of ``/v1``: the SDK sends and reads them, the server reads and sends them,
and its OpenAPI document is made from them. A submission is ``multipart/form-data`` with a part
``manifest`` (:class:`Submission` as JSON) and the media: one part for each crop, named by
:attr:`Crop.part`, or one part ``clip``. A submission of an address is its manifest alone, as
``application/json``.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final, Literal, TypeAlias
from uuid import UUID

import msgspec
from msgspec import Meta

from dfedge.verdict import Label, Probability, Seconds, Verdict

ESCALATION_SCHEMA: Final = "dfedge.escalation/1"

MAX_CROPS: Final = 256
"""Crops in one submission."""

CROP_SCALE: Final = 2.0
"""Side of a crop that is sent, in longer sides of the face box: each model cuts its own of it."""

Pixels: TypeAlias = Annotated[int, Meta(ge=1, le=16384)]
PartName: TypeAlias = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$")]
Text: TypeAlias = Annotated[str, Meta(max_length=200, pattern=r"^[^\x00]*$")]
"""Without the character NUL, which PostgreSQL cannot keep; so are all texts below."""
Note: TypeAlias = Annotated[str, Meta(max_length=2000, pattern=r"^[^\x00]*$")]


class _Message(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of what a client sends: immutable, and a field that is not known is an error."""


class _Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Base of what the server sends: fields may be added later."""


class State(StrEnum):
    """Where an escalation stands; the last three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


FINAL: Final = frozenset({State.DONE, State.FAILED, State.CANCELLED})


class Crop(_Message, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One face in one frame, with what is around it.

    Attributes:
        part: name of the multipart part with the picture (PNG, WebP or JPEG; lossless gives the
            server the same numbers as the device).
        track_id: the person, from 0 in order of appearance.
        frame_index: number of the frame in its source.
        pts_seconds: presentation time of the frame.
        frame_width, frame_height: pixels of the whole frame.
        left, top: where the crop lies in the frame, whole pixels; the crop never reaches past the
            frame's edge.
        box: face box in pixels of the frame: left, top, right, bottom.
        detection_score: the face detector's confidence.
    """

    part: PartName
    track_id: Annotated[int, Meta(ge=0, le=9999)]
    frame_index: Annotated[int, Meta(ge=0)]
    pts_seconds: Seconds
    frame_width: Pixels
    frame_height: Pixels
    left: Annotated[int, Meta(ge=0, le=16384)]
    top: Annotated[int, Meta(ge=0, le=16384)]
    box: tuple[float, float, float, float]
    detection_score: Probability


class Webhook(_Message, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where to tell that an escalation has ended; the body is an :class:`Escalation`."""

    url: Annotated[str, Meta(max_length=2048, pattern=r"^https?://[^\x00]*$")]


class Submission(_Message, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a client asks for: the ``manifest``.

    Attributes:
        kind: what the media is: face crops, a clip (or picture), or an address to fetch.
        name: what the caller calls the source; shown to analysts.
        device_verdict: what the device made of it.
        crops: for ``crops`` only: at least one.
        frames_sampled: for ``crops``: frames the device looked at, with or without a face.
        url: for ``url`` only.
        frames: for ``clip`` and ``url``: frames to look at.
        sampling: for ``clip`` and ``url``: frames spread evenly over the clip, or up to six of each
            scene between two cuts.
        keep: False asks for zero retention: media is deleted when the verdict is there.
        webhook: told when it has ended.
    """

    schema: Literal["dfedge.escalation/1"] = ESCALATION_SCHEMA
    kind: Literal["crops", "clip", "url"]
    name: Text = ""
    device_verdict: Verdict | None = None
    crops: Annotated[tuple[Crop, ...], Meta(max_length=MAX_CROPS)] = ()
    frames_sampled: Annotated[int, Meta(ge=0, le=100_000)] = 0
    url: Annotated[str, Meta(max_length=2048, pattern=r"^[^\x00]*$")] | None = None
    frames: Annotated[int, Meta(ge=1, le=120)] | None = None
    sampling: Literal["even", "scene"] = "even"
    keep: bool = True
    webhook: Webhook | None = None


class Stage(_Answer, frozen=True, kw_only=True):
    """How far the work has come; ``total`` is None while unknown."""

    name: Literal["waiting", "fetching", "faces", "models", "evidence", "done"]
    done: int = 0
    total: int | None = None


class Picture(_Answer, frozen=True, kw_only=True):
    """A picture kept as evidence: fetched from ``href``."""

    kind: Literal["face", "heat", "strip"]
    href: str
    media_type: str
    track_id: int
    frame_index: int | None = None
    pts_seconds: float | None = None
    model: str | None = None


class Thresholds(_Answer, frozen=True, kw_only=True):
    """The two thresholds on P(fake) that a verdict's label rests on: REAL up to ``real``, FAKE from
    ``fake`` on, as far as nothing else spoils it.
    """

    real: Probability
    fake: Probability


class Media(_Answer, frozen=True, kw_only=True):
    """A part of what was sent, as long as it is kept: fetched from ``href``, ranges allowed."""

    part: str
    href: str


class Problem(_Answer, frozen=True, kw_only=True):
    """RFC 9457 problem details, ``application/problem+json``.

    Attributes:
        code: machine-readable, stable: ``media_unreadable``, ``queue_full``, ``not_found``, ...
    """

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str
    instance: str | None = None


class Override(_Answer, frozen=True, kw_only=True):
    """What a person made of it; the newest counts, all are kept."""

    label: Label
    note: str
    by: str
    at: datetime


class Escalation(_Answer, frozen=True, kw_only=True):
    """An escalation as the server tells it.

    Attributes:
        verdict: fused from the device's and the server's opinions; None until ``done``.
        thresholds: those of the verdict; None where it has none, or until ``done``.
        notes: sentences fit for a user: that no heavier model is installed, say.
        queue_position: jobs before this one, while queued.
        reused: the same bytes had been judged before, and that result is given.
        media: what was sent and is still kept; empty once it is deleted.
        overrides: newest first.
        expires_at: when media and results are deleted; None where retention has no end.
    """

    id: UUID
    state: State
    kind: Literal["crops", "clip", "url"]
    name: str
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    expires_at: datetime | None = None
    stage: Stage
    queue_position: int | None = None
    device_label: Label | None = None
    verdict: Verdict | None = None
    thresholds: Thresholds | None = None
    problem: Problem | None = None
    evidence: tuple[Picture, ...] = ()
    media: tuple[Media, ...] = ()
    notes: tuple[str, ...] = ()
    overrides: tuple[Override, ...] = ()
    reused: bool = False
    batch_id: UUID | None = None
    href: str
    review_href: str


class EscalationPage(_Answer, frozen=True, kw_only=True):
    """One page of a list, newest first; ``next`` is the cursor of the following page."""

    items: tuple[Escalation, ...]
    next: str | None = None


class BatchRequest(_Message, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Several addresses at once."""

    items: Annotated[tuple[Submission, ...], Meta(min_length=1, max_length=100)]


class Batch(_Answer, frozen=True, kw_only=True):
    """A batch and where each of its escalations stands."""

    id: UUID
    created_at: datetime
    counts: dict[State, int]
    items: tuple[Escalation, ...]


class Mistake(StrEnum):
    """Which kind of mistake a verdict was."""

    FALSE_ALARM = "false_alarm"
    MISSED_FAKE = "missed_fake"
    WRONG_PERSON = "wrong_person"
    SHOULD_BE_UNCERTAIN = "should_be_uncertain"
    FACE_MISSED = "face_missed"
    NO_REAL_FACE = "no_real_face"
    CORRECT = "correct"


class NewOverride(_Message, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an analyst makes of an escalation; earlier ones are kept."""

    label: Label
    note: Note = ""


class Feedback(_Message, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a user says of a verdict."""

    mistake: Mistake
    note: Note = ""


class ModelState(_Answer, frozen=True, kw_only=True):
    """A model of the server.

    Attributes:
        heavy: False for a bundle made for devices that stands in for a heavier one.
        loaded: whether a session of it answers; workers tell.
    """

    name: str
    version: str
    sha256: str
    architecture: str
    summary: str
    weight: float
    heavy: bool
    loaded: bool


class ModelList(_Answer, frozen=True, kw_only=True):
    """The models of the heavy tier and how their opinions become one verdict."""

    models: tuple[ModelState, ...]
    policy: str
    notes: tuple[str, ...] = ()

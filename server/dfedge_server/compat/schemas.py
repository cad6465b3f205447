"""What the older endpoints take and answer; field names are those their clients know.

Numbers are calibrated probabilities of *fake*. Where there is none (no face) the field is null:
clients that want a number must look at the label first.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias
from uuid import UUID

import msgspec
from msgspec import Meta

from dfedge.escalation.wire import Problem
from dfedge.verdict import Label, Probability, Reason

Networks: TypeAlias = Literal["genconvit", "ed", "vae"]


class _Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Base of answers."""


class PredictRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What ``POST /predict`` takes; other fields are ignored.

    Attributes:
        file_path: http or https address of a clip or picture; never a path of this machine.
        num_frames: frames to look at; the server's own number if left out.
        net: whose number is wanted: of both networks of GenConViT (``genconvit``), or of one.
    """

    file_path: Annotated[str, Meta(min_length=1, max_length=2048)]
    num_frames: Annotated[int, Meta(ge=1, le=120)] | None = None
    net: Networks = "genconvit"


class Prediction(_Answer, frozen=True, kw_only=True):
    """What ``POST /predict`` answers.

    Attributes:
        df_probability: P(fake); null for NO_FACE.
        net: the model whose number it is; ``ensemble`` for all models of the server together.
        reasons: why the prediction is what it is.
        escalation_id: where the whole verdict lies: ``GET /v1/escalations/{id}``.
    """

    df_probability: Probability | None
    prediction: Label
    net: str
    threshold: Probability | None
    reasons: tuple[Reason, ...]
    model_versions: dict[str, str]
    notes: tuple[str, ...]
    escalation_id: UUID


class Health(_Answer, frozen=True, kw_only=True):
    """What ``GET /health`` answers: the process lives."""

    status: Literal["ok"] = "ok"


class HealthCheck(_Answer, frozen=True, kw_only=True):
    """What ``GET /healthcheck`` answers; ``healthy`` once a model answers."""

    healthy: bool
    model_versions: dict[str, str]


class Readiness(_Answer, frozen=True, kw_only=True):
    """What ``GET /ready`` answers.

    Attributes:
        model_loaded: whether a living worker has a model that answers.
        workers: living workers.
        threshold: the administrator's; null where the models' own thresholds hold.
    """

    status: Literal["ready", "degraded"]
    model_loaded: bool
    workers: int
    threshold: Probability | None
    model_versions: dict[str, str]


class Result(_Answer, frozen=True, kw_only=True):
    """What is said of a picture, a frame or a clip.

    Attributes:
        is_fake: null where no side is taken: UNCERTAIN and NO_FACE.
        confidence: probability of the label's side; null where none is taken.
        threshold: P(fake) from which the label is FAKE.
    """

    label: Label
    is_fake: bool | None
    fake_probability: Probability | None
    real_probability: Probability | None
    confidence: Probability | None
    threshold: Probability | None
    reasons: tuple[Reason, ...] = ()


class Detection(_Answer, frozen=True, kw_only=True):
    """What ``POST /detect`` answers, and each item of a batch.

    Attributes:
        result: null where the file could not be judged; ``problem`` then says why.
    """

    filename: str | None
    result: Result | None
    problem: Problem | None = None
    model_versions: dict[str, str]
    notes: tuple[str, ...]
    escalation_id: UUID


class BatchDetection(_Answer, frozen=True, kw_only=True):
    """What ``POST /detect/batch`` answers, in the order of the files."""

    items: tuple[Detection, ...]


class FrameDetection(_Answer, frozen=True, kw_only=True):
    """One frame: its most suspicious face.

    Attributes:
        scene_index: null: the verdict does not tell scenes apart.
    """

    scene_index: int | None
    frame_index: int
    timestamp_sec: float
    result: Result


class VideoDetection(_Answer, frozen=True, kw_only=True):
    """What ``POST /detect/video`` answers; ``frames`` are those with a face."""

    filename: str | None
    result: Result
    scene_count: int | None
    sampled_frame_count: int
    frames: tuple[FrameDetection, ...]
    model_versions: dict[str, str]
    notes: tuple[str, ...]
    escalation_id: UUID


class ThresholdChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What ``POST /admin/threshold`` takes; null gives the label back to the models' thresholds."""

    threshold: Probability | None


class ThresholdState(_Answer, frozen=True, kw_only=True):
    """What ``POST /admin/threshold`` answers."""

    threshold: Probability | None


class ReloadAsked(_Answer, frozen=True, kw_only=True):
    """What ``POST /admin/reload-model`` answers: workers load anew at their next sign of life."""

    model_loaded: bool
    workers: int
    requested_at: str

"""What the older endpoints make of a verdict."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from dfedge.escalation.wire import Escalation, Stage, State, Thresholds
from dfedge.types import Box
from dfedge.verdict import (
    Label,
    ModelInfo,
    Observation,
    Opinion,
    Reason,
    SourceInfo,
    Timing,
    TrackVerdict,
    Verdict,
)
from dfedge_server.compat import answers
from dfedge_server.compat.schemas import Networks
from dfedge_server.compat.threshold import decide

SCORE = (Reason.SCORE_IN_UNSURE_BAND,)
BLURRED = (Reason.TOO_BLURRY,)


@dataclass
class Made:
    """An escalation that is done, with what a test names."""

    label: Label = Label.UNCERTAIN
    probability: float | None = 0.6
    reasons: tuple[Reason, ...] = SCORE
    opinions: tuple[Opinion, ...] = ()
    tracks: tuple[TrackVerdict, ...] = ()
    thresholds: Thresholds | None = field(default_factory=lambda: Thresholds(real=0.4, fake=0.8))

    def build(self) -> Escalation:
        """The escalation."""
        verdict = Verdict(
            source=SourceInfo(
                name="a.mp4",
                kind="video",
                width=640,
                height=480,
                duration_seconds=1.0,
                sampling="scene",
                frames_sampled=7,
                frames_with_face=3,
            ),
            label=self.label,
            fake_probability=self.probability,
            confidence=None,
            reasons=self.reasons,
            tracks=self.tracks,
            timeline=(),
            opinions=self.opinions,
            models=(
                ModelInfo(name="faces", version="1", sha256="0", role="face_detector"),
                ModelInfo(name="genconvit-ed", version="2.0", sha256="0", role="heavy"),
            ),
            timing=Timing(total_seconds=0, decode_seconds=0, faces_seconds=0, classify_seconds=0),
            dfedge_version="0",
        )
        return Escalation(
            id=uuid4(),
            state=State.DONE,
            kind="clip",
            name="a.mp4",
            created_at=datetime.now(UTC),
            stage=Stage(name="done"),
            verdict=verdict,
            thresholds=self.thresholds,
            href="/v1/escalations/1",
            review_href="/review/1",
        )


@pytest.mark.parametrize(
    ("own", "probability", "reasons", "threshold", "expected"),
    [
        (Label.UNCERTAIN, 0.6, SCORE, None, Label.UNCERTAIN),
        (Label.UNCERTAIN, 0.6, SCORE, 0.6, Label.FAKE),
        (Label.UNCERTAIN, 0.6, SCORE, 0.61, Label.REAL),
        (Label.FAKE, 0.9, (Reason.SCORE_ABOVE_FAKE_THRESHOLD,), 0.95, Label.REAL),
        (Label.UNCERTAIN, 0.9, BLURRED, 0.5, Label.UNCERTAIN),
        (Label.UNCERTAIN, 0.9, (Reason.MODELS_DISAGREE,), 0.5, Label.UNCERTAIN),
        (Label.NO_FACE, None, (Reason.NO_FACE,), 0.0, Label.NO_FACE),
    ],
)
def test_a_threshold_decides_what_a_score_means_and_nothing_else(
    own: Label,
    probability: float | None,
    reasons: tuple[Reason, ...],
    threshold: float | None,
    expected: Label,
) -> None:
    """Without a face, or with faces that cannot be judged, no threshold takes a side."""
    said, why = decide(own, probability, reasons, threshold)
    assert expected == said
    if expected is Label.FAKE:
        assert (Reason.SCORE_ABOVE_FAKE_THRESHOLD,) == why
    if expected is Label.REAL:
        assert (Reason.SCORE_BELOW_REAL_THRESHOLD,) == why


def test_no_face_is_never_a_number() -> None:
    """All numbers are null, whatever the threshold."""
    made = Made(label=Label.NO_FACE, probability=None, reasons=(Reason.NO_FACE,)).build()
    said = answers.prediction(made, "genconvit", 0.0)
    assert (None, Label.NO_FACE) == (said.df_probability, said.prediction)
    result = answers.detection(made, 0.0).result
    assert result is not None
    assert (Label.NO_FACE, None, None, None, None) == (
        result.label,
        result.is_fake,
        result.fake_probability,
        result.real_probability,
        result.confidence,
    )


@pytest.mark.parametrize(
    ("net", "probability", "model"),
    [("ed", 0.3, "genconvit-ed"), ("vae", 0.6, "ensemble"), ("genconvit", 0.6, "ensemble")],
)
def test_a_network_answers_for_itself_where_the_server_has_it(
    net: Networks, probability: float, model: str
) -> None:
    """The number is that of the network asked for, or of all models, and the answer says whose."""
    opinion = Opinion(model="genconvit-ed", tier="heavy", label=Label.REAL, fake_probability=0.3)
    said = answers.prediction(Made(opinions=(opinion,)).build(), net, None)
    assert (probability, model) == (said.df_probability, said.net)
    assert {"genconvit-ed": "2.0"} == said.model_versions


def _track(track_id: int, *seen: tuple[int, float, tuple[Reason, ...]]) -> TrackVerdict:
    observations = tuple(
        Observation(
            pts_seconds=index / 10,
            frame_index=index,
            box=Box(0, 0, 10, 10),
            detection_score=0.9,
            logit=0.0,
            fake_probability=probability,
            issues=issues,
        )
        for index, probability, issues in seen
    )
    return TrackVerdict(
        track_id=track_id,
        label=Label.UNCERTAIN,
        fake_probability=0.5,
        confidence=None,
        reasons=(),
        usable_frames=0,
        observations=observations,
    )


def test_a_frame_of_a_video_is_told_by_its_most_suspicious_face() -> None:
    """Once each, in the order of time, by the verdict's thresholds; faces that do not count come
    last and take no side."""
    tracks = (_track(0, (5, 0.2, ()), (2, 0.9, ())), _track(1, (5, 0.5, ()), (5, 0.99, BLURRED)))
    said = answers.video_detection(
        Made(tracks=(*tracks, _track(2, (9, 0.99, BLURRED)))).build(), None
    )
    assert 7 == said.sampled_frame_count
    assert [
        (2, 0.9, Label.FAKE),
        (5, 0.5, Label.UNCERTAIN),
        (9, 0.99, Label.UNCERTAIN),
    ] == [(one.frame_index, one.result.fake_probability, one.result.label) for one in said.frames]

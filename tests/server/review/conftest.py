"""Escalations made by hand, as the server would tell them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from dfedge.escalation.wire import Escalation, Picture, Stage, State, Thresholds
from dfedge.types import Box
from dfedge.verdict import (
    Label,
    ModelInfo,
    Observation,
    Opinion,
    Reason,
    SourceInfo,
    TimelinePoint,
    Timing,
    TrackVerdict,
    Verdict,
)

ID = UUID("01890000-0000-7000-8000-000000000001")
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@dataclass(frozen=True)
class EscalationMaker:
    """Makes escalations; FAKE is from 80% and REAL up to 20%."""

    thresholds: Thresholds = field(default_factory=lambda: Thresholds(real=0.2, fake=0.8))

    def done(
        self,
        *people: Sequence[float],
        name: str = "clip.mp4",
        blurred: Sequence[int] = (),
        heats: int = 1,
        **fields: Any,
    ) -> Escalation:
        """Each of `people` is P(fake) at 0, 0.5, 1 ... seconds; `fields` replace others."""
        verdict = self.verdict(*people, name=name, blurred=blurred)
        named: dict[str, Any] = {
            "id": ID,
            "state": State.DONE,
            "kind": "clip",
            "name": name,
            "created_at": NOON,
            "started_at": NOON,
            "finished_at": NOON + timedelta(seconds=9),
            "expires_at": NOON + timedelta(days=30),
            "stage": Stage(name="done"),
            "verdict": verdict,
            "thresholds": self.thresholds,
            "evidence": self._pictures(verdict, heats),
            "href": f"/v1/escalations/{ID}",
            "review_href": f"/review/{ID}",
        }
        return Escalation(**(named | fields))

    def verdict(
        self, *people: Sequence[float], name: str = "clip.mp4", blurred: Sequence[int] = ()
    ) -> Verdict:
        """A fused verdict on two seconds of video."""
        tracks = tuple(self._track(number, scores, blurred) for number, scores in enumerate(people))
        frames = max((len(scores) for scores in people), default=4)
        highest = max((track.fake_probability for track in tracks), default=None)
        label = Label.NO_FACE if highest is None else self.label(highest)
        heavy = tuple(
            Opinion(
                model=model,
                tier="heavy",
                label=label,
                fake_probability=highest,
            )
            for model in ("convnext-a", "convnext-b")
        )
        return Verdict(
            source=SourceInfo(
                name=name,
                kind="video",
                width=640,
                height=360,
                duration_seconds=frames / 2,
                sampling="even",
                frames_sampled=frames,
                frames_with_face=frames if people else 0,
            ),
            label=label,
            fake_probability=highest,
            confidence=highest if label is Label.FAKE else None,
            reasons=(Reason.NO_FACE,)
            if highest is None
            else (Reason.SCORE_IN_UNSURE_BAND, Reason.MODELS_DISAGREE)
            if label is Label.UNCERTAIN
            else (),
            tracks=tracks,
            timeline=tuple(
                TimelinePoint(
                    pts_seconds=index / 2,
                    fake_probability=max(
                        (scores[index] for scores in people if index < len(scores)), default=None
                    ),
                )
                for index in range(frames)
            ),
            opinions=(
                Opinion(
                    model="device-b0", tier="edge", label=Label.UNCERTAIN, fake_probability=0.55
                ),
                *heavy,
            ),
            models=(
                ModelInfo(name="faces", version="1.0.0", sha256="f" * 64, role="face_detector"),
                ModelInfo(name="device-b0", version="2.0.0", sha256="d" * 64, role="edge"),
                *(
                    ModelInfo(name=each.model, version="3.1.0", sha256="a" * 64, role="heavy")
                    for each in heavy
                ),
            ),
            timing=Timing(
                total_seconds=3.2, decode_seconds=1.0, faces_seconds=1.0, classify_seconds=1.2
            ),
            dfedge_version="0.1.0",
        )

    def label(self, probability: float) -> Label:
        """By the two thresholds."""
        if probability >= self.thresholds.fake:
            return Label.FAKE
        return Label.REAL if probability <= self.thresholds.real else Label.UNCERTAIN

    def _track(self, number: int, scores: Sequence[float], blurred: Sequence[int]) -> TrackVerdict:
        counted = [score for index, score in enumerate(scores) if index not in blurred]
        probability = sum(counted) / len(counted)
        return TrackVerdict(
            track_id=number,
            label=self.label(probability),
            fake_probability=probability,
            confidence=None,
            reasons=(),
            usable_frames=len(counted),
            observations=tuple(
                Observation(
                    pts_seconds=index / 2,
                    frame_index=index * 12,
                    box=Box(100, 50, 200, 150),
                    detection_score=0.9,
                    logit=math.log(score / (1 - score)),
                    fake_probability=score,
                    issues=(Reason.TOO_BLURRY,) if index in blurred else (),
                )
                for index, score in enumerate(scores)
            ),
        )

    def _pictures(self, verdict: Verdict, heats: int) -> tuple[Picture, ...]:
        """Every face, and heat maps of the first `heats` of the first person."""
        pictures = []
        for track in verdict.tracks:
            for index, observation in enumerate(track.observations):
                kinds = ["face"]
                if track.track_id == 0 and index < heats:
                    kinds.append("heat")
                pictures += [
                    Picture(
                        kind=kind,
                        href=f"/pictures/{kind}-{track.track_id}-{index}.jpg",
                        media_type="image/jpeg",
                        track_id=track.track_id,
                        frame_index=observation.frame_index,
                        pts_seconds=observation.pts_seconds,
                        model="convnext-a" if kind == "heat" else None,
                    )
                    for kind in kinds
                ]
        return tuple(pictures)


@pytest.fixture
def escalation_maker() -> EscalationMaker:
    """Makes escalations by hand."""
    return EscalationMaker()

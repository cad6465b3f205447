"""From an escalation to what the older endpoints answer; pure functions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from dfedge.escalation.wire import Escalation, Problem
from dfedge.verdict import Label, Observation, Opinion, Reason, TrackVerdict, Verdict
from dfedge_server.compat.schemas import (
    Detection,
    FrameDetection,
    Networks,
    Prediction,
    Result,
    VideoDetection,
)
from dfedge_server.compat.threshold import decide

ENSEMBLE: Final = "ensemble"


def prediction(done: Escalation, net: Networks, threshold: float | None) -> Prediction:
    """``/predict``: of the wanted network where the server has it, else of all models together."""
    verdict = _verdict(done)
    own, probability, reasons = verdict.label, verdict.fake_probability, verdict.reasons
    opinion = _opinion(verdict.opinions, net)
    if opinion is not None and opinion.fake_probability is not None:
        own, probability = opinion.label, opinion.fake_probability
    said, reasons = decide(own, probability, reasons, threshold)
    return Prediction(
        df_probability=probability,
        prediction=said,
        net=ENSEMBLE if opinion is None else opinion.model,
        threshold=_threshold(done, threshold),
        reasons=reasons,
        model_versions=_versions(verdict),
        notes=done.notes,
        escalation_id=done.id,
    )


def detection(done: Escalation, threshold: float | None) -> Detection:
    """``/detect``."""
    verdict = _verdict(done)
    return Detection(
        filename=done.name or None,
        result=_result(verdict.label, verdict.fake_probability, verdict.reasons, done, threshold),
        model_versions=_versions(verdict),
        notes=done.notes,
        escalation_id=done.id,
    )


def failed_item(failed: Escalation, problem: Problem) -> Detection:
    """A file of a batch that could not be judged."""
    return Detection(
        filename=failed.name or None,
        result=None,
        problem=problem,
        model_versions={},
        notes=(),
        escalation_id=failed.id,
    )


def video_detection(done: Escalation, threshold: float | None) -> VideoDetection:
    """``/detect/video``: the clip's verdict and the frames it rests on."""
    verdict = _verdict(done)
    return VideoDetection(
        filename=done.name or None,
        result=_result(verdict.label, verdict.fake_probability, verdict.reasons, done, threshold),
        scene_count=None,
        sampled_frame_count=verdict.source.frames_sampled,
        frames=tuple(_frames(verdict.tracks, done, threshold)),
        model_versions=_versions(verdict),
        notes=done.notes,
        escalation_id=done.id,
    )


def _verdict(done: Escalation) -> Verdict:
    assert done.verdict is not None, "only done escalations are answered from"
    return done.verdict


def _opinion(opinions: Iterable[Opinion], net: Networks) -> Opinion | None:
    wanted = "genconvit" if net == "genconvit" else f"genconvit-{net}"
    for opinion in opinions:
        if opinion.tier == "heavy" and opinion.model.lower().replace("_", "-") == wanted:
            return opinion
    return None


def _versions(verdict: Verdict) -> dict[str, str]:
    """Name and version of each model that judged."""
    return {model.name: model.version for model in verdict.models if model.role != "face_detector"}


def _threshold(done: Escalation, threshold: float | None) -> float | None:
    if threshold is not None:
        return threshold
    return None if done.thresholds is None else done.thresholds.fake


def _result(
    own: Label,
    probability: float | None,
    reasons: tuple[Reason, ...],
    done: Escalation,
    threshold: float | None,
) -> Result:
    said, reasons = decide(own, probability, reasons, threshold)
    real = None if probability is None else 1.0 - probability
    sides = {Label.FAKE: probability, Label.REAL: real}
    return Result(
        label=said,
        is_fake=said is Label.FAKE if said in sides else None,
        fake_probability=probability,
        real_probability=real,
        confidence=sides.get(said),
        threshold=_threshold(done, threshold),
        reasons=reasons,
    )


def _frames(
    tracks: Iterable[TrackVerdict], done: Escalation, threshold: float | None
) -> Iterable[FrameDetection]:
    """The most suspicious face of each frame, in the order of time; unusable ones are UNCERTAIN."""
    worst: dict[int, Observation] = {}
    for seen in (observation for track in tracks for observation in track.observations):
        known = worst.get(seen.frame_index)
        if known is None or (seen.usable, seen.fake_probability) > (
            known.usable,
            known.fake_probability,
        ):
            worst[seen.frame_index] = seen
    for index, seen in sorted(worst.items()):
        own = _frame_label(seen.fake_probability, done) if seen.usable else Label.UNCERTAIN
        yield FrameDetection(
            scene_index=None,
            frame_index=index,
            timestamp_sec=seen.pts_seconds,
            result=_result(own, seen.fake_probability, seen.issues, done, threshold),
        )


def _frame_label(probability: float, done: Escalation) -> Label:
    """By the thresholds that the clip's verdict rests on."""
    if done.thresholds is None:
        return Label.UNCERTAIN
    if probability >= done.thresholds.fake:
        return Label.FAKE
    return Label.REAL if probability <= done.thresholds.real else Label.UNCERTAIN

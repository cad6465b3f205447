"""The heavy tier: one session a model, shared by all jobs; media in, one fused verdict out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeAlias

import msgspec

from dfedge.bundles import store
from dfedge.errors import MediaFormatError
from dfedge.escalation.wire import ModelState, Stage, Submission
from dfedge.verdict import Label, ModelInfo, Timing, Verdict
from dfedge_server.heavy.choice import choose, notes_on, policy_of
from dfedge_server.heavy.exchange import OpenClip
from dfedge_server.heavy.fetch import fetch
from dfedge_server.heavy.fusion import Fused, Judged, device_opinion, fuse, heavy_opinion
from dfedge_server.heavy.pictures import pictures
from dfedge_server.heavy.result import Cancelled, EvidencePicture, HeavyResult
from dfedge_server.heavy.runs import FoundElsewhere, Loaded, Run, open_runs
from dfedge_server.heavy.sandbox import Sandbox
from dfedge_server.heavy.sources import (
    ClipSource,
    CropSource,
    Facts,
    FrameSource,
    clip_scale,
    takes_crops,
)
from dfedge_server.settings import Settings
from dfedge_server.telemetry.work import tell_model

__all__ = ["Cancelled", "HeavyTier", "policy_sha256"]

Tell: TypeAlias = Callable[[Stage], None]
"""Told how far the work has come; raises :class:`Cancelled` to stop it."""

CLIP: Final = "clip"
"""Name of the part that is a clip or picture."""

_UNNAMED: Final = {"crops": "face crops", "clip": "clip", "url": "address"}


def policy_sha256(settings: Settings) -> str:
    """Stands for all that, beside the input, decides a verdict; reads cards only.

    Raises:
        BundleError: a model is not there or not sound.
        UsageError: a setting cannot work.
    """
    return policy_of(settings)


class HeavyTier:
    """The models of the server and the process that opens media. Safe to use from several threads.

    Attributes:
        notes: sentences about the choice of models, fit for a user.

    Raises:
        BundleError: a model is not there or not sound.
        RuntimeUnavailableError: the device that was named, or the process, does not start.
        UsageError: a setting cannot work.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        chosen = choose(settings, verify=True)
        self.notes = notes_on(chosen)
        face_bundle, face_card = store.resolve_face_detector(store.FACE_MODEL)
        self._faces = ModelInfo(
            name=face_card.name,
            version=face_card.version,
            sha256=face_bundle.sha256,
            role="face_detector",
        )
        finder = FoundElsewhere(self._faces)
        self._loaded = tuple(Loaded.load(each, finder, settings) for each in chosen)
        self._sandbox = Sandbox(
            face_bundle.path,
            memory_bytes=settings.sandbox_memory_bytes,
            seconds=settings.sandbox_seconds,
        )

    def models(self) -> tuple[ModelState, ...]:
        """The models, as the API tells of them."""
        return tuple(each.chosen.state(loaded=True) for each in self._loaded)

    def judge(
        self,
        submission: Submission,
        media: Mapping[str, Path],
        *,
        name: str,
        workdir: Path,
        progress: Callable[[Stage], None],
        cancelled: Callable[[], bool],
    ) -> HeavyResult:
        """The fused verdict on what was sent, with its evidence.

        Args:
            media: the file of the part ``clip``, or those of the crops by the names of their parts.
            name: what verdict and errors call the source.
            workdir: a folder of this call's own.
            progress: told after each step.
            cancelled: asked between the steps, and while media is opened.

        Raises:
            Cancelled: it was.
            MediaError: the media cannot be used; names it.
            RuntimeUnavailableError: a model, or the process that opens media, failed.
        """

        def tell(stage: Stage) -> None:
            if cancelled():
                raise Cancelled
            progress(stage)

        started = time.perf_counter()
        name = name or _UNNAMED[submission.kind]
        loaded, notes = self._asked(submission, name)
        with ThreadPoolExecutor(1, "dfedge-models") as ahead:
            runs = open_runs(loaded, self._settings.heatmaps, ahead)
            path = self._clip(submission, media, workdir, tell)
            with self._open(submission, media, path, loaded, name, cancelled) as source:
                facts = _look(source, runs, tell)
            judged = _judge(runs, facts, tell)
        fused = fuse(judged, submission.device_verdict, self._settings.device_weight)
        kept = _evidence(runs, judged, fused, tell)
        for run in runs:
            tell_model(run.chosen.card.name, run.pipeline.classify_seconds)
        timing = Timing(
            total_seconds=round(time.perf_counter() - started, 4),
            decode_seconds=round(facts.decode_seconds, 4),
            faces_seconds=round(facts.faces_seconds, 4),
            classify_seconds=round(sum(run.pipeline.classify_seconds for run in runs), 4),
        )
        verdict = self._verdict(fused, runs, judged, submission.device_verdict, timing)
        return HeavyResult(verdict, kept, (*self.notes, *notes), fused.thresholds)

    def close(self) -> None:
        """End the process and free the sessions; closing twice is no error."""
        self._sandbox.close()
        for each in self._loaded:
            each.close()

    def _asked(self, submission: Submission, name: str) -> tuple[list[Loaded], list[str]]:
        """The models that can judge what was sent, and a sentence on each that cannot."""
        if submission.kind != "crops":
            return list(self._loaded), []
        asked = [each for each in self._loaded if takes_crops(each.chosen.card)]
        if not asked:
            raise MediaFormatError(
                name, "no model of this server judges crops of faces: send the clip itself"
            )
        return asked, [
            f"{each.chosen.card.name} was not asked: it looks at more of the frame than crops "
            "show. Send the clip for its opinion."
            for each in self._loaded
            if each not in asked
        ]

    def _clip(
        self, submission: Submission, media: Mapping[str, Path], workdir: Path, tell: Tell
    ) -> Path | None:
        """Where the clip lies, fetched first where it is named by its address; None for crops."""
        if submission.kind == "crops":
            return None
        if submission.kind == "clip":
            return media[CLIP]
        tell(Stage(name="fetching"))
        path = workdir / "fetched"
        fetch(submission.url or "", path, self._settings)
        return path

    @contextmanager
    def _open(
        self,
        submission: Submission,
        media: Mapping[str, Path],
        path: Path | None,
        loaded: Sequence[Loaded],
        name: str,
        cancelled: Callable[[], bool],
    ) -> Iterator[FrameSource]:
        """What was sent as a source of frames."""
        cards = [each.chosen.card for each in loaded]
        if path is None:
            crops = CropSource(submission, cards, name=name)
            with self._sandbox.open(crops.request(media), name=name, cancelled=cancelled) as talk:
                crops.listen(talk)
                yield crops
            return
        most = max(self._settings.frames, *(card.input.frames for card in cards))
        request = OpenClip(
            path=str(path.resolve()),
            frames=min(submission.frames or most, self._settings.max_frames),
            sampling=submission.sampling,
            scale=clip_scale(cards),
            whole=any(each.models.looks_at_whole_frames for each in loaded),
            max_seconds=self._settings.max_duration_seconds,
        )
        with self._sandbox.open(request, name=name, cancelled=cancelled) as talk:
            yield ClipSource(talk, request, cards, name=name)

    def _verdict(
        self,
        fused: Fused,
        runs: Sequence[Run],
        judged: Sequence[Judged],
        device: Verdict | None,
        timing: Timing,
    ) -> Verdict:
        """The leading model's verdict with the fused judgement and everybody's opinion."""
        opinions = [heavy_opinion(each) for each in judged]
        models = [self._faces, *(run.info() for run in runs)]
        if device is not None:
            opinion, info = device_opinion(device)
            opinions.insert(0, opinion)
            models[1:1] = [] if info is None else [info]
        judgement = fused.judgement
        return msgspec.structs.replace(
            fused.leading.verdict,
            label=judgement.label,
            fake_probability=judgement.fake_probability,
            confidence=judgement.confidence,
            reasons=judgement.reasons,
            opinions=tuple(opinions),
            models=tuple(models),
            timing=timing,
        )


def _look(source: FrameSource, runs: Sequence[Run], tell: Tell) -> Facts:
    """Put every frame before every model."""
    tell(Stage(name="faces", total=source.total))
    for done, frame in enumerate(source.frames(), start=1):
        for run in runs:
            run.pipeline.add_found(frame)
        tell(Stage(name="faces", done=done, total=source.total))
    for run in runs:  # while the process that opened the media ends
        run.pipeline.begin()
    return source.facts()


def _judge(runs: Sequence[Run], facts: Facts, tell: Tell) -> list[Judged]:
    """Let every model score what still waits, and judge."""
    judged: list[Judged] = []
    for run in runs:
        tell(Stage(name="models", done=len(judged), total=len(runs)))
        judged.append(run.judge(facts))
    return judged


def _evidence(
    runs: Sequence[Run], judged: Sequence[Judged], fused: Fused, tell: Tell
) -> tuple[EvidencePicture, ...]:
    """Pictures of the people; heat maps, which cost 64 scores each, where there is a suspicion."""
    run, own = next((run, each) for run, each in zip(runs, judged, strict=True) if run.shows)
    tell(Stage(name="evidence"))
    evidence = run.evidence(
        own.verdict,
        heat=fused.judgement.label is not Label.REAL,
        map_done=lambda done, total: tell(Stage(name="evidence", done=done, total=total)),
    )
    return pictures(evidence, fused.leading.verdict.tracks, model=run.chosen.card.name)

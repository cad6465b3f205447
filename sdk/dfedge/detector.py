"""The detector: a source in, a verdict out."""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar

from dfedge.analysis import Analysis, Evidence, Failure, Progress, Result, Success
from dfedge.bundles import store
from dfedge.bundles.card import WHOLE_FRAME, DetectorCard
from dfedge.crops import Preprocessor
from dfedge.errors import BundleFormatError, DfedgeError, UsageError
from dfedge.escalation.looked import Looked
from dfedge.faces import open_face_finder
from dfedge.frame_scorers import FrameRecord
from dfedge.media import MediaLimits, MediaReader, Sampling, Source, open_live, open_media
from dfedge.media.remote import redact
from dfedge.models import Models
from dfedge.pipeline import FramePipeline, build_verdict, shown_at
from dfedge.runtime import Device, open_model
from dfedge.scoring import suspect
from dfedge.verdict import Timing, Verdict

if TYPE_CHECKING:
    from dfedge.escalation.escalator import Escalator
    from dfedge.escalation.options import EscalationOptions

ProgressCallback: TypeAlias = Callable[[Progress], None]
FaceBackend: TypeAlias = Literal["blazeface", "mediapipe"]
_Item = TypeVar("_Item")

DEFAULT_FRAMES: Mapping[Sampling, int] = {"even": 20, "scene": 20, "fast": 8, "live": 20}
"""Frames looked at when none are asked for, or as many as the model takes at once if those are
more; ``fast`` is quick because it looks at fewer."""


class Detector:
    """Judges whether the faces of a picture or a video are real or fake.

    The models are loaded once, by the constructor. A detector is safe to use from several threads
    at once: its models are shared, all state of a source belongs to the call. Close it, or use it
    as a context manager, to free the models.

    Args:
        model: name of an installed bundle, or the path of a bundle folder or ``.zip``.
        device: where the classifier runs; ``auto`` takes the best that really loads.
        sampling: how frames are chosen from a video unless a call says otherwise.
        frames: frames looked at in a video unless a call says otherwise, at least 1; None for
            :data:`DEFAULT_FRAMES` of the sampling, or what the model takes at once if more.
        face_backend: who finds faces; ``mediapipe`` needs the extra of that name.
        threads: threads of each model; None lets the runtime choose.
        limits: bounds on what a source may be (bytes, pixels, seconds to fetch).
        escalate: address of an escalation server that is asked for a second opinion where the
            device is unsure, or all that can be decided about it. Pictures of the faces are sent
            there, so naming it is the consent: ask those who must be asked. When it is away the
            device's verdict is given, with the reason ``escalation_failed``. Never for streams.
        api_key: the key for that server; None for ``$DFEDGE_API_KEY``.

    Raises:
        BundleError: the model is not there, or its bundle is not sound.
        RuntimeUnavailableError: the device was named and did not load.
        UsageError: an option has a value that cannot work.
    """

    def __init__(
        self,
        model: str | Path = store.DEFAULT_MODEL,
        *,
        device: Device = "auto",
        sampling: Sampling = "even",
        frames: int | None = None,
        face_backend: FaceBackend = "blazeface",
        threads: int | None = None,
        limits: MediaLimits | None = None,
        escalate: str | EscalationOptions | None = None,
        api_key: str | None = None,
    ) -> None:
        self._escalator = None if escalate is None else _open_escalator(escalate, api_key)
        if frames is not None:
            _check_frames(frames)
        bundle, card = store.resolve_detector(model)
        if card.crop.box_source not in (store.FACE_MODEL, WHOLE_FRAME):
            raise BundleFormatError(
                f"{bundle.path}: the model needs boxes of {card.crop.box_source!r}; this version "
                f"cuts crops from {store.FACE_MODEL!r} boxes, or takes the {WHOLE_FRAME!r}"
            )
        self._sampling: Sampling = sampling
        self._frames = frames
        self._limits = limits or MediaLimits()
        self._models = Models(
            bundle=bundle,
            card=card,
            finder=open_face_finder(face_backend, threads=threads),
            preprocessor=Preprocessor(bundle),
            classifier=open_model(bundle, device=device, threads=threads),
        )

    @property
    def card(self) -> DetectorCard:
        """The card of the model."""
        return self._models.card

    @property
    def provider(self) -> str:
        """The ONNX Runtime execution provider that really loaded."""
        return self._models.classifier.provider

    def detect(
        self,
        source: Source,
        *,
        sampling: Sampling | None = None,
        frames: int | None = None,
        as_frames: bool = False,
        progress: ProgressCallback | None = None,
    ) -> Verdict:
        """The verdict on one source.

        Args:
            source: path or address of a video or picture, a folder of frames, or RGB ``uint8``
                arrays of shape (height, width, 3) or (frames, height, width, 3).
            sampling: overrides the detector's.
            frames: overrides the detector's, at least 1.
            as_frames: take a folder as the frames of one clip.
            progress: called after each frame.

        Raises:
            MediaError: the source gives no usable picture; never a made-up verdict.
            UsageError: an option has a value that cannot work.
        """
        looked = self._look(
            source,
            sampling=sampling,
            frames=frames,
            as_frames=as_frames,
            progress=progress,
            keep_evidence=False,
            heatmaps=0,
        )
        return self._finish(looked, progress).verdict

    def analyze(
        self,
        source: Source,
        *,
        sampling: Sampling | None = None,
        frames: int | None = None,
        as_frames: bool = False,
        progress: ProgressCallback | None = None,
        heatmaps: int = 0,
    ) -> Analysis:
        """Like :meth:`detect`, with small pictures of the faces as evidence.

        Args:
            heatmaps: show what raises the score in so many pictures, at least 0: the usable frames
                with the highest scores of the person whose verdict is that of the source. Each
                costs 64 scores; that time is not part of the verdict's timing.

        Raises:
            UsageError: also when heat maps are asked of a model that takes several frames at once.
        """
        self._check_heatmaps(heatmaps)
        looked = self._look(
            source,
            sampling=sampling,
            frames=frames,
            as_frames=as_frames,
            progress=progress,
            keep_evidence=True,
            heatmaps=heatmaps,
        )
        return self._finish(looked, progress)

    def detect_many(
        self,
        sources: Iterable[Source],
        *,
        sampling: Sampling | None = None,
        frames: int | None = None,
        as_frames: bool = False,
        progress: ProgressCallback | None = None,
        heatmaps: int = 0,
    ) -> Iterator[Result]:
        """Analyse sources one by one; a bad one gives a :class:`Failure` and never stops the rest.

        While an escalation server works on one source, the next ones are looked at.

        Yields:
            A :class:`Success` or :class:`Failure` for each source, in order, as soon as it is done.
        """
        self._check_heatmaps(heatmaps)

        def look(source: Source) -> Looked | DfedgeError:
            try:
                return self._look(
                    source,
                    sampling=sampling,
                    frames=frames,
                    as_frames=as_frames,
                    progress=progress,
                    keep_evidence=True,
                    heatmaps=heatmaps,
                )
            except UsageError:
                raise
            except DfedgeError as error:
                return error

        looked = ((_describe(source), look(source)) for source in sources)
        if self._escalator is not None:
            yield from self._escalator.results(looked, progress)
            return
        for name, item in looked:
            if isinstance(item, DfedgeError):
                yield Failure(name, item)
            else:
                yield Success(name, item.analysis)

    def stream(
        self,
        source: str | int,
        *,
        fps: float = 2.0,
        window_seconds: float = 10.0,
        every_seconds: float = 1.0,
    ) -> Iterator[Verdict]:
        """Rolling verdicts on a webcam, an RTSP stream or a file played in real time.

        Args:
            source: webcam number, device path, stream address or file.
            fps: frames looked at a second, at most; when the machine is slower, frames are skipped.
            window_seconds: a verdict speaks of this much of the past.
            every_seconds: time between verdicts.

        Raises:
            MediaError: the stream cannot be opened, or breaks off.
            UsageError: an option is not a positive number.
        """
        for name, value in (("window_seconds", window_seconds), ("every_seconds", every_seconds)):
            if not value > 0:
                raise UsageError(f"{name} must be greater than 0, got {value}")
        started = time.perf_counter()
        pipeline = FramePipeline(self._models, keep_evidence=False, live_seconds=window_seconds)
        window: deque[FrameRecord] = deque()
        last_verdict: float | None = None
        with open_live(source, fps=fps, limits=self._limits) as reader:
            for frame in reader:
                pipeline.add(frame)
                now = shown_at(frame)
                last_verdict = now if last_verdict is None else last_verdict
                if now - last_verdict >= every_seconds:
                    last_verdict = now
                    window.extend(pipeline.records())
                    while now - window[0].pts_seconds > window_seconds:
                        window.popleft()
                    yield self._verdict(list(window), reader, pipeline, started)

    async def detect_async(
        self,
        source: Source,
        *,
        sampling: Sampling | None = None,
        frames: int | None = None,
        as_frames: bool = False,
    ) -> Verdict:
        """:meth:`detect` in a worker thread."""
        return await asyncio.to_thread(
            self.detect, source, sampling=sampling, frames=frames, as_frames=as_frames
        )

    def detect_many_async(
        self,
        sources: Iterable[Source],
        *,
        sampling: Sampling | None = None,
        frames: int | None = None,
        as_frames: bool = False,
        heatmaps: int = 0,
    ) -> AsyncIterator[Result]:
        """:meth:`detect_many` in a worker thread."""
        return _iterate_in_thread(
            self.detect_many(
                sources,
                sampling=sampling,
                frames=frames,
                as_frames=as_frames,
                heatmaps=heatmaps,
            )
        )

    def stream_async(
        self,
        source: str | int,
        *,
        fps: float = 2.0,
        window_seconds: float = 10.0,
        every_seconds: float = 1.0,
    ) -> AsyncIterator[Verdict]:
        """:meth:`stream` in a worker thread."""
        return _iterate_in_thread(
            self.stream(source, fps=fps, window_seconds=window_seconds, every_seconds=every_seconds)
        )

    def close(self) -> None:
        """Free the models; the detector cannot be used afterwards."""
        self._models.finder.close()
        self._models.preprocessor.close()
        self._models.classifier.close()

    def __enter__(self) -> Detector:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Detector(model={self.card.name!r}, provider={self.provider!r})"

    def _look(
        self,
        source: Source,
        *,
        sampling: Sampling | None,
        frames: int | None,
        as_frames: bool,
        progress: ProgressCallback | None,
        keep_evidence: bool,
        heatmaps: int,
    ) -> Looked:
        """All that this machine does for one source."""
        how = sampling or self._sampling
        wanted = frames if frames is not None else self._frames
        if wanted is None:
            wanted = max(DEFAULT_FRAMES.get(how, 1), self.card.input.frames)
        _check_frames(wanted)
        started = time.perf_counter()
        name = _describe(source)
        crops = None if self._escalator is None else self._escalator.new_crops()
        pipeline = FramePipeline(self._models, keep_evidence=keep_evidence, heatmaps=heatmaps)
        with open_media(
            source,
            sampling=how,
            frames=wanted,
            as_frames=as_frames,
            limits=self._limits,
        ) as reader:
            for done, frame in enumerate(reader, start=1):
                seen = pipeline.add(frame)
                if crops is not None:
                    crops.watch(frame, seen)
                if progress is not None:
                    progress(Progress("frames", done, reader.expected_frames, name))
        verdict = self._verdict(pipeline.records(), reader, pipeline, started)

        def map_done(done: int, total: int) -> None:
            if progress is not None:
                progress(Progress("heatmaps", done, total, name))

        analysis = Analysis(verdict, self._evidence(verdict, pipeline, map_done), self.card)
        return Looked(analysis, source, crops, frames=wanted, sampling=how, started=started)

    def _finish(self, looked: Looked, progress: ProgressCallback | None) -> Analysis:
        """The analysis after the server was asked, where one is to be."""
        if self._escalator is None:
            return looked.analysis
        return self._escalator.ask(looked, progress=progress)

    def _evidence(
        self, verdict: Verdict, pipeline: FramePipeline, map_done: Callable[[int, int], None]
    ) -> tuple[Evidence, ...]:
        """The pictures of a source, with the heat maps that were asked for."""

        decides = suspect(
            verdict.tracks,
            self.card.decision,
            frames_sampled=verdict.source.frames_sampled,
            clip_frames=self.card.input.frames,
        )
        return pipeline.evidence(
            heat_of=None if decides is None else decides.track_id, map_done=map_done
        )

    def _check_heatmaps(self, heatmaps: int) -> None:
        if heatmaps < 0:
            raise UsageError(f"heatmaps must be at least 0, got {heatmaps}")
        if heatmaps and self.card.input.frames > 1:
            raise UsageError(
                f"heatmaps {heatmaps}: {self.card.name} scores {self.card.input.frames} frames at "
                "once, and heat maps are made for models of single pictures; leave them out, or "
                "choose another model"
            )

    def _verdict(
        self,
        records: list[FrameRecord],
        reader: MediaReader,
        pipeline: FramePipeline,
        started: float,
    ) -> Verdict:
        timing = Timing(
            total_seconds=round(time.perf_counter() - started, 4),
            decode_seconds=round(reader.decode_seconds, 4),
            faces_seconds=round(pipeline.faces_seconds, 4),
            classify_seconds=round(pipeline.classify_seconds, 4),
        )
        return build_verdict(
            records,
            reader.info,
            self._models,
            timing,
            sampling=reader.sampling,
            problems=reader.problems,
        )


def _open_escalator(escalate: str | EscalationOptions, api_key: str | None) -> Escalator:
    from dfedge.escalation.escalator import Escalator
    from dfedge.escalation.options import EscalationOptions

    options = EscalationOptions(escalate) if isinstance(escalate, str) else escalate
    return Escalator(options.with_key(api_key))


def _check_frames(frames: int) -> None:
    if frames < 1:
        raise UsageError(f"frames must be at least 1, got {frames}")


def _describe(source: Source) -> str:
    if isinstance(source, str):
        return redact(source) if "://" in source else source
    if isinstance(source, os.PathLike):
        return os.fspath(source)
    return type(source).__name__


_END = object()


async def _iterate_in_thread(iterator: Iterator[_Item]) -> AsyncIterator[_Item]:
    """Step a blocking iterator in worker threads, and close it when the caller stops early."""
    try:
        while (item := await asyncio.to_thread(next, iterator, _END)) is not _END:
            yield item  # type: ignore[misc]
    finally:
        close = getattr(iterator, "close", None)
        if close is not None:
            await asyncio.to_thread(close)

"""Loaded models, and their work on one source."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final

from dfedge.analysis import Evidence
from dfedge.crops import Preprocessor
from dfedge.faces import FaceFinder
from dfedge.models import Models
from dfedge.pipeline import FramePipeline, build_verdict
from dfedge.runtime import open_model
from dfedge.scoring import suspect
from dfedge.types import Face, Image
from dfedge.verdict import ModelInfo, Timing, Verdict
from dfedge_server.heavy.choice import Chosen
from dfedge_server.heavy.fusion import Judged
from dfedge_server.heavy.sources import Facts
from dfedge_server.settings import Settings

_NO_TIME: Final = Timing(
    total_seconds=0.0, decode_seconds=0.0, faces_seconds=0.0, classify_seconds=0.0
)


class FoundElsewhere:
    """Stands where a face finder would: the faces come from the process that opens media."""

    def __init__(self, info: ModelInfo) -> None:
        self.models = (info,)

    def find(self, image: Image) -> tuple[Face, ...]:
        """Never asked."""
        raise NotImplementedError("faces are found where media is opened")

    def close(self) -> None:
        """Holds nothing."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model with its session, shared by all jobs."""

    chosen: Chosen
    models: Models

    @classmethod
    def load(cls, chosen: Chosen, finder: FaceFinder, settings: Settings) -> Loaded:
        """Open its session.

        Raises:
            BundleError: the bundle is not sound.
            RuntimeUnavailableError: the device that was named did not load.
        """
        classifier = open_model(
            chosen.bundle, device=settings.device, threads=settings.model_threads
        )
        preprocessor = Preprocessor(chosen.bundle)
        return cls(chosen, Models(chosen.bundle, chosen.card, finder, preprocessor, classifier))

    def close(self) -> None:
        """Free the session."""
        self.models.preprocessor.close()
        self.models.classifier.close()


class Run:
    """One model's work on one source.

    Args:
        shows: it keeps the pictures that become evidence.
        heatmaps: how many of them get a heat map.
        ahead: the thread in which the models of this source take turns.
    """

    def __init__(self, loaded: Loaded, *, shows: bool, heatmaps: int, ahead: Executor) -> None:
        self.shows = shows
        self.chosen = loaded.chosen
        self.pipeline = FramePipeline(
            loaded.models, keep_evidence=shows, heatmaps=heatmaps, ahead=ahead
        )
        self._models = loaded.models

    def judge(self, facts: Facts) -> Judged:
        """What the model says, once it has seen all frames."""
        verdict = build_verdict(
            facts.with_empty(self.pipeline.records()),
            facts.info,
            self._models,
            _NO_TIME,
            sampling=facts.sampling,
            problems=facts.problems,
            frames_sampled=facts.frames_sampled,
        )
        return Judged(self.chosen.card, self.chosen.weight, verdict)

    def info(self) -> ModelInfo:
        """The model, as a verdict names it."""
        card = self.chosen.card
        return ModelInfo(
            name=card.name, version=card.version, sha256=self.chosen.bundle.sha256, role="heavy"
        )

    def evidence(
        self, verdict: Verdict, *, heat: bool, map_done: Callable[[int, int], None]
    ) -> tuple[Evidence, ...]:
        """The pictures it kept; ``heat`` asks for maps of who decides its own verdict."""
        card = self.chosen.card
        decides = suspect(
            verdict.tracks,
            card.decision,
            frames_sampled=verdict.source.frames_sampled,
            clip_frames=card.input.frames,
        )
        return self.pipeline.evidence(
            heat_of=decides.track_id if heat and decides is not None else None,
            map_done=map_done,
        )


def open_runs(loaded: Sequence[Loaded], heatmaps: int, ahead: Executor) -> list[Run]:
    """A run of each model; the heaviest of single pictures shows, where heat maps are wanted."""
    single = [each for each in loaded if each.chosen.card.input.frames == 1]
    shows = max((heatmaps and single) or loaded, key=lambda each: each.chosen.weight)
    return [
        Run(
            each,
            shows=each is shows,
            heatmaps=heatmaps if each is shows and each in single else 0,
            ahead=ahead,
        )
        for each in loaded
    ]

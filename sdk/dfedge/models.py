"""The models that look at a source, and how crops are put before them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias, cast

import numpy as np

from dfedge.bundles.bundle import Bundle
from dfedge.bundles.card import WHOLE_FRAME, DetectorCard
from dfedge.crops import Preprocessor
from dfedge.faces import FaceFinder
from dfedge.runtime import OnnxModel
from dfedge.scoring import fake_logits
from dfedge.types import Image, Tensor
from dfedge.verdict import ModelInfo

SCORE_BATCH = 8
"""Crops in one run of the model; larger batches gain little more and cost memory."""

Kept: TypeAlias = Image | Tensor
"""A crop that waits: its pixels, or the model's input made of them, whichever is smaller."""


class Score(NamedTuple):
    """What a model says of one crop or clip.

    Attributes:
        logit: log-odds of *fake*, before calibration.
        novelty: how unlike it is to what the model knows; None where the model does not tell.
    """

    logit: float
    novelty: float | None = None


@dataclass(frozen=True, slots=True)
class Models:
    """What scores faces: finder, preprocessing, classifier and its card. Shared and stateless."""

    bundle: Bundle
    card: DetectorCard
    finder: FaceFinder
    preprocessor: Preprocessor
    classifier: OnnxModel

    @property
    def looks_at_whole_frames(self) -> bool:
        """Whether the frame itself is the crop."""
        return self.card.crop.box_source == WHOLE_FRAME

    @property
    def batch(self) -> int:
        """Most crops in one run: those an engine was built for, at most :data:`SCORE_BATCH`."""
        deployment = self.card.deployment
        built_for = deployment.batch if deployment is not None else None
        return SCORE_BATCH if built_for is None else min(SCORE_BATCH, built_for.largest)

    def keep(self, crop: Image) -> Kept:
        """The smaller of a crop and its input: what waits is bounded by the input's size."""
        model_input = self.card.input
        if crop.size <= 4 * 3 * model_input.height * model_input.width:
            return crop
        return cast("Tensor", self.preprocessor([crop])[0])

    def inputs(self, kept: Sequence[Kept]) -> Tensor:
        """(N, 3, height, width) of crops that were kept."""
        rows = [
            row if row.dtype == np.float32 else self.preprocessor([cast("Image", row)])[0]
            for row in kept
        ]
        return np.stack(rows).astype(np.float32, copy=False)

    def log_odds(self, inputs: Tensor) -> Tensor:
        """The log-odds of fake, (N,), of inputs in the card's layout, in one run."""
        card = self.card
        outputs = self.classifier.run({card.input.name: inputs})[card.output.name]
        return fake_logits(outputs, card.output)

    def scores(self, inputs: Tensor) -> list[Score]:
        """All that the model says of N inputs in the card's layout, in one run."""
        card, limit = self.card, self.card.decision.novelty
        outputs = self.classifier.run({card.input.name: inputs})
        logits = fake_logits(outputs[card.output.name], card.output)
        if limit is None:
            return [Score(float(logit)) for logit in logits]
        novelties = outputs[limit.output][:, 0]
        return [Score(float(a), float(b)) for a, b in zip(logits, novelties, strict=True)]

    def info(self) -> tuple[ModelInfo, ...]:
        """The models that take part in a verdict."""
        edge = ModelInfo(
            name=self.card.name, version=self.card.version, sha256=self.bundle.sha256, role="edge"
        )
        return (*self.finder.models, edge)

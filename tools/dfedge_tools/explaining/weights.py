"""The torch model behind a bundle: gradients need weights, which ONNX Runtime keeps to itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dfedge.bundles.bundle import Bundle
from dfedge.bundles.card import DetectorCard
from dfedge.errors import FidelityError, UsageError
from dfedge_models import DetectorModel
from dfedge_tools.exporting.checkpoint import load_checkpoint
from dfedge_tools.faceset import noise_set
from dfedge_tools.recover import fresh_model, recover_model
from dfedge_tools.scorers import Scorer, TorchScorer

MAX_DIFFERENCE = 0.5
"""Of a log-odds between a bundle and the weights given for it: room for weights that are stored
short, while those of another training differ by more."""
CHECKED_INPUTS = 4


def open_weights(bundle: Bundle, card: DetectorCard, checkpoint: Path | None) -> DetectorModel:
    """The model of a checkpoint, else the bundle's own weights, which takes half a minute.

    Raises:
        UsageError: the checkpoint does not fit, or no weights can be had from the bundle.
    """
    if checkpoint is not None:
        model = fresh_model(card)
        load_checkpoint(model, checkpoint)
        return model
    try:
        return recover_model(bundle, card)
    except (UsageError, FidelityError) as error:
        raise UsageError(
            f"{error}. Give its weights by --checkpoint FILE, or use --methods occlusion, which "
            "needs none"
        ) from error


def check_weights(model: DetectorModel, scorer: Scorer, card: DetectorCard) -> None:
    """Refuse weights that are not those of the bundle.

    Raises:
        UsageError: they score noise differently.
    """
    inputs = noise_set(card, count=CHECKED_INPUTS).inputs
    difference = np.abs(TorchScorer(model).log_odds(inputs) - scorer.log_odds(inputs)).max()
    if not difference <= MAX_DIFFERENCE:  # also when it is not a number
        raise UsageError(
            f"--checkpoint: its weights score noise by {difference:.2g} log-odds differently from "
            f"{card.name} {card.version}; give those the bundle was made of"
        )

"""One way to score inputs, whatever runs the model: a bundle in ONNX Runtime, or torch."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt
import torch

from dfedge.bundles.bundle import Bundle
from dfedge.bundles.card import DetectorCard
from dfedge.bundles.store import resolve_detector
from dfedge.runtime import Device, open_model
from dfedge.scoring import fake_logits
from dfedge.types import Tensor
from dfedge_models import DetectorModel

BATCH = 8

Floats = npt.NDArray[np.float64]


class Scorer(Protocol):
    """Inputs in, log-odds of *fake* out."""

    name: str
    """For tables and messages."""

    def log_odds(self, inputs: Tensor) -> Floats:
        """(N,) log-odds, before calibration, of inputs (N, 3, S, S) or (N, T, 3, S, S)."""

    def close(self) -> None:
        """Free the model."""


class OnnxScorer:
    """A bundle in ONNX Runtime, as the SDK runs it; a context manager.

    Raises:
        BundleError: the bundle is not sound.
        RuntimeUnavailableError: the device was named and did not load.
    """

    def __init__(
        self, bundle: Bundle, card: DetectorCard, *, device: Device = "cpu", threads: int | None = 1
    ) -> None:
        self.name = f"{card.name} {card.version}"
        self.bundle = bundle
        self.card = card
        self._model = open_model(bundle, device=device, threads=threads)

    @classmethod
    def open(cls, bundle: str | Path, *, device: Device = "cpu", threads: int | None = 1) -> Self:
        """Of the bundle of a name, folder or ``.zip``."""
        return cls(*resolve_detector(bundle), device=device, threads=threads)

    def log_odds(self, inputs: Tensor) -> Floats:
        """See :class:`Scorer`."""
        batch = BATCH if self.card.input.frames == 1 else 1
        parts = []
        for start in range(0, len(inputs), batch):
            feeds = {self.card.input.name: inputs[start : start + batch]}
            outputs = self._model.run(feeds)[self.card.output.name]
            parts.append(fake_logits(outputs, self.card.output))
        return np.concatenate(parts).astype(np.float64)

    def close(self) -> None:
        """Free the model."""
        self._model.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class TorchScorer:
    """A torch model in eager mode, float32 on the CPU."""

    def __init__(self, model: DetectorModel, *, name: str = "torch") -> None:
        self.name = name
        self.model = model.eval()

    def log_odds(self, inputs: Tensor) -> Floats:
        """See :class:`Scorer`."""
        signature = self.model.signature
        batch = BATCH if signature.frames == 1 else 1
        parts = []
        with torch.inference_mode():
            for start in range(0, len(inputs), batch):
                outputs = self.model(torch.from_numpy(inputs[start : start + batch]))
                parts.append(signature.fake_log_odds(outputs).numpy())
        return np.concatenate(parts).astype(np.float64)

    def close(self) -> None:
        """Nothing to free."""

"""Scores made by hand: clips of people, and stills of sources."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dfedge_tools.evaluating.scores import Scored

ScoreMaker = Callable[..., list[Scored]]


@pytest.fixture(scope="session")
def scores_of() -> ScoreMaker:
    """Makes a table: `people` with a genuine and a fake clip each, and genuine stills."""

    def make(gap: float, *, people: int = 50, frames: int = 2, stills: int = 60) -> list[Scored]:
        rng = np.random.default_rng(0)
        made = []
        for n in range(people):
            for label, method in ((0, "original"), (1, "Deepfakes")):
                for frame in range(frames):
                    made.append(
                        Scored(
                            f"{method}{n}", label, method, "c23", "ffpp", "val",
                            float(rng.normal(gap * (label - 0.5), 1.0)),
                            frame=frame, identity=f"{n:03}",
                        )
                    )  # fmt: skip
        for n in range(stills):
            logit = float(rng.normal(-gap / 2, 1))
            source = ("meb", "aaf")[n % 2]
            made.append(Scored(f"s{n}", 0, "original", "", source, "held", logit))
        return made

    return make


@pytest.fixture(scope="session")
def own_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A float32 bundle of the smallest architecture, with lively weights."""
    for module in ("torch", "timm", "onnx", "onnxscript", "onnxsim"):
        pytest.importorskip(module, reason="needs the extra 'tools'")
    import torch

    import dfedge_models
    from dfedge_tools.exporting.bundle import plain_description
    from dfedge_tools.exporting.exporter import export_bundle

    torch.manual_seed(0)
    model = dfedge_models.create("dfedge_convnext_atto", img_size=64).eval()
    with torch.no_grad():
        for entry, parameter in model.named_parameters():
            if parameter.ndim >= 2:
                parameter.normal_(std=math.sqrt(1 / math.prod(parameter.shape[1:])))
            elif entry.endswith("gamma"):  # a millionth at first, which would hide the layer
                parameter.fill_(0.5)
    folder = tmp_path_factory.mktemp("bundles")
    (folder / "weights.pt").write_bytes(b"made above")
    export_bundle(
        model,
        folder / "atto",
        architecture="dfedge_convnext_atto",
        description=plain_description("dfedge_convnext_atto", folder / "weights.pt"),
    )
    return folder / "atto"

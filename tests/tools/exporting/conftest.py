"""Small models with lively weights, and bundles made of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs the extra 'tools'")
pytest.importorskip("timm", reason="needs the extra 'tools'")
pytest.importorskip("onnx", reason="needs the extra 'tools'")
pytest.importorskip("onnxscript", reason="needs the extra 'tools'")
pytest.importorskip("onnxsim", reason="needs the extra 'tools'")

import torch

import dfedge_models
from dfedge.cli import main

ATTO = "dfedge_convnext_atto"
SIDE = 64
"""Of the input of tested models: every operator is there, and it is quick."""


@pytest.fixture(scope="session")
def lively_model() -> Callable[..., Any]:
    """Makes models whose logits depend on their input: fresh weights alone hardly do."""

    def make(name: str, side: int = SIDE) -> Any:
        torch.manual_seed(0)
        model = dfedge_models.create(name, img_size=side).eval()
        with torch.no_grad():
            for entry, parameter in model.named_parameters():
                if parameter.ndim >= 2:
                    parameter.normal_(std=math.sqrt(1 / math.prod(parameter.shape[1:])))
                elif entry.endswith("gamma"):  # a millionth at first, which would hide the layer
                    parameter.fill_(0.5)
        return model

    return make


@pytest.fixture(scope="session")
def atto(lively_model: Callable[..., Any]) -> Any:
    """The smallest architecture with lively weights."""
    return lively_model(ATTO)


@pytest.fixture(scope="session")
def checkpoint(atto: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its state dict in a file."""
    path = tmp_path_factory.mktemp("weights") / "atto.pt"
    torch.save(atto.state_dict(), path)
    return path


@pytest.fixture(scope="session")
def bundle_folder(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The float32 bundle that the command makes of it, with nothing said of the weights."""
    folder = tmp_path_factory.mktemp("bundles") / "atto"
    arguments = ["--arch", ATTO, "--checkpoint", str(checkpoint), "--out", str(folder)]
    assert main(["export", *arguments, "--img-size", str(SIDE)]) == 0
    return folder

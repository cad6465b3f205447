"""Small bundles with weights whose logits depend on the input."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import numpy as np
import pytest
from PIL import Image as Pictures

pytest.importorskip("torch", reason="needs the extra 'tools'")
pytest.importorskip("timm", reason="needs the extra 'tools'")
pytest.importorskip("onnx", reason="needs the extra 'tools'")
pytest.importorskip("onnxscript", reason="needs the extra 'tools'")
pytest.importorskip("onnxsim", reason="needs the extra 'tools'")
pytest.importorskip("matplotlib", reason="needs the extra 'tools'")

import onnx
import torch
from onnx import numpy_helper

import dfedge_models
from dfedge.bundles.bundle import Bundle, load_bundle
from dfedge.bundles.card import DetectorCard, OperatingPoint, Provenance, Quality
from dfedge.types import Image
from dfedge_models import DetectorModel
from dfedge_tools.exporting.bundle import (
    DecisionNumbers,
    Description,
    Role,
    build_card,
    file_entries,
    model_input,
    write_bundle,
)
from dfedge_tools.exporting.graph import OPSET, export_onnx, serialize
from dfedge_tools.exporting.preprocess import preprocess_graph

ATTO = "dfedge_convnext_atto"
SIDE = 64
"""Of the input of tested models: every operator is there, and it is quick."""

Edit: TypeAlias = Callable[[dict[str, Any]], None]
"""Changes the arrays of a graph's constants in place."""


def lively_model(name: str, *, side: int = SIDE, seed: int = 0) -> DetectorModel:
    """A model whose logits depend on its input: fresh weights alone hardly do."""
    torch.manual_seed(seed)
    model = dfedge_models.create(name, img_size=side).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim >= 2:
                parameter.normal_(std=math.sqrt(1 / math.prod(parameter.shape[1:])))
            else:
                parameter.add_(0.1 * torch.randn(parameter.shape))
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                assert module.running_mean is not None
                assert module.running_var is not None
                module.running_mean.normal_(std=0.1)
                module.running_var.uniform_(0.5, 2)
    return model


def write_float_bundle(model: DetectorModel, architecture: str, folder: Path) -> Bundle:
    """Export a model as a bundle that is calibrated for three labels."""
    export_onnx(model, folder / "graph.onnx", batch_sizes=(1,), tolerance=1e-2)
    description = Description(
        name=folder.name,
        version="1.0.0",
        summary="Of a test.",
        licence="Apache-2.0",
        provenance=Provenance(training_data="none"),
        limits=("Knows nothing.",),
        quality=Quality(min_face_pixels=0, min_sharpness=0, min_brightness=0, max_brightness=255),
        min_usable_frames=1,
    )
    decision = DecisionNumbers(
        temperature=1.0,
        bias=0.0,
        fitted_on="nothing",
        fake=OperatingPoint(threshold=0.6, meaning="of a test"),
        real=OperatingPoint(threshold=0.4, meaning="of a test"),
    )
    files: dict[Role, bytes] = {
        "model": (folder / "graph.onnx").read_bytes(),
        "preprocess": preprocess_graph(model_input(model.signature), description.crop),
    }
    card = build_card(
        description,
        decision,
        architecture=architecture,
        signature=model.signature,
        opset=OPSET,
        files=files,
    )
    write_bundle(folder / "bundle", card, files)
    return load_bundle(folder / "bundle")


def changed_bundle(bundle: Bundle, folder: Path, edit: Edit | None = None, **card: Any) -> Bundle:
    """A copy with other constants in its graph, or other fields in its card."""
    assert isinstance(bundle.card, DetectorCard)
    graph = onnx.load_from_string(bundle.read("model"))
    if edit is not None:
        arrays = {e.name: numpy_helper.to_array(e).copy() for e in graph.graph.initializer}
        edit(arrays)
        for entry in graph.graph.initializer:
            entry.CopyFrom(numpy_helper.from_array(arrays[entry.name], entry.name))
    made = msgspec.structs.replace(bundle.card, name=folder.name, **card)
    preprocess = bundle.read("preprocess")
    if "crop" in card or "input" in card:
        preprocess = preprocess_graph(made.input, made.crop)
    files: dict[Role, bytes] = {"model": serialize(graph), "preprocess": preprocess}
    made = msgspec.structs.replace(made, files=file_entries(files))
    write_bundle(folder, made, files)
    return load_bundle(folder)


@pytest.fixture(scope="session")
def atto() -> DetectorModel:
    """The smallest architecture."""
    return lively_model(ATTO)


@pytest.fixture(scope="session")
def atto_bundle(atto: DetectorModel, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The same as a bundle."""
    return write_float_bundle(atto, ATTO, tmp_path_factory.mktemp("atto"))


@pytest.fixture(scope="session")
def atto_checkpoint(atto: DetectorModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as a state dict in a file."""
    path = tmp_path_factory.mktemp("weights") / "atto.pt"
    torch.save(atto.state_dict(), path)
    return path


@pytest.fixture(scope="session")
def faces(portrait: Image, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve pictures of one face in ``real`` and ``fake``, the fakes with a tint."""
    folder = tmp_path_factory.mktemp("pictures")
    for name in ("real", "fake"):
        (folder / name).mkdir()
    for number in range(12):
        picture = np.ascontiguousarray(portrait[number : 280 + number, 80 : 360 - 2 * number])
        if number % 2:
            picture = np.clip(picture * np.array([1.3, 1.0, 0.7]), 0, 255).astype(np.uint8)
        Pictures.fromarray(picture).save(
            folder / ("fake" if number % 2 else "real") / f"{number:02}.png"
        )
    return folder

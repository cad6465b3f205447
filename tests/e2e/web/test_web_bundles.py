"""Bundles in onnxruntime-web under Node give the numbers of Python's ONNX Runtime."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image as Pictures

from dfedge.bundles.bundle import Bundle, Role, load_bundle
from dfedge.bundles.card import DetectorCard
from dfedge.bundles.store import builtin_folder
from dfedge.runtime import open_model

HERE = Path(__file__).resolve().parent
SHIPPED = sorted(path.name for path in builtin_folder().iterdir() if (path / "card.json").is_file())
EDGE = (
    "ms_eff_gcvit_b0",
    "ms_eff_gcvit_b5",
    "dfedge_efficientnet_b0",
    "dfedge_convnext_atto",
    "dfedge_convnext_femto",
    "dfedge_convnext_tiny",
)
SIDE = 64
"""Of the input of freshly exported models: every operator is there, and it is quick."""
TOLERANCE = 1e-3
"""Of a logit, a box or a normalised level."""

Array = npt.NDArray[Any]
Feeds = Mapping[str, Array]
WebRunner = Callable[[Bundle, Role, list[Feeds]], list[dict[str, Array]]]


@pytest.fixture(scope="module")
def in_node(tmp_path_factory: pytest.TempPathFactory) -> WebRunner:
    """Runs a graph of a bundle in onnxruntime-web's WASM backend."""
    node = shutil.which("node")
    if node is None or not (HERE / "node_modules" / "onnxruntime-web").is_dir():
        lacking = "needs Node and, in tests/e2e/web, npm ci (make test does it)"
        if os.environ.get("DFEDGE_REQUIRE_NODE"):
            pytest.fail(lacking)
        pytest.skip(lacking)

    def run(bundle: Bundle, role: Role, feeds: list[Feeds]) -> list[dict[str, Array]]:
        folder = tmp_path_factory.mktemp("node")
        (folder / "model").write_bytes(bundle.read(role))
        runs = [_write(folder, index, each) for index, each in enumerate(feeds)]
        job = folder / "job.json"
        job.write_text(json.dumps({"model": str(folder / "model"), "runs": runs}))
        done = subprocess.run(
            [node, str(HERE / "infer.mjs"), str(job)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return [
            {
                name: np.fromfile(f"{run['out']}.{name}.bin", np.float32).reshape(shape)
                for name, shape in shapes.items()
            }
            for run, shapes in zip(runs, json.loads(done.stdout), strict=True)
        ]

    return run


@pytest.fixture(scope="module")
def pictures(request: pytest.FixtureRequest) -> list[Array]:
    """RGB crops of odd sizes: seeded noise, and real faces where the research data is present."""
    generator = np.random.default_rng(20261121)
    crops: list[Array] = [
        generator.integers(0, 256, (*size, 3), dtype=np.uint8) for size in ((53, 37), (300, 411))
    ]
    try:
        folder: Path = request.getfixturevalue("shared_data") / "real_faces"
    except pytest.skip.Exception:  # noise will do
        return crops
    for path in sorted(folder.glob("*.jpg"))[::2000]:
        with Pictures.open(path) as picture:
            crops.append(np.asarray(picture.convert("RGB"), np.uint8))
    return crops


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_bundle_gives_the_same_numbers(
    name: str, in_node: WebRunner, pictures: list[Array]
) -> None:
    """Its graph on a batch, and its preprocessing on each crop, to a thousandth."""
    _compare(load_bundle(builtin_folder() / name), in_node, pictures)


@pytest.mark.parametrize("architecture", EDGE)
def test_a_web_bundle_made_now_gives_the_same_numbers(
    architecture: str, in_node: WebRunner, pictures: list[Array], tmp_path: Path
) -> None:
    """Every edge architecture in the form for the web, as ``dfedge export --target web`` has it."""
    for module in ("torch", "timm", "onnx", "onnxscript", "onnxsim"):
        pytest.importorskip(module, reason="needs the extra 'tools'")
    from dfedge_tools.exporting.bundle import plain_description
    from dfedge_tools.exporting.exporter import export_bundle
    from dfedge_tools.exporting.targets import TARGETS

    (tmp_path / "weights.pt").write_bytes(b"made below")
    export_bundle(
        _lively_model(architecture),
        tmp_path / "web",
        architecture=architecture,
        description=plain_description(architecture, tmp_path / "weights.pt"),
        target=TARGETS["web"],
    )
    _compare(load_bundle(tmp_path / "web"), in_node, pictures)


def _compare(bundle: Bundle, in_node: WebRunner, pictures: list[Array]) -> None:
    """Run both graphs of a bundle here and in Node."""
    if isinstance(bundle.card, DetectorCard):
        _compare_graph(bundle, "preprocess", [{"crop": crop} for crop in pictures], in_node)
    _compare_graph(bundle, "model", [_batch(bundle, pictures)], in_node)


def _compare_graph(bundle: Bundle, role: Role, feeds: list[Feeds], in_node: WebRunner) -> None:
    model = open_model(bundle, role=role, device="cpu", threads=1)
    expected = [model.run(each) for each in feeds]
    model.close()
    for ours, theirs in zip(expected, in_node(bundle, role, feeds), strict=True):
        assert sorted(ours) == sorted(theirs)
        for name, values in ours.items():
            assert np.ptp(values) > 1e-6, "an output that never varies would prove nothing"
            np.testing.assert_allclose(theirs[name], values, rtol=0, atol=TOLERANCE)


def _batch(bundle: Bundle, pictures: list[Array]) -> Feeds:
    """The pictures as the model's input, and one of seeded normal noise."""
    size = bundle.card.input
    mean, std = np.asarray(size.mean, np.float32), np.asarray(size.std, np.float32)
    inputs = []
    for crop in pictures:
        resized = Pictures.fromarray(crop).resize((size.width, size.height))
        levels = np.asarray(resized, np.float32) / np.float32(255)
        inputs.append(((levels - mean) / std).transpose(2, 0, 1))
    noise = np.random.default_rng(0).standard_normal((3, size.height, size.width))
    return {size.name: np.stack([*inputs, noise]).astype(np.float32)}


def _write(folder: Path, index: int, feeds: Feeds) -> dict[str, Any]:
    """One run of the job, its inputs in files of plain numbers."""
    inputs = {}
    for name, values in feeds.items():
        path = folder / f"{index}.{name}.bin"
        np.ascontiguousarray(values).tofile(path)
        inputs[name] = {"type": values.dtype.name, "dims": values.shape, "file": str(path)}
    return {"inputs": inputs, "out": str(folder / f"{index}.out")}


def _lively_model(architecture: str) -> Any:
    """A model whose logits depend on its input: fresh weights alone hardly do."""
    import torch

    import dfedge_models

    torch.manual_seed(0)
    model = dfedge_models.create(architecture, img_size=SIDE).eval()
    with torch.no_grad():
        for entry, parameter in model.named_parameters():
            if parameter.ndim >= 2:
                parameter.normal_(std=math.sqrt(2 / math.prod(parameter.shape[1:])))  # of He
            elif entry.endswith("gamma"):  # a millionth at first, which would hide the layer
                parameter.fill_(0.5)
    return model

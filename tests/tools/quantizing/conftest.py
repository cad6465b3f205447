"""A small detector with a layer of each kind, as a graph, a bundle and pictures for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image as Pictures

pytest.importorskip("torch", reason="needs the extra 'tools'")
pytest.importorskip("onnx", reason="needs the extra 'tools'")
pytest.importorskip("onnxscript", reason="needs the extra 'tools'")
pytest.importorskip("onnxsim", reason="needs the extra 'tools'")

from onnx import TensorProto, helper, numpy_helper

from dfedge.bundles.bundle import Bundle, load_bundle
from dfedge.bundles.card import (
    WHOLE_FRAME,
    CropContract,
    Deployment,
    OperatingPoint,
    Provenance,
    Quality,
)
from dfedge.types import Tensor
from dfedge_models import ModelSignature
from dfedge_tools.exporting.bundle import (
    DecisionNumbers,
    Description,
    Role,
    build_card,
    model_input,
    write_bundle,
)
from dfedge_tools.exporting.graph import open_session, run
from dfedge_tools.exporting.preprocess import preprocess_graph

SIDE = 32
OPSET = 20

MakeGraph = Callable[..., bytes]
MakeBundle = Callable[..., Bundle]


@pytest.fixture(scope="session")
def pictures() -> Tensor:
    """Forty inputs (40, 3, 32, 32): smooth patterns of different colours, as faces differ."""
    generator = np.random.default_rng(1)
    coarse = generator.normal(size=(40, 3, 4, 4)) + generator.normal(size=(40, 3, 1, 1))
    return np.ascontiguousarray(coarse.repeat(8, axis=2).repeat(8, axis=3), np.float32)


@pytest.fixture(scope="session")
def make_graph(pictures: Tensor) -> MakeGraph:
    """Builds the small detector; ``spikes`` names weights with one outlier, which int8 harms."""

    def make(*, spikes: tuple[str, ...] = (), classes: int = 1) -> bytes:
        graph = _Builder(spikes)
        graph.build(classes)
        raw = run(open_session(graph.write()), pictures)
        last = graph.constants["head.2.weight"]
        graph.constants["head.2.weight"] = (last * 2 / raw.std()).astype(np.float32)
        return graph.write()

    return make


@pytest.fixture(scope="session")
def small_graph(make_graph: MakeGraph) -> bytes:
    """The small detector, without spikes."""
    return make_graph()


@pytest.fixture(scope="session")
def make_bundle(tmp_path_factory: pytest.TempPathFactory) -> MakeBundle:
    """Writes a graph as the bundle of a detector of whole frames; for a target if one is given."""

    def make(graph: bytes, *, target: Any = None, classes: tuple[str, ...] = ("fake",)) -> Bundle:
        signature = ModelSignature(img_size=SIDE, classes=classes)
        crop = CropContract(box_source=WHOLE_FRAME, margin=0.0, squaring="none", resize="stretch")
        files: dict[Role, bytes] = {
            "model": graph,
            "preprocess": preprocess_graph(model_input(signature), crop),
        }
        card = build_card(
            Description(
                name="toy",
                version="1.2.3",
                summary="A toy.",
                licence="Apache-2.0",
                provenance=Provenance(training_data="none"),
                limits=("A toy.",),
                quality=Quality(
                    min_face_pixels=0, min_sharpness=0, min_brightness=0, max_brightness=255
                ),
                min_usable_frames=1,
                crop=crop,
            ),
            DecisionNumbers(
                temperature=1.0,
                bias=0.0,
                fitted_on="nothing",
                fake=OperatingPoint(threshold=0.8, meaning="a test"),
                real=OperatingPoint(threshold=0.2, meaning="a test"),
            ),
            architecture="toy",
            signature=signature,
            opset=OPSET,
            files=files,
            deployment=None if target is None else Deployment(target=target),
        )
        folder = tmp_path_factory.mktemp("bundles") / "toy"
        write_bundle(folder, card, files)
        return load_bundle(folder)

    return make


@pytest.fixture(scope="session")
def toy(small_graph: bytes, make_bundle: MakeBundle) -> Bundle:
    """The bundle of the small detector."""
    return make_bundle(small_graph)


@pytest.fixture(scope="session")
def faces(pictures: Tensor, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the same patterns as pictures, half of them called fake."""
    folder = tmp_path_factory.mktemp("sets") / "patterns"
    for index, values in enumerate(pictures):
        place = folder / ("fake" if index % 2 else "real")
        place.mkdir(parents=True, exist_ok=True)
        levels = np.clip(values.transpose(1, 2, 0) * 60 + 128, 0, 255).astype(np.uint8)
        Pictures.fromarray(levels).save(place / f"{index:02}.png")
    return folder


class _Builder:
    """Collects the nodes and constants of the small detector."""

    def __init__(self, spikes: tuple[str, ...]) -> None:
        self.constants: dict[str, npt.NDArray[Any]] = {}
        self._spikes = spikes
        self._random = np.random.default_rng(0)
        self._nodes: list[Any] = []

    def build(self, classes: int) -> None:
        x = self._conv("input", "stem.conv", (48, 3, 3, 3), strides=[2, 2], pads=[1, 1, 1, 1])
        x = self._conv(x, "blocks.0.dw", (48, 1, 3, 3), group=48, pads=[1, 1, 1, 1])
        x = self._conv(x, "blocks.0.pw", (64, 48, 1, 1))
        gate = self._node("GlobalAveragePool", [x])
        gate = self._conv(gate, "blocks.0.se.reduce", (8, 64, 1, 1))
        gate = self._conv(gate, "blocks.0.se.expand", (64, 8, 1, 1), active=False)
        x = self._node("Mul", [x, self._node("Sigmoid", [gate])])
        up = {"kind": "ConvTranspose", "strides": [2, 2]}
        x = self._conv(x, "up", (64, 16, 2, 2), **up)
        x = self._node("Flatten", [self._node("GlobalAveragePool", [x])])
        x = self._node("Gemm", [x, self._weight("mlp.fc1.weight", (64, 16)), ""], transB=1)
        x = self._node("Gelu", [x])
        x = self._node("MatMul", [x, self._weight("val_7", (64, 32), fan=64)])
        x = self._node("Add", [x, self._constant("mlp.fc2.bias", np.full(32, 0.1))])
        head = self._weight("head.0.weight", (128, 32))
        x = self._node("Relu", [self._node("Gemm", [x, head], transB=1)])
        last = self._weight("head.2.weight", (classes, 128))
        self._nodes.append(helper.make_node("Gemm", [x, last], ["logit"], transB=1))

    def write(self) -> bytes:
        floats = TensorProto.FLOAT
        classes = len(self.constants["head.2.weight"])
        graph = helper.make_graph(
            self._nodes,
            "toy",
            [helper.make_tensor_value_info("input", floats, ["batch", 3, SIDE, SIDE])],
            [helper.make_tensor_value_info("logit", floats, ["batch", classes])],
            [numpy_helper.from_array(value, name) for name, value in self.constants.items()],
        )
        opset = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=10)
        return bytes(model.SerializeToString())

    def _conv(
        self,
        x: str,
        name: str,
        shape: tuple[int, ...],
        *,
        kind: str = "Conv",
        active: bool = True,
        **options: Any,
    ) -> str:
        outputs = shape[1] if kind == "ConvTranspose" else shape[0]
        bias = self._constant(f"{name}.bias", self._random.normal(size=outputs) * 0.1)
        y = self._node(kind, [x, self._weight(f"{name}.weight", shape), bias], **options)
        return self._node("Relu", [y]) if active else y

    def _weight(self, name: str, shape: tuple[int, ...], *, fan: int | None = None) -> str:
        values = self._random.normal(size=shape) * np.sqrt(2 / (fan or np.prod(shape[1:])))
        if name in self._spikes:
            values[:, 0] *= 40
        return self._constant(name, values)

    def _constant(self, name: str, values: npt.NDArray[Any]) -> str:
        self.constants[name] = values.astype(np.float32)
        return name

    def _node(self, kind: str, inputs: list[str], **options: Any) -> str:
        """One node, without a name as some exporters leave it; its output's name."""
        output = f"t{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [output], **options))
        return output

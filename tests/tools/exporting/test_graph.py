"""The graph: torch's numbers, nothing else in the file."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from dfedge.errors import FidelityError, UsageError
from dfedge_models import DetectorModel, ModelSignature
from dfedge_tools.exporting import graph as exporting
from dfedge_tools.exporting.graph import export_graph, export_onnx, open_session, run

ATTO = "dfedge_convnext_atto"
SIDE = 64


@pytest.mark.parametrize("name", ["ms_eff_gcvit_b0", ATTO])
def test_the_graph_gives_the_logits_of_torch(
    name: str, lively_model: Callable[..., Any], tmp_path: Path
) -> None:
    """For each edge family, opset 20, at batch sizes it was not traced with, to 1e-4."""
    model = lively_model(name)
    path = tmp_path / "model.onnx"
    report = export_onnx(model, path)
    graph = onnx.load(path)
    assert [(entry.domain, entry.version) for entry in graph.opset_import] == [("", 20)]
    assert report.batch_sizes == (1, 2, 5)
    assert report.max_difference <= 1e-4

    session = open_session(path.read_bytes())
    assert (session.get_inputs()[0].name, session.get_outputs()[0].name) == ("input", "logit")
    for size in (3, 7):
        images = np.random.default_rng(size).normal(size=(size, 3, SIDE, SIDE)).astype(np.float32)
        with torch.inference_mode():
            expected = model(torch.from_numpy(images)).numpy()
        assert np.ptp(expected) > 1e-3, "a model that ignores its input would prove nothing"
        np.testing.assert_allclose(run(session, images), expected, atol=1e-4, rtol=0)


def test_the_graph_tells_nothing_of_the_machine_it_was_made_on(atto: Any, tmp_path: Path) -> None:
    """No source line, path or time: torch writes them on every node."""
    export_onnx(atto, tmp_path / "model.onnx")
    model = onnx.load(tmp_path / "model.onnx")
    graph = model.graph
    told = [
        item.name
        for part in (graph.node, graph.initializer, graph.input, graph.output)
        for item in part
        if item.metadata_props or item.doc_string
    ]
    assert told == []
    assert (list(model.metadata_props), model.producer_version) == ([], "")
    assert b"site-packages" not in (tmp_path / "model.onnx").read_bytes()


def test_equal_weights_give_equal_bytes(atto: Any, tmp_path: Path) -> None:
    """So that a bundle can be made again and compared by its hash."""
    for name in ("one.onnx", "two.onnx"):
        export_onnx(atto, tmp_path / name)
    assert (tmp_path / "one.onnx").read_bytes() == (tmp_path / "two.onnx").read_bytes()


@pytest.mark.parametrize("opset", [18, 23])
def test_other_opsets_can_be_written(atto: Any, tmp_path: Path, opset: int) -> None:
    """The range the command offers."""
    export_onnx(atto, tmp_path / "model.onnx", opset=opset)
    versions = [entry.version for entry in onnx.load(tmp_path / "model.onnx").opset_import]
    assert versions == [opset]


def test_a_graph_that_differs_is_not_written(
    lively_model: Callable[..., Any], tmp_path: Path
) -> None:
    """A logit that is not a number agrees with nothing, so the export is an error."""
    model = lively_model(ATTO)
    with torch.no_grad():
        model.backbone.head.fc.bias.fill_(math.nan)
    path = tmp_path / "model.onnx"
    with pytest.raises(FidelityError):
        export_onnx(model, path)
    assert not path.exists()


def test_a_difference_over_the_tolerance_is_told(atto: Any, tmp_path: Path) -> None:
    """The message has the difference and the tolerance."""
    with pytest.raises(FidelityError, match=r"from torch by .* over the tolerance of -1"):
        export_onnx(atto, tmp_path / "model.onnx", tolerance=-1.0)


class ClipModel(DetectorModel):
    """Four small frames to two classes, fake second: what a video model takes and gives."""

    def __init__(self) -> None:
        super().__init__()
        self.frame = torch.nn.Conv2d(3, 8, 3, stride=4)
        self.head = torch.nn.Linear(8, 2)

    @property
    def signature(self) -> ModelSignature:
        """Four frames, two classes."""
        return ModelSignature(
            img_size=32, frames=4, classes=("real", "fake"), fake_index=1, activation="softmax"
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, 4, 3, 32, 32) -> (B, 2)."""
        frames = self.frame(x.flatten(0, 1)).mean(dim=(2, 3))  # (B * 4, 8)
        return self.head(frames.unflatten(0, (-1, 4)).mean(dim=1))


def test_clips_and_several_classes_are_exported_too() -> None:
    """A model of clips has a free batch before its frames, and as many logits as classes."""
    proto, report = export_graph(ClipModel())
    assert report.batch_sizes == (1, 2)
    session = open_session(proto.SerializeToString())
    assert session.get_inputs()[0].shape == ["batch", 4, 3, 32, 32]
    assert run(session, np.zeros((3, 4, 3, 32, 32), np.float32)).shape == (3, 2)


def test_a_graph_too_large_for_onnxsim_is_left_as_it_is(
    atto: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the report says so; the numbers are compared all the same."""
    monkeypatch.setattr(exporting, "SIMPLIFY_LIMIT", 1_000_000)
    _, report = export_graph(atto)
    assert report.simplified == "not simplified: 0.0 GB of weights, over 0.001 GB"
    assert report.max_difference <= 1e-4


def test_a_graph_too_large_for_one_file_is_an_error(
    atto: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is written; bundles hold no weights outside their graph."""
    monkeypatch.setattr(exporting, "FILE_LIMIT", 1_000_000)
    with pytest.raises(UsageError, match="over the 2 GB of one ONNX file"):
        export_graph(atto)


def test_a_simplification_that_changes_the_numbers_is_caught(
    atto: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What onnxsim gives is compared with torch, not taken on trust."""

    def wrong(proto: onnx.ModelProto) -> onnx.ModelProto:
        for constant in proto.graph.initializer:
            if constant.data_type == onnx.TensorProto.FLOAT and len(constant.dims) == 4:
                values = onnx.numpy_helper.to_array(constant) * np.float32(1.5)
                constant.CopyFrom(onnx.numpy_helper.from_array(values, constant.name))
        return proto

    monkeypatch.setattr(exporting, "simplify", wrong)
    with pytest.raises(FidelityError, match="differs from torch by"):
        export_graph(atto)

"""A published ONNX graph: taken over byte for byte once it has shown what it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra 'tools'")
pytest.importorskip("timm", reason="needs the extra 'tools'")
pytest.importorskip("onnx", reason="needs the extra 'tools'")
pytest.importorskip("onnxsim", reason="needs the extra 'tools'")

import onnx
from onnx import TensorProto, helper, numpy_helper

from dfedge.bundles.store import resolve_detector
from dfedge.cli import main
from dfedge.runtime import open_model
from dfedge.scoring import fake_logits

Output = pytest.CaptureFixture[str]
NAME = "genconvit-ed-onnx"


def graph(
    *,
    input_name: str = "input",
    batch: int | str = "batch",
    side: int = 224,
    classes: int = 2,
    bias: float = 0.0,
    couples: bool = False,
) -> bytes:
    """A tiny graph with the published one's face: mean colour -> logits named ``output``.

    Args:
        bias: added to every logit.
        couples: takes the mean over the batch as well, as no detector may.
    """
    weight = np.linspace(-1, 1, 3 * classes, dtype=np.float32).reshape(3, classes)
    axes = [0, 2, 3] if couples else [2, 3]
    shape = [1, 3] if couples else [-1, 3]
    constants = {
        "axes": np.array(axes),
        "shape": np.array(shape),
        "weight": weight,
        "bias": np.full(classes, bias, np.float32),
    }
    nodes = [
        helper.make_node("ReduceMean", [input_name, "axes"], ["mean"], keepdims=0),
        helper.make_node("Reshape", ["mean", "shape"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weight"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["sum"]),
    ]
    last = "sum"
    if couples:  # the sum over a batch of noise, for each row
        constants["zero"] = np.zeros((3, classes), np.float32)
        constants["own_axes"] = np.array([2, 3])
        nodes += [
            helper.make_node("ReduceMean", [input_name, "own_axes"], ["own"], keepdims=0),
            helper.make_node("MatMul", ["own", "zero"], ["nothing"]),
            helper.make_node("Add", ["sum", "nothing"], ["coupled"]),
        ]
        last = "coupled"
    nodes.append(helper.make_node("Identity", [last], ["output"]))
    made = helper.make_graph(
        nodes,
        "published",
        [helper.make_tensor_value_info(input_name, TensorProto.FLOAT, [batch, 3, side, side])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [batch, classes])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content


def run(path: Path) -> int:
    """The command's exit code."""
    return main(["models", "import", NAME, "--checkpoint", str(path), "--quiet"])


def test_a_published_graph_becomes_a_bundle_byte_for_byte(tmp_path: Path, capsys: Output) -> None:
    """Class 0 is fake, whatever the table on its page says; names and opset are the graph's."""
    path = tmp_path / "genconvit_ed_inference.onnx"
    path.write_bytes(graph())
    assert 0 == run(path)
    assert "taken over as it is (opset 18)" in capsys.readouterr().out
    bundle, card = resolve_detector(NAME)
    assert path.read_bytes() == bundle.read("model")
    assert bundle.sha256 == card.provenance.source_sha256
    assert ("output", 0, "sigmoid", 18) == (
        card.output.name,
        card.output.fake_index,
        card.output.activation,
        card.opset,
    )
    model = open_model(bundle, device="cpu", threads=1)
    pictures = np.ones((1, 3, 224, 224), np.float32)
    logits = model.run({"input": pictures})["output"]
    odds = fake_logits(logits, card.output)
    assert (logits[0, 0] > logits[0, 1]) == (odds[0] > 0)
    assert logits[0, 0] != logits[0, 1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"input_name": "x"}, "must have one input 'input' and one output"),
        ({"batch": 1}, "its batch must be free, not 1"),
        ({"side": 256}, "its input must be float (batch, 3, 224, 224)"),
        ({"classes": 1}, "its output must be (batch, 2)"),
        ({"bias": float("nan")}, "not 2 finite logits each"),
        ({"couples": True}, "change by"),
    ],
)
def test_another_graph_is_refused(
    tmp_path: Path, capsys: Output, change: dict[str, Any], message: str
) -> None:
    """What it should be, and what it is."""
    path = tmp_path / "w.onnx"
    path.write_bytes(graph(**change))
    assert 2 == run(path)
    error = capsys.readouterr().err
    assert f"{path}: " in error
    assert message in error


@pytest.mark.parametrize("content", [b"", b"<html>Log in</html>", b"\x08\x09\x3a\x00"])
def test_what_is_no_graph_is_refused(tmp_path: Path, capsys: Output, content: bytes) -> None:
    """An error page saved under the file's name, for example."""
    path = tmp_path / "w.onnx"
    path.write_bytes(content)
    assert 2 == run(path)
    assert str(path) in capsys.readouterr().err

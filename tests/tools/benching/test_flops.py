"""Operations of a model are counted as one would by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

import dfedge_models
from dfedge.bundles.store import resolve
from dfedge.errors import BundleFormatError
from dfedge_tools.benching.flops import graph_flops, torch_flops


def one_node_graph(
    operator: str,
    inputs: list[tuple[int | str, ...]],
    constants: list[tuple[int, ...]],
    **attributes: object,
) -> bytes:
    """A model of one operator: free inputs first, then constants, of these shapes."""
    names = [f"x{index}" for index in range(len(inputs))]
    weights = [
        numpy_helper.from_array(np.ones(shape, np.float32), f"w{index}")
        for index, shape in enumerate(constants)
    ]
    node = helper.make_node(operator, [*names, *(w.name for w in weights)], ["y"], **attributes)
    graph = helper.make_graph(
        [node],
        "one",
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in zip(names, inputs, strict=True)
        ],
        [
            helper.make_tensor_value_info(
                "y", TensorProto.FLOAT, [f"free{k}" for k in range(len(inputs[0]))]
            )
        ],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    content: bytes = model.SerializeToString()
    return content


@pytest.mark.parametrize(
    ("graph", "expected"),
    [
        # 8 output channels of 5 x 5, each the sum over 3 x 3 x 3 weights
        (one_node_graph("Conv", [("n", 3, 7, 7)], [(8, 3, 3, 3)]), 2 * 8 * 25 * 27),
        # depth-wise: each output sums over 3 x 3
        (one_node_graph("Conv", [("n", 6, 7, 7)], [(6, 1, 3, 3)], group=6), 2 * 6 * 25 * 9),
        # 4 channels of 5 x 5 in, each spread over 2 channels of 2 x 2
        (
            one_node_graph("ConvTranspose", [("n", 4, 5, 5)], [(4, 2, 2, 2)], strides=[2, 2]),
            2 * 4 * 25 * 8,
        ),
        (one_node_graph("MatMul", [("n", 3, 5)], [(5, 7)]), 2 * 3 * 5 * 7),
        (one_node_graph("Gemm", [("n", 5)], [(7, 5)], transB=1), 2 * 5 * 7),
        (one_node_graph("Relu", [("n", 5)], []), 0),
    ],
    ids=["conv", "depth-wise", "transposed", "matmul", "gemm", "relu"],
)
@pytest.mark.parametrize("batch", [1, 4])
def test_one_operator_is_counted_by_hand(graph: bytes, expected: int, batch: int) -> None:
    """Twice the multiply-adds of one input, whatever the batch."""
    assert expected == graph_flops(graph, batch=batch)


def test_a_turned_first_factor_is_counted_along_its_inner_side() -> None:
    """``transA`` of Gemm: (K, M) times (K, N)."""
    graph = one_node_graph("Gemm", [(5, 3)], [(5, 7)], transA=1)
    assert 2 * 3 * 5 * 7 == graph_flops(graph, batch=5) * 5


def test_a_shape_that_cannot_be_inferred_is_an_error() -> None:
    """A count that leaves something out would pass for a whole one."""
    graph = one_node_graph("MatMul", [("n", 3, "width")], [(5, 7)])
    with pytest.raises(BundleFormatError, match="cannot be inferred"):
        graph_flops(graph)


def test_a_shape_that_the_graph_computes_of_its_batch_is_followed() -> None:
    """As GenConViT's, which takes pairs out of a batch by numbers it counts up to."""
    count = helper.make_node("Shape", ["x"], ["dims"])
    take = helper.make_node("Gather", ["dims", "zero"], ["n"])
    numbers = helper.make_node("Range", ["zero", "n", "one"], ["rows"])
    pick = helper.make_node("Gather", ["x", "rows"], ["picked"])
    multiply = helper.make_node("MatMul", ["picked", "w"], ["y"])
    scalars = [
        numpy_helper.from_array(np.asarray(k), name) for k, name in ((0, "zero"), (1, "one"))
    ]
    weight = numpy_helper.from_array(np.ones((50, 70), np.float32), "w")
    graph = helper.make_graph(
        [count, take, numbers, pick, multiply],
        "counting",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ("batch", 50))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ("batch", 70))],
        [*scalars, weight],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    assert 2 * 50 * 70 == graph_flops(model.SerializeToString(), batch=3)


@pytest.mark.parametrize("name", ["dfedge-b0", "dfedge-b0-int8"])
def test_the_shipped_bundles_count_as_their_architecture_does(name: str) -> None:
    """The graph's count and torch's own agree, however the weights are stored."""
    with torch.device("meta"):
        model = dfedge_models.create("ms_eff_gcvit_b0", img_size=160)
    expected = torch_flops(model.eval())
    assert graph_flops(resolve(name).read("model")) == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize(
    ("architecture", "gflop"),
    [
        ("ms_eff_gcvit_b0", 1.67),
        ("dfedge_convnext_atto", 1.09),
        ("dfedge_convnext_tiny", 8.9),
        ("genconvit_ed", 18.4),
    ],
)
def test_named_models_cost_what_was_measured_of_them(architecture: str, gflop: float) -> None:
    """Figures of the published models, found before by other means, to their last digit."""
    with torch.device("meta"):
        model = dfedge_models.create(architecture)
    assert torch_flops(model.eval()) / 1e9 == pytest.approx(gflop, rel=0.01)

"""Operators that a runtime lacks are found and named."""

from __future__ import annotations

from collections.abc import Sequence

import onnx
import pytest
from onnx import TensorProto, helper

from dfedge.bundles.store import builtin_folder
from dfedge_tools.exporting.operator_sources import (
    from_onnxruntime,
    from_tensorrt_page,
    from_webgpu_page,
)
from dfedge_tools.exporting.operators import (
    RUNTIMES,
    OperatorTable,
    check_operators,
    implements,
    read_table,
)
from dfedge_tools.exporting.targets import Runtime

SHIPPED = ("dfedge-b0", "dfedge-b0-int8")


def graph_of(operators: Sequence[str], *, opset: int = 20, domain: str = "") -> onnx.ModelProto:
    """A graph of one node of each operator; its wiring does not matter here."""
    nodes = [
        helper.make_node(name, ["x"], [f"y{index}"], name=f"the {name}", domain=domain)
        for index, name in enumerate(operators)
    ]
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    graph = helper.make_graph(nodes, "g", [value], [])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])


@pytest.mark.parametrize("runtime", sorted(RUNTIMES))
@pytest.mark.parametrize("name", SHIPPED)
def test_every_runtime_has_the_operators_of_what_ships(name: str, runtime: Runtime) -> None:
    """The default bundles run on every target."""
    check = check_operators(onnx.load(builtin_folder() / name / "model.onnx"), runtime)
    assert check.missing == ()
    assert check.runs


@pytest.mark.parametrize(
    "operator",
    [
        "RandomNormalLike",
        "ConvInteger",
        "MatMulInteger",
        "DynamicQuantizeLinear",
        "QLinearConv",
        "QLinearMatMul",
    ],
)
def test_what_webgpu_lacks_runs_on_wasm(operator: str) -> None:
    """Random numbers and int8 products: named with their nodes, and no obstacle."""
    proto = graph_of(["Relu", operator])
    found = check_operators(proto, "webgpu")
    assert [(entry.operator, entry.nodes) for entry in found.missing] == [
        (operator, (f"the {operator}",))
    ]
    assert found.runs
    assert check_operators(proto, "wasm").missing == ()


def test_what_tensorrt_lacks_stops_it() -> None:
    """There is nothing else to run the node on."""
    found = check_operators(graph_of(["Conv", "MatMulInteger"]), "tensorrt")
    assert [entry.operator for entry in found.missing] == ["MatMulInteger"]
    assert not found.runs


@pytest.mark.parametrize(("opset", "lacking"), [(20, []), (21, []), (22, ["Conv"])])
def test_a_newer_version_of_an_operator_is_another(opset: int, lacking: list[str]) -> None:
    """Convolution changed in opset 22, which the WebGPU kernel (11+) does not take."""
    found = check_operators(graph_of(["Conv", "Sigmoid"], opset=opset), "webgpu")
    assert [entry.operator for entry in found.missing] == lacking


def test_an_operator_nobody_knows_is_named_with_its_domain() -> None:
    """As ONNX Runtime writes it."""
    found = check_operators(graph_of(["Magic"], domain="my.own"), "cpu")
    assert [entry.operator for entry in found.missing] == ["my.own.Magic"]
    assert not found.runs


def test_operators_inside_branches_are_seen() -> None:
    """A graph within a node counts like the one around it."""
    inner = graph_of(["MatMulInteger"]).graph
    branch = helper.make_node("If", ["x"], ["y"], then_branch=inner, else_branch=inner)
    proto = graph_of([])
    proto.graph.node.append(branch)
    found = check_operators(proto, "tensorrt")
    assert [(entry.operator, len(entry.nodes)) for entry in found.missing] == [("MatMulInteger", 2)]


@pytest.mark.parametrize(
    ("since", "expected"), [(6, False), (7, True), (10, True), (13, True), (14, True), (15, False)]
)
def test_version_ranges_are_read_as_onnx_runtime_reads_them(since: int, expected: bool) -> None:
    """Closed ranges hold all they span, an open one only what it begins with."""
    table = OperatorTable(version="1", source="here", operators={"": {"Add": "7-12,13,14+"}})
    assert implements(table, "", "Add", since, opset=20) is expected


def test_operators_defined_by_others_need_no_kernel() -> None:
    """ONNX Runtime puts them together where the standard says how; TensorRT does not."""
    proto = graph_of(["AffineGrid"])
    assert check_operators(proto, "wasm").missing == ()
    assert [entry.operator for entry in check_operators(proto, "tensorrt").missing] == [
        "AffineGrid"
    ]


# --- where the tables are from


@pytest.mark.parametrize("name", sorted({facts.table for facts in RUNTIMES.values()}))
def test_a_table_says_its_version_and_source(name: str) -> None:
    """So that anybody can make it again."""
    table = read_table(name)
    assert table.version in table.source
    assert len(table.operators[""]) > 90


def test_the_installed_runtime_is_asked_for_its_kernels() -> None:
    """Its registry has at least the operators of the table that ships, from a near version."""
    installed = from_onnxruntime().operators[""]
    shipped = read_table("onnxruntime_cpu").operators[""]
    assert sorted(set(shipped) - set(installed)) == []


def test_the_page_of_webgpu_is_read() -> None:
    """Domains apart, those that ONNX Runtime makes itself left out."""
    page = (
        "| Operator | Opset | Comments |\n|:---:|:---:|---|\n"
        "| Conv | ai.onnx(1-10,11+); com.ms.internal.nhwc(1-10,11+) | conv3d is not supported |\n"
        "| Gelu | ai.onnx(20+); com.microsoft(1+) |  |\n"
    )
    table = from_webgpu_page(page, "1.2.3")
    assert table.operators == {
        "": {"Conv": "1-10,11+", "Gelu": "20+"},
        "com.microsoft": {"Gelu": "1+"},
    }


def test_the_page_of_tensorrt_is_read() -> None:
    """Version, opsets, and what is marked with Y, whatever stands behind it."""
    page = (
        "TensorRT 10.15 supports operators in the inclusive range of opset 9 to opset 24. More.\n"
        "| Operator | Supported | Supported Types |\n|---|---|---|\n"
        "| Abs | Y | FP32 |\n| Det | N |\n| TopK | Y [EXPERIMENTAL] | FP32 |\n"
    )
    table = from_tensorrt_page(page)
    assert (table.version, table.opsets) == ("10.15", (9, 24))
    assert table.operators == {"": {"Abs": "*", "TopK": "*"}}

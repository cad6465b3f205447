"""Which operators of a graph a runtime lacks.

The tables in ``operator_tables/`` say with their version where they are from;
``python -m dfedge_tools.exporting.operator_sources`` makes them again.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType
from typing import Any, Final

import msgspec
import onnx

from dfedge_tools.exporting.targets import Runtime

ANY_VERSION: Final = "*"
EVERYWHERE: Final = frozenset({"Constant"})
"""Read with the graph, never run."""
_RANGE = re.compile(r"(\d+)(?:-(\d+)|(\+))?")


class OperatorTable(msgspec.Struct, frozen=True, kw_only=True):
    """What one runtime implements."""

    version: str
    """Of the runtime."""
    source: str
    """Where the table is from."""
    opsets: tuple[int, int] | None = None
    """Lowest and highest it reads, where its source says so."""
    operators: dict[str, dict[str, str]]
    """By domain (empty: the standard's) and name, the versions: ``7-12,13,14+``, or ``*``."""


@dataclass(frozen=True, slots=True)
class RuntimeFacts:
    """One runtime of the checks.

    Attributes:
        table: file in ``operator_tables``.
        name: for reports.
        fallback: what becomes of a node it lacks; None: the model does not run.
        expands: puts an operator it lacks together from others, where the standard says how.
    """

    table: str
    name: str
    fallback: str | None = None
    expands: bool = False


RUNTIMES: Final[Mapping[Runtime, RuntimeFacts]] = MappingProxyType(
    {
        "cpu": RuntimeFacts("onnxruntime_cpu", "ONNX Runtime, CPU", expands=True),
        "wasm": RuntimeFacts("onnxruntime_cpu", "ONNX Runtime Web, WASM", expands=True),
        "webgpu": RuntimeFacts(
            "onnxruntime_webgpu", "ONNX Runtime Web, WebGPU", fallback="runs on WASM instead"
        ),
        "mobile": RuntimeFacts(
            "onnxruntime_cpu", "ONNX Runtime for Android and iOS, CPU", expands=True
        ),
        "tensorrt": RuntimeFacts("tensorrt", "TensorRT"),
    }
)


@dataclass(frozen=True, slots=True)
class MissingOperator:
    """An operator that a runtime lacks.

    Attributes:
        operator: name, with its domain before it unless that is the standard's.
        since: version of the operator that the graph uses.
        nodes: names of its nodes.
    """

    operator: str
    since: int
    nodes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OperatorCheck:
    """What was found for one runtime.

    Attributes:
        name: of the runtime, with its version.
        fallback: see :class:`RuntimeFacts`.
        missing: empty: it can run all of the graph.
    """

    name: str
    fallback: str | None
    missing: tuple[MissingOperator, ...]

    @property
    def runs(self) -> bool:
        """Whether the model runs there, perhaps with some nodes elsewhere."""
        return not self.missing or self.fallback is not None


def check_operators(proto: onnx.ModelProto, runtime: Runtime) -> OperatorCheck:
    """Compare all nodes of a graph, and of graphs in it, with a runtime's table."""
    facts = RUNTIMES[runtime]
    table = read_table(facts.table)
    opsets = {_plain(entry.domain): entry.version for entry in proto.opset_import}
    nodes: dict[tuple[str, str], list[str]] = {}
    for node in _all_nodes(proto.graph):
        nodes.setdefault((_plain(node.domain), node.op_type), []).append(
            node.name or node.output[0]
        )
    missing = []
    for (domain, operator), names in sorted(nodes.items()):
        schema = _schema(domain, operator, opsets.get(domain, 1))
        since = schema.since_version if schema is not None else 1
        if implements(table, domain, operator, since, opset=opsets.get("", 1)):
            continue
        if facts.expands and schema is not None and _has_body(schema):
            continue
        name = f"{domain}.{operator}" if domain else operator
        missing.append(MissingOperator(name, since, tuple(names)))
    return OperatorCheck(f"{facts.name} {table.version}", facts.fallback, tuple(missing))


def implements(table: OperatorTable, domain: str, operator: str, since: int, *, opset: int) -> bool:
    """Whether a table has an operator in a version.

    ONNX Runtime takes an open range (``11+``) for the version it begins with only: a newer version
    of the operator, which may mean something else, needs its own entry (``KernelRegistry``).
    """
    if table.opsets is not None and not table.opsets[0] <= opset <= table.opsets[1]:
        return False
    versions = table.operators.get(domain, {}).get(operator)
    if versions is None or versions == ANY_VERSION:
        return versions == ANY_VERSION
    for first, last, _open in _RANGE.findall(versions):
        if int(first) == since or (last and int(first) <= since <= int(last)):
            return True
    return False


@functools.cache
def read_table(name: str) -> OperatorTable:
    """A table of this package."""
    folder = resources.files("dfedge_tools.exporting") / "operator_tables"
    return msgspec.json.decode((folder / f"{name}.json").read_bytes(), type=OperatorTable)


def _all_nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _all_nodes(inner)


def _schema(domain: str, operator: str, opset: int) -> onnx.defs.OpSchema | None:
    """What an opset says of an operator; None where onnx does not know it."""
    try:
        return onnx.defs.get_schema(operator, opset, domain)
    except onnx.defs.SchemaError:
        return None


def _has_body(schema: Any) -> bool:  # onnx's types lack the two
    """Whether the standard defines the operator by others."""
    return bool(schema.has_function or schema.has_context_dependent_function)


def _plain(domain: str) -> str:
    return "" if domain == "ai.onnx" else domain

"""What must be known of a model file before a runtime is given it, read from its protobuf bytes.

Only the few fields of ``onnx.proto`` named below are looked at, so neither the ``onnx`` package nor
a runtime is needed. Wire format: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

# Field numbers of onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).
_MODEL_IR_VERSION, _MODEL_GRAPH, _MODEL_OPSET_IMPORT, _MODEL_FUNCTIONS = 1, 7, 8, 25
_OPSET_DOMAIN, _OPSET_VERSION = 1, 2
_GRAPH_NODE, _GRAPH_INITIALIZER = 1, 5
_NODE_ATTRIBUTE = 5
_FUNCTION_NODE = 7
_ATTRIBUTE_TENSOR, _ATTRIBUTE_GRAPH, _ATTRIBUTE_TENSORS, _ATTRIBUTE_GRAPHS = 5, 6, 10, 11
_TENSOR_DATA_LOCATION = 14
_EXTERNAL = 1

_MAX_DEPTH = 32
"""Graphs inside graphs; real models have one or two levels."""


@dataclass(frozen=True, slots=True)
class OnnxHeader:
    """The head of a model file.

    Attributes:
        ir_version: version of the file format.
        opset: version of the standard operators (domain ``ai.onnx``); None when not declared.
        external_data: whether some weights lie in a file beside the model.
    """

    ir_version: int
    opset: int | None
    external_data: bool


def read_onnx_header(model: bytes) -> OnnxHeader:
    """Read the head of an ONNX file.

    Raises:
        ValueError: the bytes are not a protobuf message, are cut off, or hold no graph.
    """
    ir_version, opset, has_graph, external = 0, None, False, False
    for field, value in _fields(memoryview(model)):
        if field == _MODEL_IR_VERSION and isinstance(value, int):
            ir_version = value
        elif isinstance(value, int):
            continue
        elif field == _MODEL_OPSET_IMPORT:
            domain, version = _operator_set(value)
            if domain in ("", "ai.onnx"):
                opset = version
        elif field == _MODEL_GRAPH:
            has_graph = True
            external = external or _graph_has_external_data(value, _GRAPH_NODE, 0)
        elif field == _MODEL_FUNCTIONS:
            external = external or _graph_has_external_data(value, _FUNCTION_NODE, 0)
    if not has_graph or ir_version < 1:
        raise ValueError("it holds no graph")
    return OnnxHeader(ir_version, opset, external)


def _operator_set(message: memoryview) -> tuple[str, int]:
    domain, version = "", 0
    for field, value in _fields(message):
        if field == _OPSET_DOMAIN and not isinstance(value, int):
            domain = bytes(value).decode("utf-8", "replace")
        elif field == _OPSET_VERSION and isinstance(value, int):
            version = value
    return domain, version


def _graph_has_external_data(graph: memoryview, node_field: int, depth: int) -> bool:
    """Whether an initializer or a constant of the graph (or function) points to another file."""
    if depth > _MAX_DEPTH:
        raise ValueError(f"its graphs are nested more than {_MAX_DEPTH} deep")
    for field, value in _fields(graph):
        if isinstance(value, int):
            continue
        if field == node_field:
            if _node_has_external_data(value, depth):
                return True
        elif (
            field == _GRAPH_INITIALIZER and node_field == _GRAPH_NODE and _tensor_is_external(value)
        ):
            return True
    return False


def _node_has_external_data(node: memoryview, depth: int) -> bool:
    for node_field, attribute in _fields(node):
        if node_field != _NODE_ATTRIBUTE or isinstance(attribute, int):
            continue
        for field, value in _fields(attribute):
            if isinstance(value, int):
                continue
            if field in (_ATTRIBUTE_TENSOR, _ATTRIBUTE_TENSORS):
                if _tensor_is_external(value):
                    return True
            elif field in (_ATTRIBUTE_GRAPH, _ATTRIBUTE_GRAPHS) and _graph_has_external_data(
                value, _GRAPH_NODE, depth + 1
            ):
                return True
    return False


def _tensor_is_external(tensor: memoryview) -> bool:
    return any(
        field == _TENSOR_DATA_LOCATION and value == _EXTERNAL for field, value in _fields(tensor)
    )


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Each field of a message with its value: a number, or the bytes of what has a length."""
    position, end = 0, len(message)
    while position < end:
        key, position = _varint(message, position)
        field, wire_type = key >> 3, key & 7
        if field == 0:
            raise ValueError("it is not a protobuf message")
        if wire_type == 0:
            value, position = _varint(message, position)
            yield field, value
            continue
        if wire_type == 2:
            length, position = _varint(message, position)
        elif wire_type in (1, 5):
            length = 8 if wire_type == 1 else 4
        else:
            raise ValueError("it is not a protobuf message")
        if length > end - position:
            raise ValueError("it is cut off")
        yield field, message[position : position + length]
        position += length


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(message):
            raise ValueError("it is cut off")
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError("it is not a protobuf message")

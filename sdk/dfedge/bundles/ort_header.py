"""What must be known of a model in ONNX Runtime's own format (``.ort``) before it is opened.

Such a file is a FlatBuffer (https://flatbuffers.dev/internals/) of the schema ``ort.fbs`` of ONNX
Runtime; only the few fields named below are looked at.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_IDENTIFIER, _IDENTIFIER_AT = b"ORTM", 4

# Places of fields in the tables of ort.fbs.
_SESSION_FORMAT_VERSION, _SESSION_MODEL = 0, 1
_MODEL_OPSET_IMPORT, _MODEL_GRAPH = 1, 7
_OPSET_DOMAIN, _OPSET_VERSION = 0, 1

_MAX_OPSETS = 64
"""Sets of operators a model may name; real ones name a dozen."""


@dataclass(frozen=True, slots=True)
class OrtHeader:
    """The head of a model file.

    Attributes:
        format_version: of ONNX Runtime's format, for example 6.
        opset: version of the standard operators (domain ``ai.onnx``); None when not declared.
    """

    format_version: int
    opset: int | None


def is_ort_format(model: bytes) -> bool:
    """Whether the bytes say that they are of ONNX Runtime's format."""
    return model[_IDENTIFIER_AT : _IDENTIFIER_AT + len(_IDENTIFIER)] == _IDENTIFIER


def read_ort_header(model: bytes) -> OrtHeader:
    """Read the head of a file of ONNX Runtime's format.

    Raises:
        ValueError: the bytes are cut off or point outside the file, or hold no graph.
    """
    if not is_ort_format(model):
        raise ValueError("it is not of ONNX Runtime's format")
    try:
        return _read(memoryview(model))
    except struct.error as error:
        raise ValueError("it is cut off, or points outside itself") from error


def _read(data: memoryview) -> OrtHeader:
    session = _follow(data, 0)
    version_at, model_at = (
        _field(data, session, place) for place in (_SESSION_FORMAT_VERSION, _SESSION_MODEL)
    )
    if version_at is None or model_at is None:
        raise ValueError("it holds no model")
    text = _string(data, _follow(data, version_at))
    if not text.isdecimal() or len(text) > 9:
        raise ValueError(f"its format has the version {text[:20]!r}")
    model = _follow(data, model_at)
    if _field(data, model, _MODEL_GRAPH) is None:
        raise ValueError("it holds no graph")
    opset = None
    for entry in _tables(data, _field(data, model, _MODEL_OPSET_IMPORT)):
        domain_at, number_at = (
            _field(data, entry, place) for place in (_OPSET_DOMAIN, _OPSET_VERSION)
        )
        domain = "" if domain_at is None else _string(data, _follow(data, domain_at))
        if domain in ("", "ai.onnx") and number_at is not None:
            opset = struct.unpack_from("<q", data, number_at)[0]
    return OrtHeader(int(text), opset)


def _field(data: memoryview, table: int, place: int) -> int | None:
    """Where a field of a table lies; None when the table does not have it."""
    vtable = table - struct.unpack_from("<i", data, table)[0]
    if vtable < 0:
        raise ValueError("it points outside itself")
    size = struct.unpack_from("<H", data, vtable)[0]
    slot = 4 + 2 * place
    if slot + 2 > size:
        return None
    offset = struct.unpack_from("<H", data, vtable + slot)[0]
    return table + offset if offset else None


def _follow(data: memoryview, position: int) -> int:
    """What an offset points to; offsets point forward only."""
    target: int = position + struct.unpack_from("<I", data, position)[0]
    return target


def _string(data: memoryview, position: int) -> str:
    size = struct.unpack_from("<I", data, position)[0]
    content = struct.unpack_from(f"<{size}s", data, position + 4)[0]
    return bytes(content).decode("utf-8", "replace")


def _tables(data: memoryview, position: int | None) -> Iterator[int]:
    """Each table of a vector of them."""
    if position is None:
        return
    vector = _follow(data, position)
    count = struct.unpack_from("<I", data, vector)[0]
    if count > _MAX_OPSETS:
        raise ValueError(f"it names {count} sets of operators")
    for index in range(count):
        yield _follow(data, vector + 4 + 4 * index)

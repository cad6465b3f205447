"""The untyped parts of LiteRT this converter uses: the schema of the file and the interpreter."""

from __future__ import annotations

import importlib
from typing import Any

from dfedge.errors import MissingExtraError


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingExtraError("converting BlazeFace", "tools") from error


flatbuffers = _import("flatbuffers")
schema = _import("ai_edge_litert.schema_py_generated")


def open_interpreter(tflite: bytes) -> Any:
    """Return LiteRT's interpreter on a model, tensors allocated, one thread."""
    interpreter = _import("ai_edge_litert.interpreter").Interpreter(
        model_content=tflite, num_threads=1
    )
    interpreter.allocate_tensors()
    return interpreter

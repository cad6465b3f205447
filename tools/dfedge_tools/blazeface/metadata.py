"""Adds to a ``.tflite`` the one piece of metadata without which MediaPipe Tasks refuses it.

MediaPipe's JavaScript package ships its detectors bare; the Tasks API wants to read from the
file that pixels are normalised by (x - 127.5) / 127.5. The table slots below are those of
``metadata_schema.fbs`` of TensorFlow Lite, file identifier M001.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dfedge_tools.blazeface.litert import flatbuffers, schema

METADATA_NAME = b"TFLITE_METADATA"
MEAN = 127.5
STD = 127.5

# slots of the fields used, and the number of fields, of each table
_MODEL_FIELDS, _MODEL_SUBGRAPHS = 8, 3
_SUBGRAPH_FIELDS, _SUBGRAPH_INPUTS, _SUBGRAPH_OUTPUTS = 10, 2, 3
_TENSOR_FIELDS, _TENSOR_PROCESS_UNITS = 7, 4
_UNIT_FIELDS, _UNIT_OPTIONS_TYPE, _UNIT_OPTIONS = 2, 0, 1
_NORMALISATION_FIELDS, _NORMALISATION_MEAN, _NORMALISATION_STD = 2, 0, 1
_NORMALISATION_OPTIONS = 1  # member of the union ProcessUnitOptions


def with_normalisation(tflite_model: bytes) -> bytes:
    """Return the same model, weights and operators untouched, with the metadata added.

    A model that has metadata already is returned as it is.
    """
    model = schema.ModelT.InitFromPackedBuf(tflite_model, 0)
    if any(entry.name == METADATA_NAME for entry in model.metadata or []):
        return tflite_model
    output_count = len(model.subgraphs[0].outputs)
    buffer = schema.BufferT()
    buffer.data = list(_metadata(output_count))
    entry = schema.MetadataT()
    entry.name = METADATA_NAME
    entry.buffer = len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [*(model.metadata or []), entry]
    builder = flatbuffers.Builder(len(tflite_model))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _metadata(output_count: int) -> bytes:
    builder = flatbuffers.Builder(256)
    mean = builder.CreateNumpyVector(_float32(MEAN))
    std = builder.CreateNumpyVector(_float32(STD))
    options = _table(
        builder, _NORMALISATION_FIELDS, {_NORMALISATION_MEAN: mean, _NORMALISATION_STD: std}
    )
    builder.StartObject(_UNIT_FIELDS)
    builder.PrependUint8Slot(_UNIT_OPTIONS_TYPE, _NORMALISATION_OPTIONS, 0)
    builder.PrependUOffsetTRelativeSlot(_UNIT_OPTIONS, options, 0)
    units = _vector(builder, [builder.EndObject()])
    image = _table(builder, _TENSOR_FIELDS, {_TENSOR_PROCESS_UNITS: units})
    inputs = _vector(builder, [image])
    outputs = _vector(builder, [_table(builder, _TENSOR_FIELDS, {}) for _ in range(output_count)])
    subgraph = _table(
        builder, _SUBGRAPH_FIELDS, {_SUBGRAPH_INPUTS: inputs, _SUBGRAPH_OUTPUTS: outputs}
    )
    subgraphs = _vector(builder, [subgraph])
    builder.Finish(_table(builder, _MODEL_FIELDS, {_MODEL_SUBGRAPHS: subgraphs}), b"M001")
    return bytes(builder.Output())


def _float32(value: float) -> npt.NDArray[Any]:
    return np.asarray([value], "<f4")


def _table(builder: Any, fields: int, offsets: dict[int, int]) -> int:
    builder.StartObject(fields)
    for slot, offset in offsets.items():
        builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
    return int(builder.EndObject())


def _vector(builder: Any, offsets: list[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())

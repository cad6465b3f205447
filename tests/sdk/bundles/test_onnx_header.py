"""The head of a model file is read as the package onnx reads it, whatever the bytes."""

from __future__ import annotations

import random
from typing import Any

import pytest

from dfedge.bundles.onnx_header import OnnxHeader, read_onnx_header
from dfedge.bundles.store import builtin_folder


@pytest.mark.parametrize("opset", [1, 13, 20, 127, 128, 300])
def test_the_opset_is_read(bundle_maker: Any, opset: int) -> None:
    """Small and large numbers alike."""
    assert OnnxHeader(9, opset, False) == read_onnx_header(bundle_maker.detector_model(opset))


def test_only_the_standard_domain_counts(bundle_maker: Any) -> None:
    """Other domains before or after it, and its two names, do not confuse."""
    onnx = pytest.importorskip("onnx")
    for name in ("", "ai.onnx"):
        model = onnx.load_from_string(bundle_maker.detector_model())
        model.ClearField("opset_import")
        for domain, version in (("com.microsoft", 1), (name, 19), ("ai.onnx.ml", 4)):
            model.opset_import.add(domain=domain, version=version)
        assert read_onnx_header(model.SerializeToString()).opset == 19


def test_shipped_models_are_read_as_onnx_reads_them() -> None:
    """Every model that ships: same opset and version of the format, no outside weights."""
    onnx = pytest.importorskip("onnx")
    models = sorted(builtin_folder().glob("*/*.onnx"))
    assert models
    for path in models:
        model = onnx.load(path, load_external_data=False)
        opset = next(item.version for item in model.opset_import if item.domain in ("", "ai.onnx"))
        assert OnnxHeader(model.ir_version, opset, False) == read_onnx_header(path.read_bytes())


@pytest.mark.parametrize("text", [b"", b"\x00", b"hello", b"\xff" * 40, b"PK\x03\x04", b"\x08\x09"])
def test_what_is_no_model_is_a_value_error(text: bytes) -> None:
    """Never another error, and never a header."""
    with pytest.raises(ValueError, match=r"protobuf|cut off|no graph"):
        read_onnx_header(text)


def test_every_cut_is_noticed_or_harmless(bundle_maker: Any) -> None:
    """A model cut at any byte is refused, unless the cut falls between two fields of the whole."""
    model = bundle_maker.detector_model()
    passed = []
    for end in range(len(model)):
        try:
            passed.append(read_onnx_header(model[:end]).opset)
        except ValueError:
            continue
    assert passed in ([], [None]), "only the cut just before the opset leaves a graph"


def test_graphs_nested_without_end_are_refused() -> None:
    """Depth is bounded, so a made-up file cannot exhaust the stack."""
    graph = b""
    for _ in range(60):
        attribute = field(6, graph)
        graph = field(1, field(5, attribute))
    with pytest.raises(ValueError, match="nested more than"):
        read_onnx_header(b"\x08\x09" + field(7, graph))


@pytest.mark.parametrize("seed", range(6))
def test_random_bytes_are_a_header_or_a_value_error(bundle_maker: Any, seed: int) -> None:
    """Three hundred damaged models a seed."""
    numbers = random.Random(seed)
    good = bundle_maker.detector_model()
    outcomes = set()
    for _ in range(300):
        content = bytearray(good)
        for _ in range(numbers.randint(1, 8)):
            content[numbers.randrange(len(content))] = numbers.randrange(256)
        try:
            outcomes.add(type(read_onnx_header(bytes(content))))
        except ValueError:
            outcomes.add(ValueError)
    assert outcomes == {OnnxHeader, ValueError}


def field(number: int, content: bytes) -> bytes:
    """A protobuf field of bytes."""
    length, size = b"", len(content)
    while size > 0x7F:
        length, size = length + bytes([size & 0x7F | 0x80]), size >> 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content

"""The head of a model in ONNX Runtime's own format, whatever the bytes."""

from __future__ import annotations

import json
import random
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from dfedge.bundles.bundle import load_bundle
from dfedge.bundles.opset import import_onnxruntime
from dfedge.bundles.ort_header import OrtHeader, is_ort_format, read_ort_header
from dfedge.bundles.store import builtin_folder
from dfedge.errors import BundleFormatError
from dfedge.runtime import open_model

SOURCE = builtin_folder() / "blazeface-short-range"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A small graph as ONNX Runtime saves it."""
    onnxruntime = import_onnxruntime()
    path = tmp_path_factory.mktemp("ort") / "model.ort"
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(path)
    options.add_session_config_entry("session.save_model_format", "ORT")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(
        str(SOURCE / "model.onnx"),
        options,
        providers=["CPUExecutionProvider"],
        disabled_optimizers=["NchwcTransformer"],
    )
    return path.read_bytes()


@pytest.fixture
def folder(model: bytes, tmp_path: Path) -> Path:
    """A bundle with that graph in place of its ONNX file."""
    card = json.loads((SOURCE / "card.json").read_text(encoding="utf-8"))
    entry = next(entry for entry in card["files"] if entry["role"] == "model")
    entry |= {
        "name": "model.ort",
        "sha256": sha256(model).hexdigest(),
        "size_bytes": len(model),
    }
    card["files"] = [entry]
    (tmp_path / "model.ort").write_bytes(model)
    (tmp_path / "card.json").write_text(json.dumps(card), encoding="utf-8")
    return tmp_path


def test_the_head_is_read(model: bytes) -> None:
    """Version of the format, and the opset of the graph it was made from."""
    assert is_ort_format(model)
    assert read_ort_header(model) == OrtHeader(format_version=6, opset=20)


def test_onnx_is_not_taken_for_it() -> None:
    """The four letters at byte four tell them apart."""
    content = (SOURCE / "model.onnx").read_bytes()
    assert not is_ort_format(content)
    with pytest.raises(ValueError, match="is not of ONNX Runtime's format"):
        read_ort_header(content)


def test_a_bundle_of_it_runs_like_the_onnx_one(folder: Path) -> None:
    """Same card, same checks, same numbers."""
    ours, theirs = load_bundle(SOURCE), load_bundle(folder)
    size = ours.card.input
    noise = np.random.default_rng(0).standard_normal((1, 3, size.height, size.width))
    feeds = {size.name: noise.astype(np.float32)}
    expected, found = (
        open_model(bundle, device="cpu", threads=1).run(feeds) for bundle in (ours, theirs)
    )
    assert sorted(expected) == sorted(found)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, atol=1e-3, rtol=0)


def test_another_opset_than_the_cards_is_refused(folder: Path) -> None:
    """As for ONNX files."""
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    card["opset"] = 19
    (folder / "card.json").write_text(json.dumps(card), encoding="utf-8")
    with pytest.raises(BundleFormatError, match=r"model\.ort: is of ONNX opset 20, its card says"):
        load_bundle(folder)


def test_a_damaged_file_is_a_bundle_error(folder: Path) -> None:
    """Right in size and hash, wrong inside: the message names the file."""
    content = b"\x00" * 4 + b"ORTM" + b"\xff" * 8
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    card["files"][0] |= {"sha256": sha256(content).hexdigest(), "size_bytes": len(content)}
    (folder / "card.json").write_text(json.dumps(card), encoding="utf-8")
    (folder / "model.ort").write_bytes(content)
    with pytest.raises(BundleFormatError, match=r"model\.ort: is a damaged model"):
        load_bundle(folder)


@pytest.mark.parametrize("end", [8, 12, 40, 100, 1000])
def test_a_cut_file_is_a_value_error(model: bytes, end: int) -> None:
    """FlatBuffers are written from the end, so a cut head points outside."""
    with pytest.raises(ValueError, match=r"cut off|points outside|no model|no graph|version"):
        read_ort_header(model[:end])


@pytest.mark.parametrize("seed", range(4))
def test_random_bytes_are_a_header_or_a_value_error(model: bytes, seed: int) -> None:
    """Five hundred damaged heads a seed; never another error, never a hang."""
    numbers = random.Random(seed)
    outcomes = set()
    for _ in range(500):
        content = bytearray(model)
        for _ in range(numbers.randint(1, 8)):
            content[numbers.randrange(8, 400)] = numbers.randrange(256)
        try:
            outcomes.add(type(read_ort_header(bytes(content))))
        except ValueError:
            outcomes.add(ValueError)
    assert outcomes == {OrtHeader, ValueError}

"""The small form of a bundle: what it stores, what it costs, what its card says."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from PIL import Image as Pictures

pytest.importorskip("torch", reason="needs the extra 'tools'")
pytest.importorskip("timm", reason="needs the extra 'tools'")
pytest.importorskip("onnx", reason="needs the extra 'tools'")
pytest.importorskip("onnxscript", reason="needs the extra 'tools'")
pytest.importorskip("onnxsim", reason="needs the extra 'tools'")

import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

import dfedge_models
from dfedge.bundles.bundle import Bundle, load_bundle
from dfedge.bundles.card import Calibration, DetectorCard, Metric, Quantization
from dfedge.errors import FidelityError, UsageError
from dfedge.types import Image
from dfedge_tools import quantize
from dfedge_tools.exporting.bundle import plain_description
from dfedge_tools.exporting.exporter import export_bundle
from dfedge_tools.exporting.graph import open_session, run
from dfedge_tools.exporting.shrink import RECIPE, shrink

B0 = "ms_eff_gcvit_b0"
SIDE = 64


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A float32 bundle of the b0 with lively weights, at a small input."""
    folder = tmp_path_factory.mktemp("bundles")
    torch.manual_seed(0)
    model = dfedge_models.create(B0, img_size=SIDE).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim >= 2:
                parameter.normal_(std=math.sqrt(1 / math.prod(parameter.shape[1:])))
    (folder / "w.pt").write_bytes(b"weights")
    description = plain_description(B0, folder / "w.pt")
    export_bundle(model, folder / "b0", architecture=B0, description=description)
    return load_bundle(folder / "b0")


@pytest.fixture
def crops(portrait: Image, tmp_path: Path) -> Path:
    """A folder of twelve crops of one face, of different sizes, and a file that is no picture."""
    folder = tmp_path / "faces"
    folder.mkdir()
    for number in range(12):
        cut = portrait[number : 200 + 2 * number, 90 : 300 - 3 * number]
        Pictures.fromarray(np.ascontiguousarray(cut)).save(folder / f"{number:02}.png")
    (folder / "manifest.csv").write_text("path\n")
    return folder


def fidelity_of(card: DetectorCard) -> Quantization:
    """The card's part on quantization, which must be there."""
    assert card.quantization is not None
    return card.quantization


def test_the_small_form_is_less_than_half(large: Bundle) -> None:
    """Four bytes become one in linear layers and two elsewhere."""
    graph = large.read("model")
    small = shrink(graph)
    assert len(small) < 0.45 * len(graph)
    kinds = {entry.data_type for entry in onnx.load_from_string(small).graph.initializer}
    assert {TensorProto.INT8, TensorProto.FLOAT16} <= kinds


def test_the_small_form_judges_faces_alike(large: Bundle, crops: Path, tmp_path: Path) -> None:
    """On face crops the logits correlate, signs agree, and no probability moves by 0.02."""
    card = large.card
    assert isinstance(card, DetectorCard)
    sample = quantize.crop_sample(large, crops, limit=100)
    made = quantize.quantize_bundle(large, card, tmp_path / "q", name="b0-int8", sample=sample)
    told = fidelity_of(made)
    assert (told.recipe, told.reference_sha256) == (RECIPE, large.sha256)
    assert told.fidelity.data == "12 face crops of faces"
    assert told.fidelity.logit_correlation > 0.995
    assert told.fidelity.sign_agreement == 1.0
    assert told.fidelity.max_probability_change < 0.02


def test_the_card_is_that_of_the_large_form(large: Bundle, tmp_path: Path) -> None:
    """Only name, files and the word on quantization differ, and the bundle loads."""
    card = large.card
    assert isinstance(card, DetectorCard)
    sample = quantize.noise_sample(card, count=4)
    quantize.quantize_bundle(large, card, tmp_path / "q", name="b0-int8", sample=sample)
    made = load_bundle(tmp_path / "q")
    assert isinstance(made.card, DetectorCard)
    assert made.card.name == "b0-int8"
    same = ("version", "architecture", "input", "crop", "output", "decision", "limits")
    assert {key: getattr(made.card, key) for key in same} == {
        key: getattr(card, key) for key in same
    }
    assert made.read("preprocess") == large.read("preprocess")


def test_the_same_bundle_gives_the_same_bytes(large: Bundle) -> None:
    """So that the small form can be made again and compared by its hash."""
    graph = large.read("model")
    assert shrink(graph) == shrink(graph)


def test_a_logit_does_not_hang_on_its_batch(large: Bundle) -> None:
    """Activations are not quantized: alone or among others, a crop gets one logit."""
    session = open_session(shrink(large.read("model")))
    images = np.random.default_rng(0).normal(size=(4, 3, SIDE, SIDE)).astype(np.float32)
    images[3] *= 20  # would widen the range of a shared scale
    alone = run(session, images[:1])
    np.testing.assert_allclose(run(session, images)[:1], alone, atol=1e-5, rtol=0)


def test_every_operator_computes_in_float32(large: Bundle) -> None:
    """No integer arithmetic, which not every provider has: only casts touch short types."""
    graph = onnx.load_from_string(shrink(large.read("model"))).graph
    short = {e.name for e in graph.initializer if e.name.endswith(".short")}
    users = {node.op_type for node in graph.node if short & set(node.input)}
    assert users == {"Cast"}
    assert [n.op_type for n in graph.node if "Integer" in n.op_type or "Quant" in n.op_type] == []


def test_int8_rounds_each_output_channel_by_its_own_scale() -> None:
    """Half a step of each channel is the most a weight moves, for both layouts of a weight."""
    generator = np.random.default_rng(0)
    weights = (generator.normal(size=(32, 16)) * 10.0 ** np.arange(16)).astype(np.float32)
    weights[:, 3] = 0.0
    for transposed in (False, True):
        stored = np.ascontiguousarray(weights.T) if transposed else weights
        small = shrink(_linear_graph(stored, transposed=transposed))
        identity = np.eye(32, dtype=np.float32)
        back = run(open_session(small), identity)
        half_steps = np.abs(weights).max(axis=0) / 127 / 2
        assert (np.abs(back - weights).max(axis=0) <= half_steps * 1.001 + 1e-9).all()


def test_a_weight_with_other_uses_is_no_int8() -> None:
    """What is also added somewhere is stored as float16, by which it moves less."""
    weights = np.random.default_rng(0).normal(size=(32, 32)).astype(np.float32)
    small = onnx.load_from_string(shrink(_linear_graph(weights, added=True)))
    kinds = {entry.data_type for entry in small.graph.initializer}
    assert TensorProto.INT8 not in kinds


def test_the_head_is_no_int8(large: Bundle) -> None:
    """Nothing after it evens out an error."""
    graph = onnx.load_from_string(shrink(large.read("model"))).graph
    heads = [e for e in graph.initializer if e.name.startswith("head.") and len(e.dims) == 2]
    assert len(heads) == 2
    assert [entry.name for entry in heads if entry.data_type == TensorProto.INT8] == []


def test_what_float16_cannot_hold_stays_float32() -> None:
    """A constant over 65504 would become infinite."""
    weights = np.full((32, 32), 1e6, np.float32)
    small = onnx.load_from_string(shrink(_linear_graph(weights, added=True)))
    (kept,) = [entry for entry in small.graph.initializer if entry.name == "w"]
    assert kept.data_type == TensorProto.FLOAT


def test_calibration_decides_what_a_change_is(large: Bundle) -> None:
    """The same difference of logits is a smaller change of probability when they are divided."""
    card = large.card
    assert isinstance(card, DetectorCard)
    graph = large.read("model")
    sample = quantize.noise_sample(card, count=4)
    sharp, flat = (
        quantize.measure(graph, shrink(graph), sample, Calibration(temperature=t, fitted_on="t"))
        for t in (1.0, 50.0)
    )
    assert sharp.logit_correlation == flat.logit_correlation
    assert flat.max_probability_change < sharp.max_probability_change


def test_too_large_a_change_is_not_written(large: Bundle, tmp_path: Path) -> None:
    """The message says by how much, and there is no folder."""
    card = large.card
    assert isinstance(card, DetectorCard)
    sample = quantize.noise_sample(card, count=2)
    with pytest.raises(FidelityError, match=r"changes a probability by .*, over 0; it was not"):
        quantize.quantize_bundle(
            large, card, tmp_path / "q", name="q", sample=sample, max_change=0.0
        )
    assert not (tmp_path / "q").exists()


def test_the_command_makes_it(
    large: Bundle, crops: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With its name by default, and a report of what it costs."""
    given = ["--bundle", str(large.path), "--out", str(tmp_path / "q"), "--crops", str(crops)]
    assert quantize.main([*given, "--limit", "5"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("ms-eff-gcvit-b0-int8 0.0.0: ")
    assert "on 5 face crops of faces: logit correlation" in out
    assert load_bundle(tmp_path / "q").card.name == "ms-eff-gcvit-b0-int8"


def test_the_figures_of_the_card_are_those_of_the_small_form(
    large: Bundle, crops: Path, tmp_path: Path
) -> None:
    """Those of the large form are not taken over; those measured are."""
    figures = (Metric(name="video_auc", value=0.75, data="clips val", count=58),)
    path = tmp_path / "figures.json"
    path.write_bytes(msgspec.json.encode(figures))
    given = ["--bundle", str(large.path), "--crops", str(crops), "--limit", "2"]
    assert quantize.main([*given, "--out", str(tmp_path / "plain")]) == 0
    assert quantize.main([*given, "--out", str(tmp_path / "told"), "--metrics", str(path)]) == 0
    assert load_bundle(tmp_path / "plain").card.metrics == ()
    assert load_bundle(tmp_path / "told").card.metrics == figures


def test_a_small_form_is_not_made_smaller_again(
    large: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its fidelity would be measured against the wrong model."""
    card = large.card
    assert isinstance(card, DetectorCard)
    sample = quantize.noise_sample(card, count=2)
    quantize.quantize_bundle(large, card, tmp_path / "q", name="q", sample=sample)
    assert quantize.main(["--bundle", str(tmp_path / "q"), "--out", str(tmp_path / "qq")]) == 1
    assert "is itself a quantized bundle" in capsys.readouterr().err


def test_a_folder_without_crops_is_refused(large: Bundle, tmp_path: Path) -> None:
    """Rather than measuring on nothing."""
    with pytest.raises(UsageError, match="holds no picture; give --crops"):
        quantize.crop_sample(large, tmp_path, limit=3)


def test_a_broken_picture_is_refused(large: Bundle, crops: Path) -> None:
    """It is named."""
    (crops / "05.png").write_bytes(b"nothing")
    with pytest.raises(UsageError, match=r"05\.png: is no picture that can be read"):
        quantize.crop_sample(large, crops, limit=100)


@pytest.mark.parametrize("limit", ["0", "-1", "many"])
def test_a_limit_is_a_positive_number(limit: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Anything else is a usage error."""
    with pytest.raises(SystemExit) as stop:
        quantize.main(["--bundle", "x", "--out", "y", "--limit", limit])
    assert stop.value.code == 2
    assert "--limit" in capsys.readouterr().err


def test_help_tells_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    """The command explains itself."""
    with pytest.raises(SystemExit) as stop:
        quantize.main(["--help"])
    text = capsys.readouterr().out
    assert stop.value.code == 0
    options = ("bundle", "out", "name", "crops", "limit", "max-change")
    assert [option for option in options if f"--{option} " not in text] == []


def _linear_graph(weights: Any, *, transposed: bool = False, added: bool = False) -> bytes:
    """``y = x @ w`` for x of (N, 32), and ``+ w`` if wanted."""
    kind = "Gemm" if transposed else "MatMul"
    extra = {"transB": 1} if transposed else {}
    nodes = [helper.make_node(kind, ["x", "w"], ["product" if added else "y"], **extra)]
    if added:
        nodes.append(helper.make_node("Add", ["product", "w"], ["y"]))
    floats = TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info("x", floats, ["n", 32])],
        [helper.make_tensor_value_info("y", floats, ["n", None])],
        [numpy_helper.from_array(weights, "w")],
    )
    opset = [helper.make_opsetid("", 20)]
    return bytes(helper.make_model(graph, opset_imports=opset, ir_version=10).SerializeToString())

"""The forms of the targets: what is in the file, what the card says, and that the numbers hold."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
import pytest
from onnx import TensorProto

from dfedge.bundles.bundle import Bundle, load_bundle
from dfedge.bundles.card import BatchProfile, DetectorCard, Metric
from dfedge.bundles.ort_header import OrtHeader, read_ort_header
from dfedge.cli import main
from dfedge.errors import FidelityError, UsageError
from dfedge.runtime import open_model
from dfedge.selfcheck import check_runs
from dfedge_tools.exporting.exporter import Exported, from_bundle, trtexec_command, write_for_target
from dfedge_tools.exporting.targets import TARGETS, override

SIDE = 64


@dataclass(frozen=True)
class Form:
    """A bundle that was written, and where."""

    folder: Path
    exported: Exported

    @property
    def card(self) -> DetectorCard:
        """Of the bundle."""
        return self.exported.card


@pytest.fixture(scope="module")
def float32(bundle_folder: Path) -> Bundle:
    """The bundle the others are made from."""
    return load_bundle(bundle_folder)


@pytest.fixture(scope="module")
def forms(float32: Bundle, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Form]:
    """One bundle for each target, in folders of the target's name."""
    base = tmp_path_factory.mktemp("forms")
    return {name: form(float32, name, base / name) for name in TARGETS}


def form(bundle: Bundle, name: str, folder: Path, *settings: str) -> Form:
    """The bundle in the form of a target."""
    assert isinstance(bundle.card, DetectorCard)
    target = override(TARGETS[name], settings)
    source = from_bundle(bundle, bundle.card, name=f"atto-{name}", target=target)
    return Form(folder, write_for_target(source, folder, target))


@pytest.mark.parametrize("name", list(TARGETS))
def test_every_form_is_a_sound_bundle_with_the_same_logits(
    name: str, float32: Bundle, forms: dict[str, Form]
) -> None:
    """It passes what ``dfedge models verify`` checks, and scores as the float32 graph does."""
    bundle = load_bundle(forms[name].folder)
    check_runs(bundle)
    noise = np.random.default_rng(0).standard_normal((3, 3, SIDE, SIDE), dtype=np.float32)
    before, after = (
        open_model(each, device="cpu", threads=1).run({"input": noise})["logit"]
        for each in (float32, bundle)
    )
    tolerance = {"web": 0.05, "jetson": 5e-3}.get(name, 1e-4)  # int8 weights, float16, rounding
    assert np.ptp(before) > 10 * tolerance
    np.testing.assert_allclose(after, before, atol=tolerance, rtol=0)
    assert forms[name].exported.problems == ()


def test_the_card_says_what_each_form_was_made_for(forms: dict[str, Form]) -> None:
    """Target, precision, batch profile, and the recipe with its measured fidelity."""
    deployments = {name: each.card.deployment for name, each in forms.items()}
    assert deployments == {name: target.deployment for name, target in TARGETS.items()}
    assert {name for name, each in forms.items() if each.card.quantization} == {"web", "jetson"}


def test_a_shortened_form_names_the_file_it_came_from(
    float32: Bundle, forms: dict[str, Form]
) -> None:
    """By its hash, with what the shortening changed on which inputs."""
    quantization = forms["web"].card.quantization
    assert quantization is not None
    assert quantization.reference_sha256 == float32.sha256
    assert quantization.fidelity.data == "32 inputs of seeded normal noise (no faces)"
    assert 0 < quantization.fidelity.max_probability_change <= 0.02


def test_the_web_form_of_a_convnext_stores_its_pointwise_layers_in_int8(
    forms: dict[str, Form],
) -> None:
    """It writes linear layers as convolutions of one pixel; so 3.4 million weights take 4 MB."""
    quantization = forms["web"].card.quantization
    assert quantization is not None
    assert "int8 weights of pointwise layers" in quantization.recipe
    assert forms["web"].exported.model_bytes <= 4_500_000 < forms["cpu"].exported.model_bytes


@pytest.mark.parametrize("name", ["cpu", "web", "jetson"])
def test_equal_sources_give_equal_bytes(
    name: str, float32: Bundle, forms: dict[str, Form], tmp_path: Path
) -> None:
    """So that a bundle can be made again and compared by its hash."""
    again = form(float32, name, tmp_path / name)
    assert again.card.files == forms[name].card.files


# --- metadata


def test_the_graph_says_what_it_is(forms: dict[str, Form]) -> None:
    """Enough to know a file that lost its card; no path, no time."""
    entries = {
        entry.key: entry.value
        for entry in onnx.load(forms["web"].folder / "model.onnx").metadata_props
        if entry.key.startswith("dfedge.")
    }
    assert entries == {
        "dfedge.name": "atto-web",
        "dfedge.version": "0.0.0",
        "dfedge.architecture": "dfedge_convnext_atto",
        "dfedge.licence": "LicenseRef-unknown",
        "dfedge.card": "dfedge.card/1",
        "dfedge.target": "web",
        "dfedge.input": "64 x 64 RGB, (x / 255 - mean) / std, mean 0.485 0.456 0.406, "
        "std 0.229 0.224 0.225",
        "dfedge.crop": "blazeface-full-range box, margin 0.2, squaring longer_side, stretch, pad 0",
        "dfedge.output": "sigmoid of fake; fake is number 0",
    }


def test_onnx_runtimes_own_format_keeps_what_the_graph_says(forms: dict[str, Form]) -> None:
    """A phone can ask the file for its name too."""
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(str(forms["mobile"].folder / "model.ort"))
    assert session.get_modelmeta().custom_metadata_map["dfedge.name"] == "atto-mobile"


# --- float16


def test_only_arithmetic_that_bears_it_is_float16(forms: dict[str, Form]) -> None:
    """Inputs, outputs and norms are float32, convolutions float16."""
    graph = onnx.shape_inference.infer_shapes(
        onnx.load(forms["jetson"].folder / "model.onnx")
    ).graph
    types = {
        value.name: value.type.tensor_type.elem_type
        for part in (graph.input, graph.output, graph.value_info)
        for value in part
    }
    assert (types["input"], types["logit"]) == (TensorProto.FLOAT, TensorProto.FLOAT)
    assert {types[name] for name in outputs(graph, "LayerNormalization")} == {TensorProto.FLOAT}
    assert {types[name] for name in outputs(graph, "Conv")} == {TensorProto.FLOAT16}


def outputs(graph: Any, operator: str) -> Iterator[str]:
    """Names of what the nodes of an operator give."""
    return (node.output[0] for node in graph.node if node.op_type == operator)


def test_the_command_for_tensorrt_has_the_profile(forms: dict[str, Form]) -> None:
    """Ready to be run where the bundle is."""
    assert trtexec_command(forms["jetson"].card) == (
        "trtexec --onnx=model.onnx --stronglyTyped --minShapes=input:1x3x64x64 "
        "--optShapes=input:8x3x64x64 --maxShapes=input:32x3x64x64 --saveEngine=model.plan"
    )


# --- ONNX Runtime's format


def test_the_mobile_form_is_one_file_of_onnx_runtimes_format(forms: dict[str, Form]) -> None:
    """Version 6, which ONNX Runtime reads since 1.16, in place of ``model.onnx``."""
    files = sorted(path.name for path in forms["mobile"].folder.iterdir())
    assert files == ["card.json", "model.ort", "preprocess.onnx"]
    assert read_ort_header((forms["mobile"].folder / "model.ort").read_bytes()) == OrtHeader(6, 20)


def test_what_a_phones_accelerators_take_is_told(forms: dict[str, Form]) -> None:
    """For both, with what they lack by name."""
    found = {entry.accelerator: entry for entry in forms["mobile"].exported.usability}
    assert sorted(found) == ["CoreML", "NNAPI"]
    assert "LayerNormalization" in found["NNAPI"].missing
    assert all(0 < entry.supported < entry.nodes for entry in found.values())


# --- what is refused


def test_a_form_that_changes_too_much_is_not_written(float32: Bundle, tmp_path: Path) -> None:
    """The limit is the target's; the folder stays empty."""
    with pytest.raises(FidelityError, match="changes a probability by"):
        form(float32, "web", tmp_path / "out", "max_probability_change=1e-9")
    assert list(tmp_path.iterdir()) == []


def test_a_small_form_is_not_shortened_again(forms: dict[str, Form], tmp_path: Path) -> None:
    """Rounding twice helps nobody; leaving it as it is is allowed."""
    small = load_bundle(forms["web"].folder)
    assert isinstance(small.card, DetectorCard)
    with pytest.raises(UsageError, match="is itself a quantized bundle"):
        form(small, "jetson", tmp_path / "out")
    kept = form(small, "mobile", tmp_path / "mobile")
    assert kept.card.quantization == small.card.quantization


def test_onnx_runtimes_format_is_no_source(forms: dict[str, Form], tmp_path: Path) -> None:
    """It holds an optimized graph, not the one that was exported."""
    with pytest.raises(UsageError, match="is of ONNX Runtime's format"):
        form(load_bundle(forms["mobile"].folder), "cpu", tmp_path / "out")


# --- figures


def test_figures_of_the_float32_form_are_not_those_of_a_shortened_one(
    float32: Bundle, tmp_path: Path
) -> None:
    """Unless nothing was shortened, or the new form was measured itself."""
    assert isinstance(float32.card, DetectorCard)
    old, new = (Metric(name="video_auc", value=value, data="val") for value in (0.7, 0.8))
    card = msgspec.structs.replace(float32.card, metrics=(old,))
    kept = from_bundle(float32, card, name="a", target=TARGETS["mobile"])
    dropped = from_bundle(float32, card, name="a", target=TARGETS["web"])
    given = from_bundle(float32, card, name="a", target=TARGETS["web"], metrics=(new,))
    assert [each.card.metrics for each in (kept, dropped, given)] == [(old,), (), (new,)]


# --- the command


def test_the_command_reports_as_json(
    bundle_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All that was found, and nothing else on stdout; a limit not kept is code 1."""
    out = tmp_path / "web"
    given = ["export", "--bundle", str(bundle_folder), "--target", "web", "--out", str(out)]
    assert main([*given, "--json", "--set", "max_megabytes=1"]) == 1
    printed = capsys.readouterr()
    report = json.loads(printed.out)
    assert report["name"] == "dfedge-convnext-atto-web"
    assert report["deployment"]["target"] == "web"
    assert [entry["missing"] for entry in report["operators"]] == [[], []]
    assert math.isclose(report["size_bytes"] / 1e6, 3.8, abs_tol=0.1)
    assert report["problems"][0].endswith("over the limit of 1 MB")
    assert "outside the limits of web" in printed.err
    assert (out / "card.json").is_file()


def test_the_command_reports_in_words(
    bundle_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the line that builds an engine, by the profile asked for."""
    profile = 'batch={"smallest": 1, "usual": 2, "largest": 4}'
    given = ["export", "--bundle", str(bundle_folder), "--target", "jetson", "--set", profile]
    assert main([*given, "--out", str(tmp_path / "jetson"), "--name", "mine"]) == 0
    text = capsys.readouterr().out
    assert "mine 0.0.0 for jetson" in text
    assert "operators  TensorRT 10.15: has all" in text
    assert "--maxShapes=input:4x3x64x64" in text
    card = load_bundle(tmp_path / "jetson").card
    assert isinstance(card, DetectorCard)
    assert card.deployment is not None
    assert card.deployment.batch == BatchProfile(smallest=1, usual=2, largest=4)


def test_a_target_is_shown_with_its_changes(capsys: pytest.CaptureFixture[str]) -> None:
    """As JSON, and nothing is done."""
    assert main(["export", "--show-target", "web", "--set", "weights=fp16"]) == 0
    assert json.loads(capsys.readouterr().out)["weights"] == "fp16"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--bundle", "dfedge-b0"], "--out: is missing"),
        (["--arch", "dfedge_convnext_atto", "--out", "x"], "--checkpoint: is missing"),
        (["--checkpoint", "w.pt", "--out", "x"], "--arch: is missing"),
        (["--arch", "nothing", "--checkpoint", "w.pt", "--out", "x"], "--arch nothing: is none of"),
        (["--bundle", "dfedge-b0", "--opset", "21", "--out", "x"], "--opset: a bundle's graph"),
        (["--bundle", "dfedge-b0", "--arch", "a", "--out", "x"], "--arch: does not go with"),
        (["--bundle", "dfedge-b0", "--target", "moon", "--out", "x"], "--target moon: is none of"),
        (["--bundle", "blazeface-full-range", "--out", "x"], "a deepfake_detector is needed"),
    ],
)
def test_wrong_usage_is_a_message(
    given: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """It names the option, the exit code is 2, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    assert main(["export", *given]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []

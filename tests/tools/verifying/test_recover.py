"""Torch weights back from a bundle."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest
import torch

from dfedge.bundles.bundle import Bundle, load_bundle
from dfedge.bundles.card import DetectorCard
from dfedge.errors import FidelityError, UsageError
from dfedge_models import DetectorModel
from dfedge_tools import recover
from dfedge_tools.exporting.checkpoint import load_checkpoint
from dfedge_tools.quantizing.quantizer import Quantizer
from dfedge_tools.quantizing.recipes import find_recipe

from .conftest import ATTO, SIDE, lively_model, write_float_bundle

B0 = "ms_eff_gcvit_b0"


def card_of(bundle: Bundle) -> DetectorCard:
    """The card, which is a detector's."""
    assert isinstance(bundle.card, DetectorCard)
    return bundle.card


@pytest.fixture(scope="module", autouse=True)
def marked_once() -> Iterator[None]:
    """The marked graph of an architecture hangs on no bundle, so one export serves all tests."""
    exported: dict[str, tuple[onnx.GraphProto, dict[str, torch.Tensor]]] = {}
    export = recover._marked_graph

    def cached(model: DetectorModel, card: DetectorCard) -> onnx.GraphProto:
        if card.architecture not in exported:
            graph = export(model, card)
            marks = {name: value.clone() for name, value in model.state_dict().items()}
            exported[card.architecture] = graph, marks
        graph, marks = exported[card.architecture]
        model.load_state_dict(marks)
        return graph

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recover, "_marked_graph", cached)
        yield


@pytest.fixture(scope="module")
def recovered(atto_bundle: Bundle) -> DetectorModel:
    """The Atto, from its bundle."""
    return recover.recover_model(atto_bundle, card_of(atto_bundle))


@pytest.fixture(scope="module")
def b0(tmp_path_factory: pytest.TempPathFactory) -> tuple[DetectorModel, Bundle]:
    """The b0 with batch norms that are not neutral, and its bundle."""
    model = lively_model(B0)
    return model, write_float_bundle(model, B0, tmp_path_factory.mktemp("b0"))


def test_a_folded_layer_scale_comes_back_as_ones(
    atto: DetectorModel, recovered: DetectorModel
) -> None:
    """Of ConvNeXt only the scale and the layer it went into differ, and their product does not."""
    found, expected = recovered.state_dict(), atto.state_dict()
    assert list(found) == list(expected)
    different = {name for name, value in found.items() if not torch.equal(value, expected[name])}
    assert {name.rpartition("blocks.")[2][2:] for name in different} == {
        "gamma",
        "mlp.fc2.weight",
        "mlp.fc2.bias",
    }
    block = "backbone.stages.1.blocks.0."
    scale = expected[f"{block}gamma"]
    assert torch.equal(found[f"{block}gamma"], torch.ones_like(scale))
    product = expected[f"{block}mlp.fc2.bias"] * scale
    torch.testing.assert_close(found[f"{block}mlp.fc2.bias"], product)
    assert not recovered.training


def test_a_layer_scale_that_was_not_folded_comes_back_as_it_was(tmp_path: Path) -> None:
    """ConvNeXt-Tiny's linear layers keep it apart: every entry is the same to the last bit."""
    name = "dfedge_convnext_tiny"
    model = lively_model(name)
    bundle = write_float_bundle(model, name, tmp_path)
    found = recover.recover_model(bundle, card_of(bundle)).state_dict()
    assert [k for k, v in model.state_dict().items() if not torch.equal(v, found[k])] == []


def test_folded_batch_norms_come_back_with_the_same_function(
    b0: tuple[DetectorModel, Bundle],
) -> None:
    """MS-Eff-GCViT gives the logits it had before the export, and all else is as it was."""
    model, bundle = b0
    found = recover.recover_model(bundle, card_of(bundle))
    inputs = torch.from_numpy(
        np.random.default_rng(1).normal(size=(3, 3, SIDE, SIDE)).astype(np.float32)
    )
    with torch.inference_mode():
        np.testing.assert_allclose(found(inputs), model(inputs), atol=1e-4, rtol=1e-4)
    attention = {k: v for k, v in model.state_dict().items() if "gcvit" in k}
    own = found.state_dict()
    assert [k for k, v in attention.items() if not torch.equal(v, own[k])] == []
    assert any("relative_position_bias_table" in name for name in attention)


def test_weights_stored_short_come_back_as_the_bundle_computes_them(
    atto: DetectorModel, atto_bundle: Bundle, tmp_path: Path
) -> None:
    """Of int8 and float16: near the original, and the same as the small bundle."""
    graph = Quantizer(atto_bundle.read("model"), find_recipe("small")).build()
    small = _with_graph(atto_bundle, graph, tmp_path / "small")
    found = recover.recover_model(small, card_of(small))
    weight = "backbone.stages.0.blocks.0.mlp.fc1.weight"
    before, after = atto.state_dict()[weight], found.state_dict()[weight]
    assert not torch.equal(before, after)
    steps = before.abs().amax(dim=1, keepdim=True) / 127
    assert ((before - after).abs() <= 0.51 * steps).all()


def test_a_graph_of_another_architecture_is_refused(
    atto_bundle: Bundle, b0: tuple[DetectorModel, Bundle]
) -> None:
    """The card says Atto, the nodes are those of the b0."""
    _, bundle = b0
    card = msgspec.structs.replace(card_of(bundle), architecture=ATTO)
    with pytest.raises(UsageError, match=r"not the one this exporter writes for dfedge_convnext_"):
        recover.recover_model(bundle, card)


def test_an_unknown_architecture_is_refused(atto_bundle: Bundle) -> None:
    """The message lists those there are."""
    card = msgspec.structs.replace(card_of(atto_bundle), architecture="resnet50")
    with pytest.raises(UsageError, match=r"no architecture 'resnet50'; there are ms_eff_gcvit_b0"):
        recover.recover_model(atto_bundle, card)


def test_a_model_that_differs_is_not_given_out(
    atto_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever went wrong, the last word is the comparison with the bundle's own graph."""
    monkeypatch.setattr(recover, "_marked_graph", lambda model, card: None)
    monkeypatch.setattr(recover, "_twins", lambda marked, given: {})
    monkeypatch.setattr(recover, "_fill", lambda *args: None)  # fresh weights stay
    model = lively_model(ATTO, seed=3)
    monkeypatch.setattr(recover, "fresh_model", lambda card: model)
    with pytest.raises(FidelityError, match="differs from the bundle by"):
        recover.recover_model(atto_bundle, card_of(atto_bundle))


def test_the_command_writes_a_checkpoint(
    recovered: DetectorModel,
    atto_bundle: Bundle,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It loads strictly, as any other checkpoint does."""
    monkeypatch.setattr(recover, "recover_model", lambda bundle, card: recovered)  # once is enough
    out = tmp_path / "atto.pt"
    assert recover.main([str(atto_bundle.path), "--out", str(out)]) == 0
    assert capsys.readouterr().out.startswith(f"{out}: {ATTO} of ")
    model = lively_model(ATTO, seed=5)
    load_checkpoint(model, out)
    expected = recovered.state_dict()
    assert [k for k, v in model.state_dict().items() if not torch.equal(v, expected[k])] == []
    assert [path.name for path in tmp_path.iterdir()] == ["atto.pt"]


def test_a_place_that_cannot_be_written_is_named(
    recovered: DetectorModel,
    atto_bundle: Bundle,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With the option, and code 2."""
    monkeypatch.setattr(recover, "recover_model", lambda bundle, card: recovered)
    out = tmp_path / "nowhere" / "atto.pt"
    assert recover.main([str(atto_bundle.path), "--out", str(out)]) == 2
    assert f"recover: --out {out}: No such file" in capsys.readouterr().err


def _with_graph(bundle: Bundle, graph: bytes, folder: Path) -> Bundle:
    from dfedge_tools.exporting.bundle import Role, file_entries, write_bundle

    files: dict[Role, bytes] = {"model": graph, "preprocess": bundle.read("preprocess")}
    card = msgspec.structs.replace(card_of(bundle), files=file_entries(files))
    write_bundle(folder, card, files)
    return load_bundle(folder)

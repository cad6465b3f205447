"""What there is by name, and what every edge model gives and takes, with no reference at hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs the extra 'tools'")
pytest.importorskip("timm", reason="needs the extra 'tools'")

import timm
import torch

import dfedge_models
from dfedge_models import FrameDetector

GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "model_logits.json"
B0, ATTO = "ms_eff_gcvit_b0", "dfedge_convnext_atto"
EDGE = (
    "ms_eff_gcvit_b0",
    "ms_eff_gcvit_b5",
    "dfedge_efficientnet_b0",
    "dfedge_convnext_atto",
    "dfedge_convnext_femto",
    "dfedge_convnext_tiny",
)


def test_the_architectures_are_these() -> None:
    """The list that tools and documentation show."""
    assert dfedge_models.names() == (
        *EDGE,
        "dfedge_convnext_tiny_multitask",
        "genconvit_ed",
        "genconvit_vae",
        "genconvit",
        "dfd_clip_l",
    )


@pytest.mark.parametrize("name", dfedge_models.names())
def test_the_logits_are_the_recorded_ones(
    name: str,
    smaller: dict[str, dict[str, int]],
    seeded_model: Callable[..., Any],
    seeded_images: Callable[..., Any],
) -> None:
    """Weights rebuilt from names give the golden logits in float32 to 2e-5."""
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))["logits"]
    model = seeded_model(name, **smaller.get(name, {}))
    with torch.inference_mode():
        logits = model(seeded_images(model.signature.input_shape(2)))
    assert logits.shape == (2, len(model.signature.classes))
    assert logits.flatten().tolist() == pytest.approx(golden[name], abs=2e-5)


@pytest.mark.parametrize("name", EDGE)
def test_timm_knows_the_architecture(name: str) -> None:
    """Importing the package is enough for timm to list and describe it."""
    assert timm.is_model(name)
    config = timm.get_pretrained_cfg(name)
    assert (config.num_classes, config.mean, config.std) == (
        1,
        dfedge_models.IMAGENET_MEAN,
        dfedge_models.IMAGENET_STD,
    )
    assert not config.has_weights


@pytest.mark.parametrize("name", [B0, ATTO])
def test_timm_creates_the_same_model(name: str) -> None:
    """``timm.create_model`` gives the entries that ``create`` gives."""
    ours, theirs = dfedge_models.create(name), timm.create_model(name)
    assert list(theirs.state_dict()) == list(ours.state_dict())


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    """A typing error costs one look at the message."""
    with pytest.raises(ValueError, match=r"no architecture 'b7'; there are ms_eff_gcvit_b0,"):
        dfedge_models.create("b7")


@pytest.mark.parametrize("size", [0, 100, 225])
@pytest.mark.parametrize("name", [B0, ATTO])
def test_a_size_that_is_no_multiple_of_32_is_refused(name: str, size: int) -> None:
    """Windows and strides would not come out even."""
    with pytest.raises(ValueError, match=f"img_size is {size}, it must be a multiple of 32"):
        dfedge_models.create(name, img_size=size)


@pytest.mark.parametrize("name", [B0, ATTO])
def test_maps_have_the_promised_strides_and_channels(name: str) -> None:
    """A training aid can rely on `map_channels`, and the logits are those of ``forward``."""
    model = dfedge_models.create(name, img_size=96).eval()
    images = torch.randn(2, 3, 96, 96)
    with torch.inference_mode():
        logits, maps = model.forward_with_maps(images)
        plain = model(images)
    assert {stride: tuple(value.shape) for stride, value in maps.items()} == {
        stride: (2, channels, 96 // stride, 96 // stride)
        for stride, channels in model.map_channels.items()
    }
    assert torch.equal(plain, logits)


@pytest.mark.parametrize("name", [B0, ATTO])
def test_every_parameter_is_trained(name: str) -> None:
    """A step of training reaches every parameter of the model."""
    torch.manual_seed(0)
    model = dfedge_models.create(name, img_size=64, drop_rate=0.1, drop_path_rate=0.1).train()
    model(torch.randn(4, 3, 64, 64)).sum().backward()
    assert [n for n, p in model.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize("prefix", ["backbone.", "feat_extractor.backbone.", ""])
def test_the_backbone_alone_is_taken_over(prefix: str) -> None:
    """From a stage-one state the backbone is loaded, and the rest is left as it was."""
    donor, model = dfedge_models.create(B0), dfedge_models.create(B0)
    head = model.head[1].weight.clone()
    wanted = donor.feat_extractor.backbone.state_dict()
    state = {prefix + name: value for name, value in wanted.items()}
    if prefix:
        state["mask_head.weight"] = torch.zeros(1)
    model.load_backbone(state)
    loaded = model.feat_extractor.backbone.state_dict()
    assert [name for name in wanted if not torch.equal(wanted[name], loaded[name])] == []
    assert torch.equal(head, model.head[1].weight)


def test_the_convnext_backbone_leaves_the_classifier() -> None:
    """All but the last layer comes from the donor."""
    donor, model = dfedge_models.create(ATTO), dfedge_models.create(ATTO)
    own = model.backbone.head.fc.weight.clone()
    model.load_backbone(donor.state_dict())
    assert torch.equal(donor.backbone.stem[0].weight, model.backbone.stem[0].weight)
    assert torch.equal(own, model.backbone.head.fc.weight)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"conv_stem.weight": None}, "lacks conv_stem.weight"),
        ({"conv_stem.more": torch.zeros(1)}, "has conv_stem.more, which the model has not"),
        ({"conv_stem.weight": torch.zeros(1)}, r"conv_stem.weight is \(1,\), in the model \(32"),
    ],
)
def test_a_backbone_of_another_model_is_refused(change: dict[str, Any], message: str) -> None:
    """Missing, foreign and misshapen entries are named, and nothing is loaded."""
    model = dfedge_models.create(B0)
    before = model.feat_extractor.backbone.bn1.weight.clone()
    state = {**model.feat_extractor.backbone.state_dict(), "bn1.weight": before + 1, **change}
    with pytest.raises(ValueError, match=message):
        model.load_backbone({name: value for name, value in state.items() if value is not None})
    assert torch.equal(before, model.feat_extractor.backbone.bn1.weight)


def test_weights_of_another_size_fit_after_resizing() -> None:
    """Position biases are interpolated, indices are the model's, all else is kept."""
    small, large = dfedge_models.create(B0, img_size=96), dfedge_models.create(B0, img_size=160)
    assert isinstance(large, dfedge_models.MSEffGCViT)
    state = dfedge_models.resize_windows(small.state_dict(), large)
    large.load_state_dict(state)
    entry = "h_gcvit.stages.0.blocks.0.attn.relative_position_bias_table"
    before, after = small.state_dict()[entry], large.state_dict()[entry]
    assert (before.shape, after.shape) == ((5 * 5, 4), (9 * 9, 4))
    assert torch.allclose(before[12], after[40])  # offset (0, 0) is the middle of both
    assert torch.allclose(before[0], after[0])  # and the corner stays the corner


def test_resizing_to_the_same_size_changes_nothing() -> None:
    """A state of the right size passes through."""
    model = dfedge_models.create(B0)
    assert isinstance(model, dfedge_models.MSEffGCViT)
    state = model.state_dict()
    resized = dfedge_models.resize_windows(state, model)
    assert [name for name in state if not torch.equal(state[name], resized[name])] == []


def test_a_new_b0_starts_as_its_card_says() -> None:
    """Branches and head start from a normal of 0.02, cut at two units, biases from zero."""
    torch.manual_seed(0)
    model = dfedge_models.create(B0)
    assert isinstance(model, FrameDetector)
    weight = model.h_gcvit.stages[0].blocks[0].mlp.fc1.weight
    assert weight.std().item() == pytest.approx(0.02, rel=0.02)
    assert model.head[4].bias.item() == 0.0


def test_a_b0_says_which_parameters_want_no_weight_decay() -> None:
    """The bias tables of all fourteen blocks."""
    named = dfedge_models.create(B0).no_weight_decay()
    assert len(named) == 14
    assert {name.rpartition(".")[2] for name in named} == {"relative_position_bias_table"}

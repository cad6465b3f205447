"""Layers of the architectures, and gradients read off them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import dfedge_models
from dfedge.errors import UsageError
from dfedge_models import DetectorModel, ModelSignature
from dfedge_tools.explaining.cam import hirescam
from dfedge_tools.explaining.layers import MapLayer, layers_of, read_layers

SIZES = {
    "ms_eff_gcvit_b0": 64,
    "ms_eff_gcvit_b5": 64,
    "dfedge_convnext_atto": 64,
    "dfedge_convnext_tiny_multitask": 64,
    "genconvit_ed": 64,
    "genconvit_vae": 64,
    "genconvit": 64,
}


class Toy(DetectorModel):
    """Logit = sum over cells and channels of weight x map; so A x G is known beforehand."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Identity()
        self.weight = torch.tensor([1.0, -2.0, 0.5]).view(1, 3, 1, 1)

    @property
    def signature(self) -> ModelSignature:
        """One logit of 4 x 4 pixels."""
        return ModelSignature(img_size=4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, 3, 4, 4) -> (B, 1)."""
        return (self.features(x) * self.weight).sum(dim=(1, 2, 3))[:, None]


def test_activations_and_gradients_of_a_toy_are_the_known_ones() -> None:
    """The gradient of a weighted sum is its weights; HiResCAM adds up to the logit."""
    toy, inputs = Toy(), torch.randn(2, 3, 4, 4)
    layer = MapLayer(name="toy", branch="low", module=toy.features)
    odds, (found,) = read_layers(toy, [layer], inputs)
    torch.testing.assert_close(found.activations, inputs)
    torch.testing.assert_close(found.gradients, toy.weight.expand(2, -1, 4, 4))
    total = hirescam(found.activations, found.gradients).sum(dim=(1, 2))
    torch.testing.assert_close(total, odds)


def test_the_other_target_turns_the_gradients_round() -> None:
    """``real`` is what ``fake`` is not."""
    toy, inputs = Toy(), torch.randn(1, 3, 4, 4)
    layer = MapLayer(name="toy", branch="low", module=toy.features)
    odds, (found,) = read_layers(toy, [layer], inputs, sign=-1.0)
    torch.testing.assert_close(found.gradients, -toy.weight.expand(1, -1, 4, 4))
    torch.testing.assert_close(odds, toy(inputs)[:, 0])


@pytest.mark.parametrize("name", SIZES)
def test_every_architecture_has_layers_with_gradients(name: str) -> None:
    """Low maps are finer than middle ones, those finer than high ones; none is blind to the score.

    HiResCAM is blank on a layer that goes straight into a LayerNorm; no such layer is taken.
    """
    torch.manual_seed(0)
    size = SIZES[name]
    model = dfedge_models.create(name, img_size=size).eval()
    layers = layers_of(model)
    assert {"low", "middle", "high"} == {layer.branch for layer in layers}
    assert len(layers) == len({layer.name for layer in layers})
    _, maps = read_layers(model, layers, torch.randn(2, 3, size, size))
    widths = {found.layer.name: found.activations.shape[-1] for found in maps}
    for found in maps:
        assert 2 == len(found.activations)
        assert found.activations.shape == found.gradients.shape
        assert found.activations.shape[2] == found.activations.shape[3]
        products = (found.activations * found.gradients).abs().sum()
        assert products > 0
        if "reconstruction" not in found.layer.name:  # fresh weights reconstruct a flat picture
            assert hirescam(found.activations, found.gradients).abs().sum() > 1e-3 * products
    for found in maps:
        if found.layer.branch == "low":
            high = found.layer.name.replace("low", "high")
            middle = found.layer.name.replace("low", "middle")
            assert widths[found.layer.name] > widths[middle] > widths[high]


def test_frozen_weights_are_no_obstacle() -> None:
    """A model whose tower does not learn can be explained."""
    model = dfedge_models.create("dfedge_convnext_atto", img_size=64).eval().requires_grad_(False)
    _, maps = read_layers(model, layers_of(model), torch.randn(1, 3, 64, 64))
    assert all(found.gradients.abs().sum() > 0 for found in maps)


def test_no_hooks_stay_behind() -> None:
    """A model is as it was."""
    model = Toy()
    read_layers(
        model, [MapLayer(name="toy", branch="low", module=model.features)], torch.ones(1, 3, 4, 4)
    )
    assert not model.features._forward_hooks


def test_an_unknown_architecture_is_told_what_works() -> None:
    """Occlusion needs no layers."""
    with pytest.raises(UsageError, match="occlusion needs none"):
        layers_of(Toy())

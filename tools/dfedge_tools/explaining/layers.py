"""Which layers of each architecture are looked at, and what they gave and were worth.

*Low* layers have fine maps: skin texture and blending borders. *High* ones have coarse maps:
structure and light; *middle* ones lie between. A layer's map is what its module gives, brought to
(B, C, H, W).

No layer is taken whose output goes straight into a LayerNorm over channels: the norm does not
change when a cell's vector is scaled, so activations times gradients sum to zero in each cell
(Euler's theorem) and HiResCAM is blank. There the norm's own output is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from dfedge.errors import UsageError
from dfedge_models import ConvNeXtDetector, DetectorModel, EfficientNetDetector, MSEffGCViT
from dfedge_models.genconvit import GenConViTED, GenConViTVAE
from dfedge_models.genconvit_ensemble import GenConViTEnsemble
from dfedge_models.multitask import MultiTaskDetector

Branch = Literal["low", "middle", "high"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MapLayer:
    """One map of a model.

    Attributes:
        name: for pictures and files, such as ``low`` or ``reconstruction high``.
        module: whose output it is.
        channels_last: the output is (B, H, W, C), as attention layers give it.
        picture: which of the pictures the module is given of each input, in one call or several.
    """

    name: str
    branch: Branch
    module: nn.Module
    channels_last: bool = False
    picture: int = 0


@dataclass(frozen=True, slots=True)
class LayerMap:
    """What one layer gave for a batch.

    Attributes:
        activations: (B, C, H, W).
        gradients: of the target by the activations, (B, C, H, W).
    """

    layer: MapLayer
    activations: torch.Tensor
    gradients: torch.Tensor


def layers_of(model: DetectorModel) -> tuple[MapLayer, ...]:
    """The layers that are looked at, from low to high.

    Raises:
        UsageError: nothing is known of this architecture's layers.
    """
    for kind, find in _FINDERS:
        if isinstance(model, kind):
            return find(model)
    raise UsageError(
        f"{type(model).__name__}: its layers are not known here; --methods occlusion needs none"
    )


def read_layers(
    model: DetectorModel,
    layers: Sequence[MapLayer],
    inputs: torch.Tensor,
    *,
    sign: float = 1.0,
) -> tuple[torch.Tensor, tuple[LayerMap, ...]]:
    """Run a model once forward and once back.

    Args:
        model: in eval mode, so that the pictures of a batch do not touch each other.
        inputs: (B, 3, S, S).
        sign: 1 for the log-odds of *fake* as target, -1 for those of *real*.

    Returns:
        Log-odds of *fake*, (B,), and the maps in the order of the layers.
    """
    calls: list[tuple[nn.Module, torch.Tensor]] = []

    def keep(module: nn.Module, _: Any, output: torch.Tensor) -> None:
        calls.append((module, output))

    with ExitStack() as hooks, torch.enable_grad():
        for module in {layer.module for layer in layers}:
            hooks.callback(module.register_forward_hook(keep).remove)
        # The input wants a gradient so that frozen weights are no obstacle.
        odds = model.signature.fake_log_odds(model(inputs.detach().clone().requires_grad_(True)))
        gradients = torch.autograd.grad(sign * odds.sum(), [output for _, output in calls])
    pictures: dict[nn.Module, list[tuple[torch.Tensor, torch.Tensor]]] = {}
    for (module, output), gradient in zip(calls, gradients, strict=True):
        both = (torch.split(each, len(inputs)) for each in (output.detach(), gradient))
        pictures.setdefault(module, []).extend(zip(*both, strict=True))
    return odds.detach(), tuple(_layer_map(layer, pictures[layer.module]) for layer in layers)


def _layer_map(layer: MapLayer, pictures: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> LayerMap:
    activations, gradients = pictures[layer.picture]
    if layer.channels_last:
        activations, gradients = activations.permute(0, 3, 1, 2), gradients.permute(0, 3, 1, 2)
    return LayerMap(layer, activations, gradients)


def _ms_eff_gcvit(model: Any) -> tuple[MapLayer, ...]:
    """The low branch at stride 4, the high one at 32, and the backbone at 16 on the way to it."""
    low = model.l_gcvit.stages[0].downsample.norm1
    middle = model.feat_extractor.backbone.blocks[4]
    return (
        MapLayer(name="low", branch="low", module=low, channels_last=True),
        MapLayer(name="middle", branch="middle", module=middle),
        MapLayer(name="high", branch="high", module=model.h_gcvit.norm, channels_last=True),
    )


def _efficientnet(model: Any) -> tuple[MapLayer, ...]:
    """The ends of the stages at strides 8, 16 and 32."""
    blocks = model.backbone.blocks
    return (
        MapLayer(name="low", branch="low", module=blocks[2]),
        MapLayer(name="middle", branch="middle", module=blocks[4]),
        MapLayer(name="high", branch="high", module=blocks[6]),
    )


def _convnext(model: Any) -> tuple[MapLayer, ...]:
    """The ends of the second stage (stride 8), of the third (16) and of the last (32).

    Of the multi-task model these are its RGB branch; its frequency branch has no places to show.
    """
    return _stages(model.backbone)


def _genconvit_ed(model: Any, prefix: str = "") -> tuple[MapLayer, ...]:
    """The one ConvNeXt: on the picture, and how it ends on the auto-encoder's reconstruction."""
    return (
        *_stages(model.backbone, prefix=f"{prefix}original ", picture=1),
        _stages(model.backbone, prefix=f"{prefix}reconstruction ", picture=0)[-1],
    )


def _genconvit_vae(model: Any, prefix: str = "") -> tuple[MapLayer, ...]:
    """As of the other network; the reconstruction has half the size."""
    return (
        *_stages(model.convnext_backbone, prefix=f"{prefix}original ", picture=0),
        _stages(model.convnext_backbone, prefix=f"{prefix}reconstruction ", picture=1)[-1],
    )


def _genconvit(model: Any) -> tuple[MapLayer, ...]:
    return _genconvit_ed(model.ed, "ED ") + _genconvit_vae(model.vae, "VAE ")


def _stages(convnext: Any, *, prefix: str = "", picture: int = 0) -> tuple[MapLayer, ...]:
    stages = convnext.stages
    modules: tuple[tuple[Branch, nn.Module], ...] = (
        ("low", stages[2].downsample[0]),
        ("middle", stages[3].downsample[0]),
        ("high", stages[3]),
    )
    return tuple(
        MapLayer(name=f"{prefix}{branch}", branch=branch, module=module, picture=picture)
        for branch, module in modules
    )


_FINDERS: tuple[tuple[type[DetectorModel], Callable[[Any], tuple[MapLayer, ...]]], ...] = (
    (MSEffGCViT, _ms_eff_gcvit),
    (EfficientNetDetector, _efficientnet),
    (ConvNeXtDetector, _convnext),
    (MultiTaskDetector, _convnext),
    (GenConViTED, _genconvit_ed),
    (GenConViTVAE, _genconvit_vae),
    (GenConViTEnsemble, _genconvit),
)

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
from dfedge_models import ConvNeXtDetector, DetectorModel, MSEffGCViT
from dfedge_models.genconvit import GenConViT

Branch = Literal["low", "middle", "high"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MapLayer:
    """One map of a model.

    Attributes:
        name: for pictures and files, such as ``low`` or ``reconstruction high``.
        module: whose output it is; called once in a pass.
        channels_last: the output is (B, H, W, C), as attention layers give it.
        part, parts: a module that is given several pictures of each input end to end gives `parts`
            batches; this layer is the one of number `part`.
    """

    name: str
    branch: Branch
    module: nn.Module
    channels_last: bool = False
    part: int = 0
    parts: int = 1


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
    outputs: dict[nn.Module, torch.Tensor] = {}

    def keep(module: nn.Module, _: Any, output: torch.Tensor) -> None:
        outputs[module] = output

    with ExitStack() as hooks, torch.enable_grad():
        for module in {layer.module for layer in layers}:
            hooks.callback(module.register_forward_hook(keep).remove)
        # Gradients are asked for by the input, so that frozen weights are no obstacle.
        odds = model.signature.fake_log_odds(model(inputs.detach().clone().requires_grad_(True)))
        gradients = torch.autograd.grad(sign * odds.sum(), list(outputs.values()))
    found = dict(zip(outputs, gradients, strict=True))
    maps = tuple(
        LayerMap(layer, _read(layer, outputs[layer.module]), _read(layer, found[layer.module]))
        for layer in layers
    )
    return odds.detach(), maps


def _read(layer: MapLayer, values: torch.Tensor) -> torch.Tensor:
    """The layer's part of a module's output, channels first."""
    part = values.detach().chunk(layer.parts)[layer.part]
    return part.permute(0, 3, 1, 2) if layer.channels_last else part


def _ms_eff_gcvit(model: Any) -> tuple[MapLayer, ...]:
    """The low branch at stride 4, the high one at 32, and the backbone at 16 on the way to it."""
    low = model.l_gcvit.stages[0].downsample.norm1
    middle = model.feat_extractor.backbone.blocks[4]
    return (
        MapLayer(name="low", branch="low", module=low, channels_last=True),
        MapLayer(name="middle", branch="middle", module=middle),
        MapLayer(name="high", branch="high", module=model.h_gcvit.norm, channels_last=True),
    )


def _convnext(model: Any) -> tuple[MapLayer, ...]:
    """The ends of the second stage (stride 8), of the third (16) and of the last (32)."""
    return _stages(model.backbone)


def _genconvit(model: Any) -> tuple[MapLayer, ...]:
    """The one ConvNeXt on the picture, and on what the auto-encoder made of it."""
    return (
        *_stages(model.features, prefix="original ", part=1, parts=2),
        *_stages(model.features, prefix="reconstruction ", part=0, parts=2),
    )


def _stages(
    convnext: Any, *, prefix: str = "", part: int = 0, parts: int = 1
) -> tuple[MapLayer, ...]:
    stages = convnext.stages
    modules: tuple[tuple[Branch, nn.Module], ...] = (
        ("low", stages[2].downsample[0]),
        ("middle", stages[3].downsample[0]),
        ("high", stages[3]),
    )
    return tuple(
        MapLayer(name=f"{prefix}{branch}", branch=branch, module=module, part=part, parts=parts)
        for branch, module in modules
    )


_FINDERS: tuple[tuple[type[DetectorModel], Callable[[Any], tuple[MapLayer, ...]]], ...] = (
    (MSEffGCViT, _ms_eff_gcvit),
    (ConvNeXtDetector, _convnext),
    (GenConViT, _genconvit),
)

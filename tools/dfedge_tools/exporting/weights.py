"""Weights stored short, by the recipes of ``dfedge quantize`` that leave the arithmetic alone."""

from __future__ import annotations

import onnx

from dfedge_tools.exporting.shrink import RECIPE, shrink


def store_weights(proto: onnx.ModelProto, recipe: str) -> tuple[onnx.ModelProto, str]:
    """A graph with its weights stored by a recipe, and the recipe in words."""
    assert recipe == "small"
    return onnx.load_from_string(shrink(proto.SerializeToString())), RECIPE

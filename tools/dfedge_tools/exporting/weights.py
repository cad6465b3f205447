"""Weights stored short, by the recipes of ``dfedge quantize`` that leave the arithmetic alone."""

from __future__ import annotations

import msgspec
import onnx

from dfedge_tools.quantizing.layers import chosen, find_layers
from dfedge_tools.quantizing.quantizer import Quantizer, describe
from dfedge_tools.quantizing.recipes import Recipe, find_recipe


def store_weights(proto: onnx.ModelProto, recipe: str) -> tuple[onnx.ModelProto, str]:
    """A graph with its weights stored by a recipe, and the recipe in words."""
    fitting = _fit(find_recipe(recipe), proto.graph)
    stored = Quantizer(proto.SerializeToString(), fitting).build()
    return onnx.load_from_string(stored), describe(fitting)


def _fit(recipe: Recipe, graph: onnx.GraphProto) -> Recipe:
    """The recipe for a graph that writes its linear layers as convolutions of one pixel.

    So do the small ConvNeXts of timm: each block's two layers are pointwise convolutions.
    """
    linear_only = recipe.int8 == ("linear",)
    if not linear_only or chosen(find_layers(graph), recipe.int8, recipe.exclude):
        return recipe
    return msgspec.structs.replace(recipe, int8=("pointwise",))

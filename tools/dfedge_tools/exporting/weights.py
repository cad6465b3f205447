"""Weights stored short, by the recipes of ``dfedge quantize`` that leave the arithmetic alone."""

from __future__ import annotations

import onnx

from dfedge_tools.quantizing.quantizer import Quantizer, describe
from dfedge_tools.quantizing.recipes import find_recipe


def store_weights(proto: onnx.ModelProto, recipe: str) -> tuple[onnx.ModelProto, str]:
    """A graph with its weights stored by a recipe, and the recipe in words."""
    quantizer = Quantizer(proto.SerializeToString(), find_recipe(recipe))
    return onnx.load_from_string(quantizer.build()), describe(quantizer.recipe)

"""The recipe ``small`` of ``dfedge quantize``, by its older name."""

from dfedge_tools.quantizing.quantizer import describe, store_small
from dfedge_tools.quantizing.recipes import find_recipe

__all__ = ["RECIPE", "shrink"]

RECIPE = describe(find_recipe("small"))
shrink = store_small

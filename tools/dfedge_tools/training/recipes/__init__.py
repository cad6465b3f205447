"""Recipes in code: what ``dfedge train NAME`` trains, a file a family.

Each says its command, its cost and the score to expect; what was really measured stands in
``docs/training.md``. A family adds its recipes to :data:`FAMILIES`.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import Final

from dfedge.errors import UsageError
from dfedge_tools.training.config import Recipe
from dfedge_tools.training.recipes import b0, convnext, efficientnet, heavy, ms_eff_gcvit, multitask

FAMILIES: Final[tuple[tuple[Recipe, ...], ...]] = (
    b0.RECIPES,
    efficientnet.RECIPES,
    ms_eff_gcvit.RECIPES,
    convnext.RECIPES,
    multitask.RECIPES,
    heavy.RECIPES,
)

RECIPES: Final[dict[str, Recipe]] = {r.name: r for family in FAMILIES for r in family}


def find_recipe(name: str) -> Recipe:
    """A recipe by name.

    Raises:
        UsageError: There is none of that name.
    """
    if name in RECIPES:
        return RECIPES[name]
    near = get_close_matches(name, RECIPES, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(RECIPES)}"
    raise UsageError(f"RECIPE {name}: there is none of that name; {hint} (dfedge train --list)")

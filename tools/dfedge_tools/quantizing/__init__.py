"""Smaller forms of a bundle: recipes, how they are applied, and what they cost."""

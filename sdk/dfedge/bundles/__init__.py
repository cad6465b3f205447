"""Bundles: a model with the card that says all a runtime must know of it."""

"""Architectures of the edge models, in torch."""

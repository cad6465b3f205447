"""Signing bundles for browsers: keys, and the folder that a server hands out."""

"""Training of the edge detectors: crops, self-blended fakes, the recipe, the loop.

Data flows one way: manifests (`samples`) -> packed crops (`store`) -> seeded batches (`batches`,
which uses `regions`, `blending` and `degrade`) -> `loop` -> checkpoints and scores (`validate`).
"""

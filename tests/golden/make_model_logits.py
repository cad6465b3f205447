"""Makes ``model_logits.json``: ``python tests/golden/make_model_logits.py``.

Logits of every model in double precision under weights rebuilt from names, with a calm
backbone (see ``tests/edge_models/conftest.py``), so that any change of an architecture shows where
the public oracles are not at hand.
"""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import torch

import dfedge_models

HERE = Path(__file__).resolve().parent
HOW = [
    "Made by tests/golden/make_model_logits.py in double precision (torch, CPU).",
    "Weights: seeded_weights(model, backbone_gain=1.0) of tests/edge_models/conftest.py.",
    "Input: seeded_input(signature.input_shape(2)) of the same file; sizes: its SMALLER.",
]


def main() -> None:
    """Write the logits of two inputs for each architecture, picture by picture."""
    made = runpy.run_path(str(HERE.parent / "edge_models" / "conftest.py"))
    logits = {}
    for name in dfedge_models.names():
        options = made["SMALLER"].get(name, {})
        model = dfedge_models.create(name, **options).eval()
        model.load_state_dict(made["seeded_weights"](model, backbone_gain=made["CALM_GAIN"]))
        images = made["seeded_input"](model.signature.input_shape(2)).double()
        with torch.inference_mode():
            scored = model.double()(images).flatten().tolist()
        logits[name] = [round(value, 7) for value in scored]
    text = json.dumps({"how": HOW, "logits": logits}, indent=2)
    (HERE / "model_logits.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

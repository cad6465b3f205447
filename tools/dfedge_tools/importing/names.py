"""The names of the published checkpoints, as light as ``--help`` needs them."""

from __future__ import annotations

import difflib

from dfedge.errors import UsageError

NAMES = (
    "ms-eff-gcvit-b0-celeb-df-v2",
    "ms-eff-gcvit-b0-ffpp",
    "ms-eff-gcvit-b0-kodf",
    "ms-eff-gcvit-b5-celeb-df-v2",
    "ms-eff-gcvit-b5-ffpp",
    "ms-eff-gcvit-b5-kodf",
    "genconvit-ed",
    "genconvit-ed-onnx",
    "genconvit-vae",
    "dfd-clip-l",
)
"""Also the names of the bundles."""


def canonical(name: str) -> str:
    """The name as in :data:`NAMES`; the publishers' own spelling (``ms_eff_gcvit_b0/ff++``) counts.

    Raises:
        UsageError: there is no such checkpoint; the message offers the nearest.
    """
    plain = name.strip().lower().replace("ff++", "ffpp").replace("_", "-").replace("/", "-")
    if plain in NAMES:
        return plain
    close = difflib.get_close_matches(plain, NAMES, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    raise UsageError(
        f"{name}: no published checkpoint of that name; {hint}known are {', '.join(NAMES)}; "
        "weights of your own go in by dfedge export"
    )

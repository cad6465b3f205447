"""The architectures by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dfedge_models.clip_video import dfd_clip_l
from dfedge_models.convnext import (
    dfedge_convnext_atto,
    dfedge_convnext_femto,
    dfedge_convnext_tiny,
)
from dfedge_models.detector import DetectorModel
from dfedge_models.efficientnet import dfedge_efficientnet_b0
from dfedge_models.genconvit import genconvit_ed, genconvit_vae
from dfedge_models.genconvit_ensemble import genconvit
from dfedge_models.ms_eff_gcvit import ms_eff_gcvit_b0, ms_eff_gcvit_b5
from dfedge_models.multitask import dfedge_convnext_tiny_multitask

_ARCHITECTURES: dict[str, Callable[..., DetectorModel]] = {
    entry.__name__: entry
    for entry in (
        ms_eff_gcvit_b0,
        ms_eff_gcvit_b5,
        dfedge_efficientnet_b0,
        dfedge_convnext_atto,
        dfedge_convnext_femto,
        dfedge_convnext_tiny,
        dfedge_convnext_tiny_multitask,
        genconvit_ed,
        genconvit_vae,
        genconvit,
        dfd_clip_l,
    )
}


def names() -> tuple[str, ...]:
    """All architectures, the smallest of each family first."""
    return tuple(_ARCHITECTURES)


def create(name: str, **options: Any) -> DetectorModel:
    """An architecture with fresh weights, in training mode.

    The names of the edge models work with ``timm.create_model`` too once this package is imported.

    Args:
        name: one of :func:`names`.
        options: of the architecture: `img_size` (a multiple of 32), for the edge models `drop_rate`
            and `drop_path_rate` too.

    Raises:
        ValueError: there is no architecture of that name, or an option cannot work.
    """
    if name not in _ARCHITECTURES:
        raise ValueError(f"no architecture {name!r}; there are {', '.join(names())}")
    return _ARCHITECTURES[name](**options)

"""Torch architectures of the models; importing this registers the edge models with timm.

Each is a function here, but for `genconvit`, whose name is that of a module: :func:`create` has it.
"""

from __future__ import annotations

from dfedge_models.clip_video import CLIPVideoDetector, dfd_clip_l
from dfedge_models.convnext import (
    ConvNeXtDetector,
    dfedge_convnext_atto,
    dfedge_convnext_femto,
    dfedge_convnext_tiny,
)
from dfedge_models.detector import IMAGENET_MEAN, IMAGENET_STD, DetectorModel, FrameDetector
from dfedge_models.efficientnet import EfficientNetDetector, dfedge_efficientnet_b0
from dfedge_models.genconvit import (
    GenConViT,
    GenConViTED,
    GenConViTVAE,
    genconvit_ed,
    genconvit_vae,
)
from dfedge_models.genconvit_ensemble import GenConViTEnsemble, published_clip_score
from dfedge_models.mixture import mixture_logit
from dfedge_models.ms_eff_gcvit import (
    MSEffGCViT,
    ms_eff_gcvit_b0,
    ms_eff_gcvit_b5,
    resize_windows,
)
from dfedge_models.multitask import MultiTaskDetector, dfedge_convnext_tiny_multitask
from dfedge_models.registry import create, names
from dfedge_models.signature import ModelSignature

__all__ = [
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "CLIPVideoDetector",
    "ConvNeXtDetector",
    "DetectorModel",
    "EfficientNetDetector",
    "FrameDetector",
    "GenConViT",
    "GenConViTED",
    "GenConViTEnsemble",
    "GenConViTVAE",
    "MSEffGCViT",
    "ModelSignature",
    "MultiTaskDetector",
    "create",
    "dfd_clip_l",
    "dfedge_convnext_atto",
    "dfedge_convnext_femto",
    "dfedge_convnext_tiny",
    "dfedge_convnext_tiny_multitask",
    "dfedge_efficientnet_b0",
    "genconvit_ed",
    "genconvit_vae",
    "mixture_logit",
    "ms_eff_gcvit_b0",
    "ms_eff_gcvit_b5",
    "names",
    "published_clip_score",
    "resize_windows",
]

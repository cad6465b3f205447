"""The recipe as typed values: what is drawn, how it is degraded, how it is optimized."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True)
class CropRange:
    """How the face is cut out of a stored picture.

    The runtime cuts a square of 1.4 x the longer side of the face box about its centre; training
    varies this a little, because boxes of other pictures will not be as tidy.
    """

    scale_low: float = 1.25
    scale_high: float = 1.55
    shift: float = 0.05
    """Largest shift of the centre, in sides of the face box."""
    exact: float = 1.4
    """Scale at validation, without a shift."""


@dataclass(frozen=True, slots=True)
class Mix:
    """Pictures in one batch, counted in pairs (a genuine picture and its fake)."""

    still_pairs: int = 12
    """Stills and their self-blends."""
    clip_blend_pairs: int = 4
    """Genuine frames of train clips and their self-blends."""
    clip_pairs: int = 8
    """Genuine frames of train clips, and frames of manipulated train clips."""
    source_weights: tuple[tuple[str, float], ...] = (
        ("meb", 0.46),
        ("aaf", 0.24),
        ("scut", 0.20),
        ("lond", 0.10),
    )
    """Share of each source among the stills: in-the-wild and studio sets are drawn more often than
    they are large, since the other two are mostly of East Asian faces."""

    @property
    def images(self) -> int:
        """Pictures in one batch."""
        return 2 * (self.still_pairs + self.clip_blend_pairs + self.clip_pairs)


@dataclass(frozen=True, slots=True)
class Optim:
    """AdamW with a warm-up and a cosine to zero."""

    learning_rate: float = 1e-3
    backbone_rate_scale: float = 1.0
    """Factor on the rate of the backbone's parameters."""
    weight_decay: float = 0.02
    """Not on biases, norms and relative-position tables."""
    warmup_steps: int = 200
    clip_norm: float = 5.0
    ema_decay: float = 0.999
    label_smoothing: float = 0.02
    mask_weight: float = 2.0
    """Weight of the blend-mask loss next to the classification loss."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """One training stage.

    Attributes:
        name: Names the checkpoint folder.
        model: The backbone alone with a small head, or the whole detector.
        side: Input side in pixels.
        blend_side: Side at which blends are made and compressed; never below `side`.
        steps: Optimizer steps of the stage.
        curriculum_steps: Steps over which difficulty climbs from its start to its end.
        seed: Of everything random.
        frozen_backbone_blocks: The stem and this many blocks of the backbone get no gradient.
        compile_model: torch.compile: about a quarter faster here after a minute of compiling.
    """

    name: str
    model: Literal["backbone", "detector"] = "backbone"
    architecture: str = "ms_eff_gcvit_b0"
    """Of the detector; the backbone alone is always that of ``ms_eff_gcvit_b0``."""
    initial: Literal["random", "imagenet"] = "random"
    """Weights the backbone alone starts from: see :mod:`dfedge_tools.training.imagenet`."""
    side: int = 160
    blend_side: int = 224
    steps: int = 4000
    schedule_steps: int = 0
    """Length of the cosine; 0: that of the stage. A stage that another one follows may stop before
    its rate is down."""
    curriculum_steps: int = 1500
    start_difficulty: float = 0.0
    end_difficulty: float = 1.0
    """Each picture draws its own difficulty, between a fifth of the current one and all of it."""
    seed: int = 20261121
    frozen_backbone_blocks: int = 0
    compile_model: bool = True
    crop: CropRange = field(default_factory=CropRange)
    mix: Mix = field(default_factory=Mix)
    optim: Optim = field(default_factory=Optim)

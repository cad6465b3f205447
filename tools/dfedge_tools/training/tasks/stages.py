"""Typed settings of the multi-task detector, of GenConViT and of the CLIP-L detector of clips.

Like :mod:`dfedge_tools.training.config` it imports nothing heavy. Each field that follows a paper
or a model card says so; the others are this project's choice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dfedge_tools.training.config import Part, Phase, Stage

if TYPE_CHECKING:
    from dfedge_tools.training.stores import Crops
    from dfedge_tools.training.task import Task

RANDOM = "random"
"""Value of `initial`: no weights to start from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """How a face is cut out of a stored picture.

    Attributes:
        scales: Sides of the square in longer sides of the face box; one is drawn for a picture.
        spread: Half the range of a factor on the scale, around 1.
        shift: Largest shift of the centre, in longer sides of the face box.
        turn_degrees: Largest rotation, either way.
        exact: Scale at validation, without anything else; the bundle's card must cut alike.
    """

    scales: tuple[float, ...]
    spread: float = 0.05
    shift: float = 0.04
    turn_degrees: float = 8.0
    exact: float


@dataclass(frozen=True, slots=True)
class HeadWeights:
    """Weight of each head's loss, as the InSwapper recipe gives them."""

    real_fake: float = 1.0
    inswapper: float = 0.7
    boundary: float = 0.4
    quality: float = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class MultiTaskStage(Stage):
    """The ConvNeXt-Tiny multi-task detector.

    Attributes:
        initial: ``random``, or a file: a checkpoint of the detector, or of a ConvNeXt-Tiny by
            timm's names, which goes into its backbone.
        img_size: Input side, pixels; a multiple of 64. 256 in the InSwapper recipe.
        images: Pictures in one batch.
        cut: The recipe's three crops: tight 1.1, expanded 1.5, scene 2.0.
        blend_share: Of the fakes, how many are self-blends; all where the store has no fakes.
        strength: Of the changes a camera or a codec makes, 0 to 1.
        focal_gamma: 0 is cross entropy; above 0 focal loss, usually 2.
        balance_classes: Weigh both classes of a head alike, by how often the sampler gives them.
        phases: Backbone frozen, then its stages 3 and 4, then everything at a low rate. The recipe
            changes at epochs 4 and 16.
        parts: The backbone, and all else: frequency branch, fusion, heads.
    """

    initial: str = RANDOM
    img_size: int = 256
    drop_rate: float = 0.3
    """Dropout before the heads."""
    drop_path_rate: float = 0.1
    """Stochastic depth of the backbone."""
    images: int = 32
    cut: Cut = field(default_factory=lambda: Cut(scales=(1.1, 1.5, 2.0), exact=1.5))
    blend_share: float = 0.25
    strength: float = 0.7
    head_weights: HeadWeights = field(default_factory=HeadWeights)
    focal_gamma: float = 0.0
    balance_classes: bool = True
    phases: tuple[Phase, ...] = (Phase(0),)
    parts: tuple[Part, ...] = (
        Part("backbone", ("detector.backbone",), 1e-4, 0.05),
        Part("heads", ("",), 5e-4, 0.05),
    )

    def task(self, crops: Crops, start_from: Path | None) -> Task[Any]:
        """Four heads on a picture; see :meth:`Stage.task`."""
        from dfedge_tools.training.tasks.multitask import MultiTask

        return MultiTask(self, crops, start_from)


def multitask_phases(last_stages_from: int, everything_from: int) -> tuple[Phase, ...]:
    """Frozen backbone; its stages 3 and 4 from a step on; everything from another on, at 0.2."""
    body = "detector.backbone"
    return (
        Phase(0, frozen=(body,)),
        Phase(last_stages_from, frozen=(f"{body}.stem", f"{body}.stages.0", f"{body}.stages.1")),
        Phase(everything_from, rate_scale=0.2),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class GenConViTStage(Stage):
    """One of GenConViT's networks.

    Attributes:
        network: ``ed`` has a plain auto-encoder, ``vae`` a variational one.
        initial: ``random``, or a file: a published checkpoint of the network, or a ConvNeXt-Tiny by
            timm's names with its classifier of 1000 classes, which goes into its backbone.
        img_size: Input side, pixels; a multiple of 32. 224 in the paper.
        images: Pictures in one batch; 32 in the publishers' guide.
        cut: The publishers cut at dlib's box, about as wide as BlazeFace's.
        strength: Of changes of colour, size, blur and noise, 0 to 1.
        reconstruction_weight: Of the mean squared error next to the cross entropy.
        kl_weight: Of the divergence of the latent (``vae``), a mean over its values.
        parts: One rate and one decay for all.
    """

    network: Literal["ed", "vae"]
    initial: str = RANDOM
    img_size: int = 224
    images: int = 32
    cut: Cut = field(
        default_factory=lambda: Cut(scales=(1.0,), spread=0.1, turn_degrees=15.0, exact=1.0)
    )
    strength: float = 0.5
    reconstruction_weight: float = 1.0
    kl_weight: float = 0.05
    parts: tuple[Part, ...] = (Part("all", ("",), 1e-4, 1e-4),)

    def task(self, crops: Crops, start_from: Path | None) -> Task[Any]:
        """Classification and reconstruction of a picture; see :meth:`Stage.task`."""
        from dfedge_tools.training.tasks.genconvit import GenConViTTask

        return GenConViTTask(self, crops, start_from)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipStage(Stage):
    """The CLIP-L detector of clips; its tower stands still.

    Attributes:
        initial: A file: a checkpoint of the detector, or of transformers' ``CLIPModel`` or
            ``CLIPVisionModel`` (openai/clip-vit-large-patch14), which goes into its tower.
            ``random`` is for trials of the program: what adapters add to noise is no detector. It
            has to be given.
        img_size: Input side, pixels; 384 on the model card.
        frames: Frames of a clip, evenly spaced; 12 on the card. A clip with fewer repeats some.
        depth: Blocks of the tower; 24.
        clips: In one batch; 16 on the card.
        smallest_crop: Side of the smallest square window that is cut out of all frames of a clip
            alike, as a share of the picture; 1 (the card): always the whole picture.
        brightness: Largest relative change, the same for all frames; 0.2 on the card.
        label_smoothing: 0.1 on the card.
        recompute: Trade a third more time for about a tenth of the memory.
        parts: Adapters and head, one rate and decay; 5e-6 and 0.05 on the card.
    """

    initial: str = ""
    img_size: int = 384
    frames: int = 12
    depth: int = 24
    clips: int = 16
    smallest_crop: float = 1.0
    brightness: float = 0.2
    label_smoothing: float = 0.1
    recompute: bool = True
    parts: tuple[Part, ...] = (Part("adapters and head", ("",), 5e-6, 0.05),)

    def task(self, crops: Crops, start_from: Path | None) -> Task[Any]:
        """Real or fake of a clip; see :meth:`Stage.task`."""
        from dfedge_tools.training.tasks.clip_video import ClipVideoTask

        return ClipVideoTask(self, crops, start_from)

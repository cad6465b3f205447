"""Typed settings of a training stage: what is drawn, what it is made into, how it is optimized.

Nothing heavy is imported here, so recipes can be listed at once. A kind of task adds its settings
to :class:`Stage` by a class of its own that says how the task is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dfedge_tools.fakes.config import FakeMix

if TYPE_CHECKING:
    from dfedge_tools.training.stores import Crops
    from dfedge_tools.training.task import Task

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

SEED = 20261121


@dataclass(frozen=True, slots=True)
class Phase:
    """From `first_step` on, until the next phase, only some parts of the network learn.

    Attributes:
        first_step: Of the stage; the first phase has 0.
        frozen: Names of submodules without gradient, whose norms keep their statistics.
        rate_scale: Factor on the rate of every group.
    """

    first_step: int
    frozen: tuple[str, ...] = ()
    rate_scale: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopConfig:
    """How the loop optimizes, whatever it trains. Rates and decays are the task's."""

    steps: int
    """Optimizer steps of the stage; 0: it is the weights it starts from, validated and written."""
    warmup_steps: int = 200
    """The rate climbs linearly over these."""
    schedule_steps: int = 0
    """Length of the cosine; 0: that of the stage. A stage that another one follows may stop before
    its rate is down."""
    floor: float = 0.0
    """Where the cosine ends, as a share of the top rate."""
    clip_norm: float = 5.0
    """Longest gradient; 0: any."""
    accumulate: int = 1
    """Batches a process adds up for one step."""
    ema_decay: float = 0.999
    """Of the moving average of the weights, which is what is validated and shipped; 0: none."""
    patience: int = 0
    """Stop after this many validations without a better score; 0: never."""
    min_gain: float = 0.0
    """What counts as better for `patience`."""
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Of the forward pass. auto: bfloat16 on a GPU, float32 on a CPU. float16 scales the loss."""
    compile_model: bool = False
    """torch.compile: about a quarter faster on a CPU after a minute of compiling."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What every stage has.

    Attributes:
        name: Names the checkpoint folder.
        seed: Of everything random.
    """

    name: str
    seed: int = SEED
    initial: str = "random"
    """Weights of a stage that starts afresh: ``random``, a file, or a word that the kind of stage
    knows. Where a later stage says other than ``random``, it does not start from the one before."""
    soup: tuple[str, ...] = ()
    """Earlier stages of one network whose weights are averaged for a later stage to start from
    (Wortsman and others, 2022); empty: the stage before alone."""
    loop: LoopConfig

    def task(self, crops: Crops, start_from: Path | None) -> Task[Any]:
        """The task of this stage.

        Args:
            crops: Packed pictures, of all splits.
            start_from: Checkpoint whose averaged weights the network starts from; None for a
                stage that starts afresh.

        Raises:
            UsageError: The pictures lack a class or a split, or the checkpoint does not fit.
        """
        raise NotImplementedError


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

    left_out: tuple[str, ...] = ()
    """Methods whose fakes are never drawn, to measure how well a detector knows what it has not
    seen: ``--set 'mix.left_out=["NeuralTextures"]'``."""

    @property
    def images(self) -> int:
        """Pictures in one batch."""
        return 2 * (self.still_pairs + self.clip_blend_pairs + self.clip_pairs)


@dataclass(frozen=True, slots=True)
class Mixing:
    """What is done to whole batches of pictures; off unless a recipe says otherwise."""

    mixup_chance: float = 0.0
    """Of a batch: every picture becomes a blend with another, and so do label and mask."""
    mixup_alpha: float = 0.4
    """Both parameters of the beta distribution that the share is drawn from."""
    cutout_chance: float = 0.0
    """Of a picture: a square of it becomes grey, and its mask there empty."""
    cutout_side: float = 0.25
    """Largest side of the square, as a share of the picture's."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the network that learns at a rate of its own."""

    name: str
    """For messages and checkpoints, and for ``--set``."""
    modules: tuple[str, ...]
    """Names of submodules; the first part that holds a parameter gets it. ("",): all others."""
    learning_rate: float
    """At the top of the schedule."""
    weight_decay: float
    """Not on biases, norms and relative-position tables."""


@dataclass(frozen=True, slots=True)
class Distillation:
    """Learning from the logits of a trained teacher besides the labels."""

    teacher: str = ""
    """A detector bundle (folder or .zip), or plain weights (.pt) of `architecture`; "": none."""
    architecture: str = "ms_eff_gcvit_b0"
    """Of a .pt teacher: a name of :func:`dfedge_models.names` with one logit."""
    side: int = 0
    """Input side of a .pt teacher, pixels; 0: that of its architecture. Pictures are resized."""
    weight: float = 0.5
    """Share of the teacher in the classification loss."""
    temperature: float = 2.0
    """Divides both logits; the gradient is scaled back by its square (Hinton and others, 2015)."""


EVERYTHING = (Part("all", ("",), 1e-3, 0.02),)


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameStage(Stage):
    """Training on single face crops: classification, and where it was manipulated.

    `initial` may be ``imagenet`` (see :mod:`dfedge_tools.training.imagenet`), a checkpoint of a
    stage, or plain weights of the backbone or of the whole detector.

    Attributes:
        side: Input side in pixels.
        blend_side: Side at which blends are made and compressed; never below `side`.
        curriculum_steps: Steps over which difficulty climbs from its start to its end.
        phases: What is frozen when.
    """

    architecture: str
    """A name of :func:`dfedge_models.names` that gives maps at strides 4, 8 and 16."""
    side: int = 160
    blend_side: int = 224
    curriculum_steps: int = 1500
    start_difficulty: float = 0.0
    end_difficulty: float = 1.0
    """Each picture draws its own difficulty, between a fifth of the current one and all of it."""
    crop: CropRange = field(default_factory=CropRange)
    mix: Mix = field(default_factory=Mix)
    fakes: FakeMix = field(default_factory=FakeMix)
    mixing: Mixing = field(default_factory=Mixing)
    parts: tuple[Part, ...] = EVERYTHING
    phases: tuple[Phase, ...] = (Phase(0),)
    drop_rate: float = 0.2
    """Dropout before the last layer."""
    drop_path_rate: float = 0.0
    """Stochastic depth."""
    label_smoothing: float = 0.02
    mask_weight: float = 2.0
    """Weight of the blend-mask loss next to the classification loss."""
    distillation: Distillation = field(default_factory=Distillation)

    def task(self, crops: Crops, start_from: Path | None) -> Task[Any]:
        """Classification with a mask beside it; see :meth:`Stage.task`."""
        from dfedge_tools.training.tasks.frames import FrameTask

        return FrameTask(self, crops, start_from)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What ``dfedge train NAME`` trains.

    Attributes:
        name: On the command line.
        summary: One line: what comes out.
        cost: Time on which machine, as measured, or what is known.
        score: What to expect, and on which data.
        stages: In order; each starts from the averaged weights of the one before.
    """

    name: str
    summary: str
    cost: str
    score: str
    stages: Sequence[Stage]

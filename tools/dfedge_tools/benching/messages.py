"""What the two sides of a measurement say to each other: one JSON object a line.

The parent sends a :data:`Job`; a measuring child answers :class:`Loaded`, then one :class:`Slice`
for each :class:`Go`, until its standard input ends. A preparing child answers :class:`Prepared` and
ends. Either may answer :class:`Failed` instead, and end.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

Runtime: TypeAlias = Literal["torch", "torch-compile", "ort", "openvino"]
RUNTIMES: tuple[Runtime, ...] = ("torch", "torch-compile", "ort", "openvino")
"""In the order of the rows: torch eager comes first, so the ratios are to it."""

TORCH_RUNTIMES: frozenset[Runtime] = frozenset({"torch", "torch-compile"})

Weights: TypeAlias = Literal["bundle", "random"]
"""The bundle's own, or seeded random ones: in torch always, since speed does not depend on them."""


class _Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="say"):
    """Base: immutable, told apart by ``say``."""


class Prepare(_Message, tag="prepare", frozen=True, kw_only=True):
    """Make ready what the measuring children will load.

    Attributes:
        bundle: folder or zip; None for an architecture.
        architecture: of the card, or as the user named it.
        folder: where to put what is made.
        torch: whether torch will be measured.
        export: whether an architecture is to be exported, since ONNX runtimes will be measured.
    """

    bundle: str | None
    architecture: str
    folder: str
    torch: bool
    export: bool


class Prepared(_Message, tag="prepared", frozen=True, kw_only=True):
    """What was made ready.

    Attributes:
        flops: of one input, twice the multiply-adds; None where they cannot be counted.
        parameters: of an architecture, from which its memory is guessed; None for a bundle.
        img_size: option that makes the torch model fit the bundle; None for its own size.
        bundle: that ONNX runtimes load; None where there is none.
        no_torch: why there is no torch model; None where there is one.
        input_shape: of one input, without the batch.
    """

    input_shape: tuple[int, ...]
    flops: float | None
    parameters: int | None = None
    img_size: int | None = None
    bundle: str | None = None
    no_torch: str | None = None


class Measure(_Message, tag="measure", frozen=True, kw_only=True):
    """One cell: a model in a runtime, with threads and a batch.

    Attributes:
        shape: of the input, batch included.
        bundle: for ONNX runtimes.
        architecture: for torch, with ``img_size`` as in :class:`Prepared`.
    """

    runtime: Runtime
    device: str
    threads: int
    shape: tuple[int, ...]
    bundle: str | None = None
    architecture: str | None = None
    img_size: int | None = None


class Peak(_Message, tag="peak", frozen=True, kw_only=True):
    """The machine's own pace: a square product of matrices in ONNX Runtime.

    Attributes:
        side: of each matrix.
    """

    threads: int
    side: int


Job: TypeAlias = Prepare | Measure | Peak


class Loaded(_Message, tag="loaded", frozen=True, kw_only=True):
    """The model is in memory and has answered once.

    Attributes:
        seconds: from the file to the first answer; imports are not counted, compiling is.
        runtime_bytes: resident memory once the runtime was imported; None where the system does
            not tell.
        loaded_bytes: the same after the first answer.
        ran_on: what really ran it, such as ``CPUExecutionProvider``.
    """

    seconds: float
    runtime_bytes: int | None
    loaded_bytes: int | None
    ran_on: str


class Go(_Message, tag="go", frozen=True, kw_only=True):
    """Run for so long, at least once, or so often."""

    seconds: float | None = None
    runs: int | None = None


class Slice(_Message, tag="slice", frozen=True, kw_only=True):
    """What one turn gave.

    Attributes:
        seconds: of each run.
        started: when the first of them began, on the clock ``time.monotonic``, which all processes
            of a machine share.
        ended: when the last one ended.
        cpu_seconds: processor time of all threads over all these runs.
        peak_bytes: the largest resident memory of the process so far.
    """

    seconds: tuple[float, ...]
    started: float
    ended: float
    cpu_seconds: float
    peak_bytes: int | None


class Failed(_Message, tag="failed", frozen=True, kw_only=True):
    """It cannot be done, and why."""

    problem: str


Answer: TypeAlias = Prepared | Loaded | Slice | Failed

"""Whether a graph's real inputs and outputs are those its card promises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from dfedge.bundles.bundle import Bundle, Role
from dfedge.bundles.card import DetectorCard, FaceDetectorCard, Input
from dfedge.errors import BundleFormatError

PREPROCESS_INPUT = "crop"
"""Input of ``preprocess.onnx``: uint8 (height, width, 3), any size."""

PREPROCESS_OUTPUT = "input"
"""Its output: float32 (1, 3, height, width) of the model's input."""

BOX_NUMBERS = 16
"""Of a BlazeFace anchor: centre, size, six key points."""

DYNAMIC = None


class Slot(Protocol):
    """What ONNX Runtime says of one input or output (its ``NodeArg``)."""

    @property
    def name(self) -> str:
        """Name in the graph."""

    @property
    def type(self) -> str:
        """For example ``tensor(float)``."""

    @property
    def shape(self) -> Sequence[int | str | None]:
        """A number for each fixed dimension, a name or None for each free one."""


@dataclass(frozen=True, slots=True)
class _Expected:
    """An input or output that must be there.

    Attributes:
        shape: the size of each dimension; None where it must be free.
        exact: whether a fixed dimension must be fixed in the graph too (an output's may be free).
    """

    name: str
    type: str
    shape: tuple[int | None, ...]
    exact: bool


def check_signature(
    bundle: Bundle, role: Role, inputs: Sequence[Slot], outputs: Sequence[Slot]
) -> None:
    """Compare a graph with its card.

    Raises:
        BundleFormatError: a name, type or shape differs; the message says which.
    """
    expected_inputs, expected_outputs = _expected(bundle, role)
    label = str(bundle.file_path(role))
    if len(inputs) != len(expected_inputs):
        raise BundleFormatError(
            f"{label}: has {len(inputs)} inputs ({_names(inputs)}), its card promises "
            f"{len(expected_inputs)}; export the bundle again"
        )
    for kind, slots, wanted in (
        ("input", inputs, expected_inputs),
        ("output", outputs, expected_outputs),
    ):
        for expected in wanted:
            _check_slot(label, kind, slots, expected)


def anchor_count(card: FaceDetectorCard) -> int:
    """Anchors of a BlazeFace-like detector: those of each cell of each layer."""
    cells = [-(-card.input.width // layer.stride) for layer in card.anchors]
    return sum(
        side * side * layer.anchors_per_cell
        for side, layer in zip(cells, card.anchors, strict=True)
    )


def _expected(bundle: Bundle, role: Role) -> tuple[list[_Expected], list[_Expected]]:
    card = bundle.card
    if role == "preprocess":
        size = (1, 3, card.input.height, card.input.width)
        return (
            [_Expected(PREPROCESS_INPUT, "tensor(uint8)", (DYNAMIC, DYNAMIC, 3), exact=True)],
            [_Expected(PREPROCESS_OUTPUT, "tensor(float)", size, exact=False)],
        )
    inputs = [_Expected(card.input.name, "tensor(float)", _input_shape(card.input), exact=True)]
    if isinstance(card, DetectorCard):
        outputs = {card.output.name: (DYNAMIC, len(card.output.classes))}
        if card.decision.novelty is not None:
            outputs[card.decision.novelty.output] = (DYNAMIC, 1)
        return inputs, [
            _Expected(name, "tensor(float)", shape, exact=False) for name, shape in outputs.items()
        ]
    boxes, scores = ((DYNAMIC, anchor_count(card), numbers) for numbers in (BOX_NUMBERS, 1))
    return inputs, [
        _Expected(card.boxes_output, "tensor(float)", boxes, exact=False),
        _Expected(card.scores_output, "tensor(float)", scores, exact=False),
    ]


def _input_shape(model_input: Input) -> tuple[int | None, ...]:
    picture = (3, model_input.height, model_input.width)
    if model_input.layout == "NTCHW":
        return (DYNAMIC, model_input.frames, *picture)
    return (DYNAMIC, *picture)


def _check_slot(label: str, kind: str, slots: Sequence[Slot], expected: _Expected) -> None:
    slot = next((slot for slot in slots if slot.name == expected.name), None)
    if slot is None:
        raise BundleFormatError(
            f"{label}: has no {kind} {expected.name!r} as its card says, but {_names(slots)}; "
            "correct the card, or export the bundle again"
        )
    fits = len(slot.shape) == len(expected.shape) and all(
        _dimension_fits(real, wanted, expected.exact)
        for real, wanted in zip(slot.shape, expected.shape, strict=True)
    )
    if slot.type != expected.type or not fits:
        raise BundleFormatError(
            f"{label}: its {kind} {slot.name!r} is {slot.type} {_shape_text(slot.shape)}, by the "
            f"card it must be {expected.type} {_shape_text(expected.shape)} (? is any size); "
            "correct the card, or export the bundle again"
        )


def _dimension_fits(real: int | str | None, wanted: int | None, exact: bool) -> bool:
    if isinstance(real, int):
        return real == wanted
    return wanted is None or not exact


def _shape_text(shape: Sequence[int | str | None]) -> str:
    return f"({', '.join(str(n) if isinstance(n, int) else '?' for n in shape)})"


def _names(slots: Sequence[Slot]) -> str:
    return ", ".join(repr(slot.name) for slot in slots) or "none"

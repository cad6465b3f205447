"""``preprocess.onnx``: from a crop of any size to the model's input, the same in every runtime.

Input ``crop`` uint8 (height, width, 3) RGB; output ``input`` float32 (1, 3, S, S). The crop is
resized by ONNX ``Resize``, linear with antialias, which averages over all pixels that a new pixel
covers, as Pillow's ``BILINEAR`` does (Pillow rounds to whole levels, twice; this does not round).
Then it is normalised: ``(x / 255 - mean) / std``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from dfedge.bundles.card import CropContract, Input
from dfedge.signatures import PREPROCESS_INPUT, PREPROCESS_OUTPUT
from dfedge_tools.exporting.graph import IR_VERSION, OPSET, serialize


def preprocess_graph(model_input: Input, crop: CropContract) -> bytes:
    """The bytes of the graph for a card's input and crop contract."""
    return _Graph(model_input, crop).write()


class _Graph:
    """Collects nodes and constants; a node is named after its one output."""

    def __init__(self, model_input: Input, crop: CropContract) -> None:
        self._input = model_input
        self._crop = crop
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}

    def write(self) -> bytes:
        planes = self._node("Transpose", [PREPROCESS_INPUT], "planes", perm=[2, 0, 1])
        levels = self._node("Cast", [planes], "levels", to=TensorProto.FLOAT)
        picture = self._node("Unsqueeze", [levels, self._integers("axis_0", [0])], "picture")
        if self._crop.resize == "stretch":
            sides = self._integers("sides", [self._input.height, self._input.width])
            resized = self._resize(picture, sides)
        else:
            sides = self._letterbox_sides()
            resized = self._pad(self._resize(picture, sides), sides)
        self._normalise(resized)
        return serialize(self._model())

    def _resize(self, picture: str, sides: str) -> str:
        """(1, 3, height, width) to the two sides given."""
        sizes = self._node("Concat", [self._integers("one_three", [1, 3]), sides], "sizes", axis=0)
        return self._node(
            "Resize",
            [picture, "", "", sizes],
            "resized",
            mode="linear",
            antialias=1,
            exclude_outside=1,  # at the edge average over real pixels only, as Pillow does
            coordinate_transformation_mode="half_pixel",
        )

    def _letterbox_sides(self) -> str:
        """Height and width of the picture inside the input: the tighter side fills it.

        In integers, rounded half up, at least one: with the ratio ``fits / side`` of the side that
        limits, ``(2 * side * fits + limit) // (2 * limit)``.
        """
        full = self._integers("full", [self._input.height, self._input.width])
        sides = self._node("Shape", [PREPROCESS_INPUT], "crop_sides", start=0, end=2)
        flipped = self._node("Gather", [sides, self._integers("swap", [1, 0])], "flipped", axis=0)
        full_flipped = self._integers("full_flipped", [self._input.width, self._input.height])
        # side of the result when the other side is the one that limits
        scaled = self._node("Mul", [sides, full_flipped], "scaled")
        twice = self._node("Mul", [scaled, self._integers("two", [2])], "twice")
        raised = self._node("Add", [twice, flipped], "raised")
        halves = self._node("Mul", [flipped, self._integers("two", [2])], "halves")
        rounded = self._node("Div", [raised, halves], "rounded")
        fitting = self._node("Min", [rounded, full], "fitting")
        return self._node("Max", [fitting, self._integers("one", [1])], "inner_sides")

    def _pad(self, picture: str, sides: str) -> str:
        """Centre the picture; an odd pixel goes below or to the right."""
        full = self._integers("full", [self._input.height, self._input.width])
        missing = self._node("Sub", [full, sides], "missing")
        before = self._node("Div", [missing, self._integers("two", [2])], "before")
        after = self._node("Sub", [missing, before], "after")
        pads = self._node("Concat", [before, after], "pads", axis=0)
        value = self._floats("pad_value", float(self._crop.pad_value))
        axes = self._integers("axes", [2, 3])
        return self._node("Pad", [picture, pads, value, axes], "padded", mode="constant")

    def _normalise(self, picture: str) -> None:
        mean = np.array(self._input.mean, np.float64).reshape(1, 3, 1, 1)
        std = np.array(self._input.std, np.float64).reshape(1, 3, 1, 1)
        if self._input.colour_order == "BGR":
            order = self._integers("bgr", [2, 1, 0])
            picture = self._node("Gather", [picture, order], "swapped", axis=1)
        centred = self._node("Sub", [picture, self._floats("mean", 255 * mean)], "centred")
        self._node("Div", [centred, self._floats("std", 255 * std)], PREPROCESS_OUTPUT)

    def _node(self, operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        self._nodes.append(
            helper.make_node(operator, list(inputs), [output], name=output, **attributes)
        )
        return output

    def _integers(self, name: str, values: Sequence[int]) -> str:
        return self._constant(name, np.array(values, np.int64))

    def _floats(self, name: str, values: object) -> str:
        return self._constant(name, np.array(values, np.float32))

    def _constant(self, name: str, values: npt.NDArray[Any]) -> str:
        self._constants[name] = numpy_helper.from_array(values, name)
        return name

    def _model(self) -> onnx.ModelProto:
        sides = [self._input.height, self._input.width]
        graph = helper.make_graph(
            self._nodes,
            "preprocess",
            [
                helper.make_tensor_value_info(
                    PREPROCESS_INPUT, TensorProto.UINT8, ["height", "width", 3]
                )
            ],
            [helper.make_tensor_value_info(PREPROCESS_OUTPUT, TensorProto.FLOAT, [1, 3, *sides])],
            list(self._constants.values()),
        )
        return helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="dfedge",
        )

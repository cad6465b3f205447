"""All choices of layers of one recipe, ready to be scored one after the other."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from dfedge.types import Tensor
from dfedge_tools.quantizing.layers import Layer
from dfedge_tools.quantizing.measure import Judge, Score
from dfedge_tools.quantizing.quantizer import Quantizer
from dfedge_tools.quantizing.storage import fits_half, int8_levels, store_short


class Forms(Protocol):
    """What a search tries."""

    layers: tuple[Layer, ...]

    def score(self, left_out: Collection[str]) -> Score:
        """How the form without some layers scores inputs."""

    def size(self, left_out: Collection[str]) -> int:
        """Bytes of its file, about."""


def open_forms(quantizer: Quantizer, judge: Judge) -> Forms:
    """The quickest way to try the choices of a recipe."""
    if quantizer.recipe.method == "stored" and quantizer.recipe.rest == "float16":
        return FedForms(quantizer, judge)
    return BuiltForms(quantizer, judge)


class BuiltForms:
    """Builds and opens a graph for each choice."""

    def __init__(self, quantizer: Quantizer, judge: Judge) -> None:
        self.layers = quantizer.layers
        self._quantizer, self._judge = quantizer, judge
        self._built: tuple[frozenset[str], bytes] | None = None

    def score(self, left_out: Collection[str]) -> Score:
        """See :class:`Forms`."""
        return self._judge.scorer(self._graph(left_out)).log_odds

    def size(self, left_out: Collection[str]) -> int:
        """See :class:`Forms`."""
        return len(self._graph(left_out))

    def _graph(self, left_out: Collection[str]) -> bytes:
        names = frozenset(left_out)
        if self._built is None or self._built[0] != names:
            self._built = names, self._quantizer.build(names)
        return self._built[1]


class FedForms:
    """One open graph whose weights are inputs, so that a choice costs no building and opening.

    The arithmetic is that of the built graphs but for the last digits: kernels differ a little
    where weights are no constants.
    """

    def __init__(self, quantizer: Quantizer, judge: Judge) -> None:
        self.layers = quantizer.layers
        proto = quantizer.open()
        axes = {layer.weight: layer.axis for layer in self.layers}
        self._half: dict[str, Tensor] = {}
        self._int8: dict[str, Tensor] = {}
        for constant in proto.graph.initializer:
            if constant.name in axes:
                values = numpy_helper.to_array(constant)
                levels, scale = int8_levels(values, axes[constant.name])
                self._int8[constant.name] = levels * scale
                short = values.astype(np.float16) if fits_half(values) else values
                self._half[constant.name] = short.astype(np.float32)
        others = [entry for entry in proto.graph.initializer if entry.name not in axes]
        del proto.graph.initializer[:]
        proto.graph.initializer.extend(others)
        for name, values in self._int8.items():
            given = helper.make_tensor_value_info(name, TensorProto.FLOAT, values.shape)
            proto.graph.input.append(given)
        half = {entry.name for entry in others}
        self._scorer = judge.scorer(store_short(proto, [], half).SerializeToString())
        self._most = len(quantizer.build([layer.name for layer in self.layers]))

    def score(self, left_out: Collection[str]) -> Score:
        """See :class:`Forms`."""
        weights = {
            layer.weight: (self._half if layer.name in left_out else self._int8)[layer.weight]
            for layer in self.layers
        }
        return lambda inputs: self._scorer.log_odds(inputs, weights)

    def size(self, left_out: Collection[str]) -> int:
        """See :class:`Forms`."""
        return self._most - sum(layer.saving for layer in self.layers if layer.name not in left_out)

"""One recipe on one graph, with any of its layers left out."""

from __future__ import annotations

from collections.abc import Collection
from math import prod

import onnx
from msgspec.structs import replace
from onnx import TensorProto

from dfedge.bundles.card import DetectorCard
from dfedge.errors import UsageError
from dfedge.types import Tensor
from dfedge_tools.deciding.surgery import PREFIX as NOVELTY
from dfedge_tools.exporting.graph import serialize, strip
from dfedge_tools.exporting.half import DESCRIPTION as FLOAT16
from dfedge_tools.exporting.half import to_half
from dfedge_tools.exporting.metadata import PREFIX, write_metadata
from dfedge_tools.quantizing.dynamic import multiply_in_int8
from dfedge_tools.quantizing.layers import SMALLEST, chosen, find_layers, turn_weights
from dfedge_tools.quantizing.recipes import ALL_KINDS, Recipe
from dfedge_tools.quantizing.static import StaticQuantizer
from dfedge_tools.quantizing.storage import store_short

PROTOBUF_LIMIT = (1 << 31) - 1
"""Bytes of one message; a larger graph cannot be read or written."""


class Quantizer:
    """Applies a recipe to a graph.

    Attributes:
        recipe: as it fits the graph: one of linear layers takes the pointwise convolutions of a
            graph that has no linear ones, since small ConvNeXts write them so.
        layers: those that the recipe makes int8.

    Args:
        graph: bytes of a float32 ``model.onnx``.
        inputs: of the model, (N, ...), for a recipe that fixes ranges.
        card: of the smaller form, for what a graph says of itself (where it says anything).
        label: what messages call the graph.

    Raises:
        UsageError: the bytes are no such graph, or have nothing the recipe makes smaller.
    """

    def __init__(
        self,
        graph: bytes,
        recipe: Recipe,
        *,
        inputs: Tensor | None = None,
        card: DetectorCard | None = None,
        label: str = "graph",
    ) -> None:
        self._graph = graph
        self._card = card
        self._label = label
        self._static = None
        if recipe.ranges is not None:
            if inputs is None:
                raise UsageError(
                    f"recipe {recipe.name}: fixes ranges, so it needs inputs; give --faces"
                )
            self._static = StaticQuantizer(recipe.ranges, inputs)
        graph_proto = self.open().graph
        self.recipe = recipe = _fit(recipe, graph_proto)
        self.layers = chosen(find_layers(graph_proto), recipe.int8, recipe.exclude)
        shortens = recipe.rest == "float16" and recipe.method in ("stored", "half")
        if not self.layers and not (shortens and _has_large(graph_proto)):
            kinds = f", of {', '.join(recipe.int8)} those not excluded" if recipe.int8 else ""
            raise UsageError(
                f"{label}: has no large float32 weights that recipe {recipe.name!r} makes shorter"
                f"{kinds}; choose another recipe, or give the float32 bundle"
            )

    def open(self) -> onnx.ModelProto:
        """The graph as it was given, but for what :func:`open_graph` sets right."""
        return open_graph(self._graph, self._label)

    def build(self, left_out: Collection[str] = ()) -> bytes:
        """The smaller graph's bytes; equal arguments give equal bytes.

        Args:
            left_out: names of layers that do not become int8.
        """
        proto = self.open()
        layers = [layer for layer in self.layers if layer.name not in left_out]
        if self._card is not None and any(e.key.startswith(PREFIX) for e in proto.metadata_props):
            write_metadata(proto, self._card)
        names = (entry.name for entry in proto.graph.initializer)
        constants = {name for name in names if not name.startswith(NOVELTY)}
        half = constants if self.recipe.rest == "float16" else set()
        if self.recipe.method == "half":
            return serialize(_like(proto, to_half(proto)))
        if self.recipe.method == "dynamic":
            multiply_in_int8(proto, layers)
        elif self._static is not None:
            proto = _like(proto, strip(self._static.quantize(proto, layers)))
        stored = layers if self.recipe.method == "stored" else []
        return serialize(store_short(proto, stored, half))


def describe(recipe: Recipe, *, calibrated_on: str | None = None) -> str:
    """A recipe in words, for the card.

    Args:
        calibrated_on: the inputs that fixed the ranges of a static recipe.
    """
    kinds = "all" if recipe.int8 == ALL_KINDS else " and ".join(recipe.int8)
    if recipe.method == "half":
        return f"{recipe.name}: {FLOAT16}"
    parts = []
    if recipe.int8:
        parts.append(f"int8 weights of {kinds} layers, a scale per output channel")
    if recipe.method == "dynamic":
        parts.append("int8 products with ranges found at run time")
    if recipe.ranges is not None:
        fine = f" {recipe.ranges.percentile:g}" if recipe.ranges.method == "percentile" else ""
        source = f" on {calibrated_on}" if calibrated_on else ""
        parts.append(f"int8 products, ranges by {recipe.ranges.method}{fine}{source}")
    parts.append(f"other large constants {recipe.rest}, other sums float32")
    if recipe.int8 and recipe.exclude:
        parts.append(f"no int8 in {', '.join(recipe.exclude)}")
    return f"{recipe.name}: {'; '.join(parts)}"


def open_graph(graph: bytes, label: str) -> onnx.ModelProto:
    """Read a graph; its nodes all have names then, and its weights lie as they are used.

    Raises:
        UsageError: it is no ONNX graph with float32 constants, or too large.
    """
    if len(graph) > PROTOBUF_LIMIT:
        raise UsageError(
            f"{label}: has {len(graph) / 1e9:.1f} GB, over the 2 GB that one ONNX file can have; "
            "export it with fp16-stored weights"
        )
    try:
        proto = onnx.load_from_string(graph)
    except Exception as error:  # protobuf's own, which has no types
        raise UsageError(
            f"{label}: is no ONNX graph ({error}); give the bundle of the .onnx form"
        ) from error
    if not any(entry.data_type == TensorProto.FLOAT for entry in proto.graph.initializer):
        raise UsageError(f"{label}: holds no float32 weights; give the float32 bundle")
    for index, node in enumerate(proto.graph.node):
        node.name = node.name or f"node_{index}"
    turn_weights(proto.graph)
    return proto


def _like(origin: onnx.ModelProto, made: onnx.ModelProto) -> onnx.ModelProto:
    """A graph that another library made, with what the origin says of itself."""
    del made.metadata_props[:]
    made.metadata_props.extend(origin.metadata_props)
    return made


def _fit(recipe: Recipe, graph: onnx.GraphProto) -> Recipe:
    layers = find_layers(graph)
    if list(recipe.int8) != ["linear"] or chosen(layers, recipe.int8, recipe.exclude):
        return recipe
    fitting = None if recipe.method == "dynamic" else replace(recipe, int8=("pointwise",))
    if fitting is None or not chosen(layers, fitting.int8, fitting.exclude):
        return recipe
    return fitting


def _has_large(graph: onnx.GraphProto) -> bool:
    return any(
        entry.data_type == TensorProto.FLOAT and prod(entry.dims) >= SMALLEST
        for entry in graph.initializer
    )

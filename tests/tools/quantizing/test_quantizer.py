"""What each recipe makes of a graph: smaller, alike, runnable, with exclusions by name."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import pytest
from msgspec.structs import replace
from onnx import TensorProto, helper, numpy_helper

from dfedge.bundles.store import resolve_detector
from dfedge.errors import UsageError
from dfedge.types import Tensor
from dfedge_tools.exporting.graph import open_session, run
from dfedge_tools.faceset import noise_set
from dfedge_tools.quantizing import quantizer as quantizing
from dfedge_tools.quantizing.layers import find_layers
from dfedge_tools.quantizing.quantizer import Quantizer, describe
from dfedge_tools.quantizing.recipes import ALL_KINDS, RECIPES, Ranges, Recipe, find_recipe

SHARES = {
    "small": 0.52,
    "weights-int8": 0.42,
    "fp16": 0.56,
    "dynamic-int8": 0.55,
    "static-qdq": 0.6,
    "fp16-compute": 0.62,
}
"""Of the small graph's size that a form may have; nodes and names take their part of so few."""


def by_name(recipe: Recipe) -> str:
    """For the names of tests."""
    return recipe.name


def logits(graph: bytes, inputs: Tensor) -> Tensor:
    """(N,) of the first class."""
    return run(open_session(graph), inputs)[:, 0]


def stored(graph: bytes) -> dict[str, int]:
    """Type of each constant, by name."""
    return {entry.name: entry.data_type for entry in onnx.load_from_string(graph).graph.initializer}


@pytest.mark.parametrize("recipe", RECIPES, ids=by_name)
def test_each_recipe_makes_it_smaller_and_alike(
    recipe: Recipe, small_graph: bytes, pictures: Tensor
) -> None:
    """It runs in ONNX Runtime, and the logits correlate."""
    made = Quantizer(small_graph, recipe, inputs=pictures).build()
    assert len(made) < SHARES[recipe.name] * len(small_graph)
    before, after = logits(small_graph, pictures), logits(made, pictures)
    assert np.corrcoef(before, after)[0, 1] > 0.99
    assert not np.array_equal(before, after)


@pytest.mark.parametrize("recipe", RECIPES, ids=by_name)
def test_each_recipe_works_on_the_shipped_detector(recipe: Recipe) -> None:
    """Smaller by half at least; in eight bits or sixteen no score moves by much."""
    bundle, card = resolve_detector("dfedge-b0")
    inputs = noise_set(card, count=2).inputs
    graph = bundle.read("model")
    made = Quantizer(graph, recipe, inputs=inputs).build()
    assert len(made) < 0.51 * len(graph)
    largest = {"weights-int8": 0.1, "static-qdq": 0.25}.get(recipe.name, 0.05)
    assert np.abs(logits(graph, inputs) - logits(made, inputs)).max() < largest


def without_words(graph: bytes) -> bytes:
    """A graph without its metadata."""
    proto = onnx.load_from_string(graph)
    del proto.metadata_props[:]
    return bytes(proto.SerializeToString(deterministic=True))


def test_the_shipped_small_form_is_made_by_this() -> None:
    """The same graph as that of ``dfedge-b0-int8``, but for the card's words in it."""
    large, _ = resolve_detector("dfedge-b0")
    small, _ = resolve_detector("dfedge-b0-int8")
    if small.card.quantization.reference_sha256 != large.sha256:  # type: ignore[union-attr]
        pytest.skip("the two shipped bundles are not of the same weights")
    made = Quantizer(large.read("model"), find_recipe("small")).build()
    assert without_words(made) == without_words(small.read("model"))


@pytest.mark.parametrize("recipe", RECIPES, ids=by_name)
def test_equal_inputs_give_equal_bytes(
    recipe: Recipe, small_graph: bytes, pictures: Tensor
) -> None:
    """Whether ranges are found anew or known from before."""
    one = Quantizer(small_graph, recipe, inputs=pictures)
    other = Quantizer(small_graph, recipe, inputs=pictures)
    assert one.build() == one.build() == other.build()


@pytest.mark.parametrize("name", ["small", "weights-int8", "fp16", "static-qdq"])
def test_a_score_does_not_hang_on_the_batch(
    name: str, small_graph: bytes, pictures: Tensor
) -> None:
    """All recipes promise it but dynamic-int8, whose ranges are those of the batch."""
    made = Quantizer(small_graph, find_recipe(name), inputs=pictures).build()
    alone = np.concatenate([logits(made, pictures[i : i + 1]) for i in range(4)])
    wild = np.concatenate([pictures[:4], 100 * pictures[4:8]])
    np.testing.assert_allclose(alone, logits(made, wild)[:4], atol=1e-4)


def test_layers_have_readable_names_and_kinds(small_graph: bytes) -> None:
    """Of the weight, or of the bias that is added after."""
    layers = find_layers(onnx.load_from_string(small_graph).graph)
    assert {
        "stem.conv": "convolution",
        "blocks.0.dw": "depthwise",
        "blocks.0.pw": "pointwise",
        "blocks.0.se.reduce": "pointwise",
        "blocks.0.se.expand": "pointwise",
        "up": "transposed",
        "mlp.fc1": "linear",
        "mlp.fc2": "linear",
        "head.0": "linear",
    }.items() >= {layer.name: layer.kind for layer in layers}.items()
    assert {"stem.conv", "up", "mlp.fc2"} <= {layer.name for layer in layers}


@pytest.mark.parametrize("method", ["stored", "dynamic", "static"])
def test_what_is_excluded_by_name_is_no_int8(
    method: str, small_graph: bytes, pictures: Tensor
) -> None:
    """By a pattern, and nothing else is."""
    recipe = Recipe(
        name="x",
        method=method,  # type: ignore[arg-type]
        int8=("linear",),
        exclude=("mlp.fc?", "nothing"),
        ranges=Ranges(count=8) if method == "static" else None,
    )
    quantizer = Quantizer(small_graph, recipe, inputs=pictures)
    assert ["head.0"] == [layer.name for layer in quantizer.layers]
    kinds = stored(quantizer.build())
    int8 = [name for name, kind in kinds.items() if kind == TensorProto.INT8 and "zero" not in name]
    assert 1 == len(int8)
    assert int8[0].startswith("head.0.weight")
    assert kinds["val_7.short"] == TensorProto.FLOAT16


def test_more_can_be_left_out_when_it_is_built(small_graph: bytes) -> None:
    """As a search does; all left out is the recipe that stores float16 only."""
    recipe = replace(find_recipe("weights-int8"), exclude=())
    quantizer = Quantizer(small_graph, recipe)
    without = stored(quantizer.build(["up"]))
    assert TensorProto.FLOAT16 == without["up.weight.short"]
    assert TensorProto.INT8 == without["blocks.0.pw.weight.short"]
    everything = [layer.name for layer in quantizer.layers]
    assert Quantizer(small_graph, find_recipe("fp16")).build() == quantizer.build(everything)


def test_what_a_layer_saves_is_about_right(small_graph: bytes) -> None:
    """Within the bytes of two nodes' names."""
    recipe = replace(find_recipe("weights-int8"), exclude=())
    quantizer = Quantizer(small_graph, recipe)
    everything = {layer.name for layer in quantizer.layers}
    most = len(quantizer.build(everything))
    for layer in quantizer.layers:
        saved = most - len(quantizer.build(everything - {layer.name}))
        assert abs(saved - layer.saving) < 64, layer.name


def test_dynamic_products_are_in_int8(small_graph: bytes) -> None:
    """One integer product a layer; an input of several is made integer once."""
    made = Quantizer(small_graph, find_recipe("dynamic-int8")).build()
    kinds = Counter(node.op_type for node in onnx.load_from_string(made).graph.node)
    assert 2 == kinds["MatMulInteger"]
    assert 2 == kinds["DynamicQuantizeLinear"]
    assert 2 == kinds["Gemm"], "the head stays"


def test_static_ranges_can_be_symmetric(small_graph: bytes, pictures: Tensor) -> None:
    """All zero points are zero then, as TensorRT wants it; otherwise some are not."""
    for symmetric in (True, False):
        recipe = replace(
            find_recipe("static-qdq"), ranges=Ranges(symmetric=symmetric, count=8, method="minmax")
        )
        made = onnx.load_from_string(Quantizer(small_graph, recipe, inputs=pictures).build())
        zeros = [
            numpy_helper.to_array(entry)
            for entry in made.graph.initializer
            if "zero_point" in entry.name
        ]
        assert symmetric == all(not values.any() for values in zeros)
        assert symmetric == ("jetson" in recipe.targets)


@pytest.mark.parametrize("method", ["minmax", "percentile", "entropy"])
def test_ranges_can_be_found_in_each_way(method: str, small_graph: bytes, pictures: Tensor) -> None:
    """Each gives a graph that agrees."""
    ranges = Ranges(method=method, count=10)  # type: ignore[arg-type]
    recipe = replace(find_recipe("static-qdq"), ranges=ranges)
    made = Quantizer(small_graph, recipe, inputs=pictures).build()
    before, after = logits(small_graph, pictures), logits(made, pictures)
    assert np.corrcoef(before, after)[0, 1] > 0.98


def test_each_output_channel_has_its_own_scale() -> None:
    """So that a row of small weights does not vanish beside one of large ones."""
    generator = np.random.default_rng(0)
    for turned in (False, True):
        shape = (32, 64) if turned else (64, 32)  # 32 outputs
        weights = generator.normal(size=shape).astype(np.float32)
        channels = np.logspace(-4, 4, 32, dtype=np.float32)
        weights *= channels[:, np.newaxis] if turned else channels
        graph = _linear_graph(weights, turned=turned)
        made = Quantizer(graph, find_recipe("small")).build()
        inputs = generator.normal(size=(5, 64)).astype(np.float32)
        before, after = (run(open_session(each), inputs) for each in (graph, made))
        off = np.abs(before - after).max(axis=0) / np.abs(before).max(axis=0)
        assert off.max() < 0.02


def test_a_weight_with_other_uses_is_no_layer() -> None:
    """What is also added somewhere is stored as float16, by which it moves less."""
    weights = np.random.default_rng(0).normal(size=(32, 32)).astype(np.float32)
    graph = _linear_graph(weights, added=True)
    assert () == find_layers(onnx.load_from_string(graph).graph)


def test_a_weight_of_two_layers_is_one(pictures: Tensor) -> None:
    """A graph that runs a layer twice stores it once."""
    weights = np.random.default_rng(0).normal(size=(32, 32)).astype(np.float32)
    proto = onnx.load_from_string(_linear_graph(weights))
    proto.graph.node[0].output[0] = "once"
    proto.graph.node.append(helper.make_node("MatMul", ["once", "w"], ["y"]))
    (layer,) = find_layers(proto.graph)
    assert 2 == len(layer.nodes)
    for name in ("small", "dynamic-int8"):
        made = Quantizer(proto.SerializeToString(), find_recipe(name)).build()
        inputs = np.random.default_rng(1).normal(size=(3, 32)).astype(np.float32)
        before = run(open_session(proto.SerializeToString()), inputs)
        after = run(open_session(made), inputs)
        assert np.abs(before - after).max() < 0.03 * np.abs(before).max()


@pytest.mark.parametrize("name", ["small", "fp16"])
def test_what_float16_cannot_hold_stays_float32(name: str) -> None:
    """A constant over 65504 would become infinite."""
    weights = np.full((32, 32), 1e6, np.float32)
    graph = _linear_graph(weights, added=True)
    made = Quantizer(graph, find_recipe(name)).build()
    assert TensorProto.FLOAT == stored(made)["w"]


@pytest.mark.parametrize("name", ["small", "dynamic-int8"])
def test_a_weight_that_the_graph_turns_is_a_layer(name: str) -> None:
    """As unsimplified graphs write linear layers; the layer keeps its readable name."""
    weights = np.random.default_rng(0).normal(size=(48, 32)).astype(np.float32)
    proto = onnx.load_from_string(_linear_graph(weights))
    proto.graph.initializer[0].name = "mlp.fc1.weight"
    proto.graph.node[0].input[1] = "turned"
    turn = helper.make_node("Transpose", ["mlp.fc1.weight"], ["turned"], perm=[1, 0])
    proto.graph.node.insert(0, turn)
    proto.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 32
    graph = proto.SerializeToString()
    quantizer = Quantizer(graph, find_recipe(name))
    assert ["mlp.fc1"] == [layer.name for layer in quantizer.layers]
    inputs = np.random.default_rng(1).normal(size=(3, 32)).astype(np.float32)
    before, after = (run(open_session(each), inputs) for each in (graph, quantizer.build()))
    assert np.abs(before - after).max() < 0.03 * np.abs(before).max()


def test_linear_layers_may_be_written_as_convolutions() -> None:
    """Of one pixel, as small ConvNeXts have them: then these become int8, and the words say so."""
    weights = np.random.default_rng(0).normal(size=(32, 32, 1, 1)).astype(np.float32)
    nodes = [helper.make_node("Conv", ["x", "block.mlp.fc1.weight"], ["y"])]
    places = ["n", 32, "h", "w"]
    graph = helper.make_graph(
        nodes,
        "convolutions",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, places)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, places)],
        [numpy_helper.from_array(weights, "block.mlp.fc1.weight")],
    )
    opset = [helper.make_opsetid("", 20)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=10).SerializeToString()
    quantizer = Quantizer(model, find_recipe("small"))
    assert ["block.mlp.fc1"] == [layer.name for layer in quantizer.layers]
    assert "int8 weights of pointwise layers" in describe(quantizer.recipe)


def test_a_graph_with_nothing_to_make_smaller_is_refused(small_graph: bytes) -> None:
    """The message names the recipe."""
    recipe = replace(find_recipe("dynamic-int8"), exclude=("*",))
    with pytest.raises(UsageError, match="no large float32 weights that recipe 'dynamic-int8'"):
        Quantizer(small_graph, recipe)


def test_a_form_is_not_made_smaller_again(small_graph: bytes) -> None:
    """A graph whose weights are short has none left."""
    recipe = replace(find_recipe("weights-int8"), exclude=())
    made = Quantizer(small_graph, recipe).build()
    with pytest.raises(UsageError, match="no large float32 weights"):
        Quantizer(made, recipe)


def test_what_is_no_graph_is_refused() -> None:
    """Whatever the bytes are."""
    for content in (b"nothing", b""):
        with pytest.raises(UsageError, match=r"is no ONNX graph|holds no float32 weights"):
            Quantizer(content, find_recipe("small"))


def test_a_graph_over_protobufs_limit_is_refused(
    small_graph: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before it is read, with a word on what to do."""
    monkeypatch.setattr(quantizing, "PROTOBUF_LIMIT", len(small_graph) - 1)
    with pytest.raises(UsageError, match="over the 2 GB that one ONNX file can have"):
        Quantizer(small_graph, find_recipe("small"))


def test_kinds_are_all_named() -> None:
    """ALL_KINDS holds each once."""
    assert len(ALL_KINDS) == len(set(ALL_KINDS))


def _linear_graph(weights: Tensor, *, turned: bool = False, added: bool = False) -> bytes:
    """``y = x @ w``, and ``+ w`` if wanted."""
    kind = "Gemm" if turned else "MatMul"
    options = {"transB": 1} if turned else {}
    nodes = [helper.make_node(kind, ["x", "w"], ["product" if added else "y"], **options)]
    if added:
        nodes.append(helper.make_node("Add", ["product", "w"], ["y"]))
    floats = TensorProto.FLOAT
    inputs = weights.shape[1 if turned else 0]
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info("x", floats, ["n", inputs])],
        [helper.make_tensor_value_info("y", floats, ["n", None])],
        [numpy_helper.from_array(weights, "w")],
    )
    opset = [helper.make_opsetid("", 20)]
    return bytes(helper.make_model(graph, opset_imports=opset, ir_version=10).SerializeToString())

"""Each operator of BlazeFace gives the same numbers in ONNX as in LiteRT."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("onnx", reason="needs the extra 'tools'")
pytest.importorskip("ai_edge_litert", reason="needs the extra 'tools'")

import onnx

from dfedge_tools.blazeface.check import Difference, compare, random_images
from dfedge_tools.blazeface.litert import schema
from dfedge_tools.blazeface.onnx_writer import OPSET, write_onnx
from dfedge_tools.blazeface.tflite_reader import UnsupportedTfliteError, read_tflite

StartModel = Callable[[], Any]


def difference(tflite: bytes) -> Difference:
    """How far the ONNX form of a tiny model is from LiteRT on three random images."""
    model = write_onnx(read_tflite(tflite), name="tiny").SerializeToString()
    return compare(tflite, model, random_images(3, 16, seed=1))


@pytest.mark.parametrize("kernel", [(1, 1), (3, 3), (5, 5), (2, 3)])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("same", [True, False])
def test_convolutions(
    kernel: tuple[int, int], stride: int, same: bool, tiny_model: StartModel
) -> None:
    """Kernels of odd and even size, all strides and both paddings, with the odd row at the end."""
    model = tiny_model()
    feature = model.convolution(model.image, 6, kernel=kernel, stride=stride, same=same, relu=True)
    assert difference(model.finish(feature)).within_tolerance


def test_dilated_convolutions(tiny_model: StartModel) -> None:
    """A dilated kernel reaches further, and "same" pads for that."""
    model = tiny_model()
    feature = model.convolution(model.image, 4, kernel=(3, 3), dilation=2)
    assert difference(model.finish(feature)).within_tolerance


@pytest.mark.parametrize("stride", [1, 2])
def test_depthwise_convolutions(stride: int, tiny_model: StartModel) -> None:
    """Each channel has its own kernel."""
    model = tiny_model()
    source = model.convolution(model.image, 6)
    options = schema.DepthwiseConv2DOptionsT()
    options.depthMultiplier = 1
    options, size = model.window(options, (16, 16), (3, 3), stride=stride)
    inputs = [source, model.weights((1, 3, 3, 6)), model.weights((6,))]
    feature = model.operator("DEPTHWISE_CONV_2D", inputs, (1, *size, 6), options)
    assert difference(model.finish(feature)).within_tolerance


@pytest.mark.parametrize(("kernel", "stride"), [((2, 2), 2), ((3, 3), 2), ((3, 3), 1)])
def test_max_pooling(kernel: tuple[int, int], stride: int, tiny_model: StartModel) -> None:
    """Padding never wins, also where all values are negative."""
    model = tiny_model()
    source = model.convolution(model.image, 4)
    options = schema.Pool2DOptionsT()
    options.filterHeight, options.filterWidth = kernel
    options, size = model.window(options, (16, 16), kernel, stride=stride)
    feature = model.operator("MAX_POOL_2D", [source], (1, *size, 4), options)
    assert difference(model.finish(feature)).within_tolerance


def test_padding_of_rows_and_channels(tiny_model: StartModel) -> None:
    """Zeros are added where the file says, in its order of dimensions."""
    model = tiny_model()
    paddings = model.integers([[0, 0], [1, 2], [0, 3], [2, 5]])
    feature = model.operator("PAD", [model.image, paddings], (1, 19, 19, 10), schema.PadOptionsT())
    assert difference(model.finish(feature)).within_tolerance


@pytest.mark.parametrize("coordinates", ["asymmetric", "align_corners", "half_pixel"])
def test_bilinear_resizing(coordinates: str, tiny_model: StartModel) -> None:
    """All three ways to lay the two grids over each other."""
    model = tiny_model()
    options = schema.ResizeBilinearOptionsT()
    options.alignCorners = coordinates == "align_corners"
    options.halfPixelCenters = coordinates == "half_pixel"
    size = model.integers([32, 32])
    feature = model.operator("RESIZE_BILINEAR", [model.image, size], (1, 32, 32, 3), options)
    assert difference(model.finish(feature)).within_tolerance


@pytest.mark.parametrize("fused", [True, False])
def test_sums_and_rectifiers(fused: bool, tiny_model: StartModel) -> None:
    """A rectifier fused into a sum and one of its own do the same."""
    model = tiny_model()
    first, second = model.convolution(model.image, 5), model.convolution(model.image, 5)
    options = schema.AddOptionsT()
    options.fusedActivationFunction = int(fused)
    feature = model.operator("ADD", [first, second], (1, 16, 16, 5), options)
    if not fused:
        feature = model.operator("RELU", [feature], (1, 16, 16, 5))
    assert difference(model.finish(feature)).within_tolerance


def test_anchors_of_two_layers_are_joined_in_order(tiny_model: StartModel) -> None:
    """Several anchors a cell and two layers keep the order of the ``.tflite``."""
    model = tiny_model()
    coarse = model.convolution(model.image, 8, stride=2)
    outputs = []
    for values in (16, 1):
        fine_head = model.convolution(model.image, 2 * values)
        coarse_head = model.convolution(coarse, 6 * values)
        parts = [
            model.reshape(fine_head, (1, 512, values)),
            model.reshape(coarse_head, (1, 384, values)),
        ]
        options = schema.ConcatenationOptionsT()
        options.axis = 1
        outputs.append(model.operator("CONCATENATION", parts, (1, 896, values), options))
    assert difference(model.pack(outputs)).within_tolerance


def test_the_graph_is_of_the_promised_form(tiny_model: StartModel) -> None:
    """Opset 20, any batch, channels first, regressors and logits out."""
    model = tiny_model()
    graph = write_onnx(read_tflite(model.finish(model.image)), name="tiny")
    assert [(entry.domain, entry.version) for entry in graph.opset_import] == [("", OPSET)]
    (image,) = graph.graph.input
    dimensions = image.type.tensor_type.shape.dim
    assert dimensions[0].dim_param == "batch"
    assert [dimension.dim_value for dimension in dimensions[1:]] == [3, 16, 16]
    assert [output.name for output in graph.graph.output] == ["regressors", "logits"]


def test_weights_stay_half_precision(tiny_model: StartModel) -> None:
    """The ONNX file stores the float16 numbers of the ``.tflite``, not float32 copies."""
    model = tiny_model()
    graph = write_onnx(read_tflite(model.finish(model.image)), name="tiny").graph
    kernels = [tensor for tensor in graph.initializer if tensor.name.startswith("kernel")]
    assert len(kernels) == 2
    assert {tensor.data_type for tensor in kernels} == {onnx.TensorProto.FLOAT16}


def test_an_unknown_operator_is_refused(tiny_model: StartModel) -> None:
    """The error names the operator."""
    model = tiny_model()
    feature = model.operator("LOGISTIC", [model.image], (1, 16, 16, 3))
    with pytest.raises(UnsupportedTfliteError, match="LOGISTIC"):
        read_tflite(model.finish(feature))


def test_an_unknown_activation_is_refused(tiny_model: StartModel) -> None:
    """A fused activation that BlazeFace has not is not dropped in silence."""
    model = tiny_model()
    options = schema.AddOptionsT()
    options.fusedActivationFunction = schema.ActivationFunctionType.TANH
    feature = model.operator("ADD", [model.image, model.image], (1, 16, 16, 3), options)
    with pytest.raises(UnsupportedTfliteError, match="activation"):
        read_tflite(model.finish(feature))


def test_other_outputs_are_refused(tiny_model: StartModel) -> None:
    """A model that gives neither regressors nor logits is no BlazeFace."""
    model = tiny_model()
    graph = read_tflite(model.pack([model.reshape(model.image, (1, 256, 3))]))
    with pytest.raises(UnsupportedTfliteError, match="3 values an anchor"):
        write_onnx(graph, name="tiny")


@pytest.mark.parametrize("content", [b"", b"TFL3", b"\x1c\x00\x00\x00ONNXxxxxxxxx"])
def test_other_files_are_refused(content: bytes) -> None:
    """What is no TFLite model is said to be none."""
    with pytest.raises(UnsupportedTfliteError, match="not a TFLite model"):
        read_tflite(content)

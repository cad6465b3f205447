"""The card of a bundle: all that a runtime must know of a model, typed.

``card.json`` is the JSON form of one of the two card types below, told apart by ``kind``. No
runtime holds code for one model: sizes, crop, normalisation, calibration and thresholds all stand
here.
The JSON Schema ``card.schema.json`` is generated from these types (:mod:`dfedge.bundles.schema`).
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

CARD_SCHEMA: Final = "dfedge.card/1"
WHOLE_FRAME: Final = "whole-frame"
"""Box source of a model that looks at the whole frame: its box is the frame itself."""

Sha256: TypeAlias = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Probability: TypeAlias = Annotated[float, Meta(ge=0.0, le=1.0)]
Positive: TypeAlias = Annotated[float, Meta(gt=0.0)]
Name: TypeAlias = Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9._-]{0,63}$")]
PlainFileName: TypeAlias = Annotated[str, Meta(pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of the parts of a card: immutable, unknown fields refused."""


class FileEntry(_Part, frozen=True, kw_only=True):
    """One file of the bundle; names are plain, a bundle has no folders."""

    name: PlainFileName
    role: Literal["model", "preprocess", "source"]
    sha256: Sha256
    size_bytes: Annotated[int, Meta(gt=0)]


class Provenance(_Part, frozen=True, kw_only=True):
    """Where the weights come from: a published file, or the command that trained them."""

    training_data: str
    """What the weights were trained on, in words."""
    command: str | None = None
    """Command of this repository that makes the file again."""
    source_url: str | None = None
    source_sha256: Sha256 | None = None


class Metric(_Part, frozen=True, kw_only=True):
    """One measured figure and what it was measured on."""

    name: str
    """For example ``video_auc`` or ``false_positive_rate``."""
    value: float
    data: str
    """Data set and split."""
    subset: str = "all"
    """For example a method (``Deepfakes``), a compression (``c40``) or a source of stills."""
    count: Annotated[int, Meta(ge=0)] | None = None
    """Number of clips or pictures behind the figure."""


class Input(_Part, frozen=True, kw_only=True):
    """The tensor the model takes: float32, ``(x / 255 - mean) / std`` of an RGB crop."""

    name: str
    layout: Literal["NCHW", "NTCHW"]
    width: Annotated[int, Meta(gt=0, le=4096)]
    height: Annotated[int, Meta(gt=0, le=4096)]
    frames: Annotated[int, Meta(ge=1, le=256)] = 1
    """Frames a clip; 1 for a model of single pictures."""
    colour_order: Literal["RGB", "BGR"] = "RGB"
    mean: tuple[float, float, float]
    std: tuple[Positive, Positive, Positive]


class CropContract(_Part, frozen=True, kw_only=True):
    """How the crop is cut from a frame and brought to the input size.

    The side of the crop is ``(1 + 2 * margin)`` times the side of the face box (of its longer side
    when squared), about the same centre; its left and top edge and its sides are rounded half up to
    integers (:func:`dfedge.crops.crop_box` fixes the order); what lies outside the frame is
    ``pad_value``.
    """

    box_source: Name
    """Name of the face detector bundle whose boxes the model was trained on, or
    :data:`WHOLE_FRAME`."""
    margin: Annotated[float, Meta(ge=0.0, le=2.0)]
    """Added at each side, as a fraction of the face box."""
    squaring: Literal["longer_side", "none"]
    rounding: Literal["half_up"] = "half_up"
    resize: Literal["stretch", "letterbox"]
    interpolation: Literal["bilinear_antialias"] = "bilinear_antialias"
    pad_value: Annotated[int, Meta(ge=0, le=255)] = 0


class Output(_Part, frozen=True, kw_only=True):
    """The logits the model gives: (batch, classes)."""

    name: str
    classes: tuple[str, ...]
    """One name a logit; a single logit is that of *fake*."""
    fake_index: Annotated[int, Meta(ge=0)]
    activation: Literal["sigmoid", "softmax"]
    """P(fake): the softmax's share, the sigmoid of a single logit, or, of several sigmoids, that of
    *fake* divided by the sum of all."""


class Calibration(_Part, frozen=True, kw_only=True):
    """``P(fake) = sigmoid(logit / temperature + bias)``, fitted on labelled data."""

    temperature: Positive = 1.0
    bias: float = 0.0
    fitted_on: str


class OperatingPoint(_Part, frozen=True, kw_only=True):
    """A threshold on the calibrated P(fake) and what it stands for."""

    threshold: Probability
    meaning: str
    """For example: false positive rate at most 5% on the FF++ val originals."""


class Quality(_Part, frozen=True, kw_only=True):
    """What a face must be for its score to count; below, the frame is kept as evidence only."""

    min_face_pixels: Annotated[float, Meta(ge=0.0)]
    """Shorter side of the face box, pixels."""
    min_sharpness: Annotated[float, Meta(ge=0.0)]
    """Variance of the Laplacian of the visible part of the crop, grey at 112 x 112."""
    min_brightness: Annotated[float, Meta(ge=0.0, le=255.0)]
    """Mean grey, 0 to 255, of the visible part of the crop."""
    max_brightness: Annotated[float, Meta(ge=0.0, le=255.0)]


class NoveltyLimit(_Part, frozen=True, kw_only=True):
    """How unlike the faces the model knows a face may be before its score means nothing.

    The graph has a second output (batch, 1): the distance of the features the score is made of
    from those of known faces, about 1 for a usual face.
    """

    output: str
    """Name of that output of the graph."""
    threshold: Positive
    """A person whose mean novelty over usable frames is above it is UNCERTAIN."""
    meaning: str
    """For example: at most 1% of held-back genuine stills lie above it."""


class Decision(_Part, frozen=True, kw_only=True):
    """From logits to a label."""

    calibration: Calibration
    frame_aggregation: Literal["mean_logit", "mean_probability"] = "mean_logit"
    """A track's logit is the mean of the logits of its usable frames, or the log-odds of the mean
    of their probabilities; calibration comes after."""
    track_aggregation: Literal["max"] = "max"
    """A clip is as suspicious as its most suspicious track with enough usable frames."""
    fake: OperatingPoint
    """At or above: FAKE."""
    real: OperatingPoint
    """At or below: REAL; between the two: UNCERTAIN."""
    quality: Quality
    min_usable_frames: Annotated[int, Meta(ge=1)]
    """Fewer usable frames in a track of a video: UNCERTAIN (a single picture needs only one)."""
    novelty: NoveltyLimit | None = None
    """None: the graph does not measure how unlike a face is."""


class Fidelity(_Part, frozen=True, kw_only=True):
    """How close a quantized model is to the fp32 one, and on what data."""

    logit_correlation: float
    sign_agreement: Probability
    max_probability_change: Probability
    """Of calibrated probabilities."""
    data: str
    max_logit_error: float | None = None
    label_agreement: Probability | None = None
    """Share of inputs with the same label under the card's thresholds."""
    auc_change: float | None = None
    """AUC of the smaller model less that of the reference, on labelled data."""


class Quantization(_Part, frozen=True, kw_only=True):
    """The recipe that made a smaller model, and what it costs."""

    recipe: str
    reference_sha256: Sha256
    """Of the fp32 ``model.onnx``."""
    fidelity: Fidelity


class BatchProfile(_Part, frozen=True, kw_only=True):
    """Batch sizes an engine is built for, as TensorRT's optimization profiles take them."""

    smallest: Annotated[int, Meta(ge=1)]
    usual: Annotated[int, Meta(ge=1)]
    largest: Annotated[int, Meta(ge=1)]


class Deployment(_Part, frozen=True, kw_only=True):
    """What the graph was made for."""

    target: Literal["cpu", "web", "mobile", "jetson"]
    precision: Literal["float32", "float16"] = "float32"
    """Of the arithmetic; inputs and outputs are float32 either way."""
    batch: BatchProfile | None = None
    """None: any batch."""


class _Identity(_Part, frozen=True, kw_only=True):
    """What every card says first."""

    schema: Literal["dfedge.card/1"] = CARD_SCHEMA
    name: Name
    version: Annotated[str, Meta(pattern=r"^\d+\.\d+\.\d+$")]
    architecture: str
    summary: str
    """One sentence for a list."""
    licence: str
    """SPDX expression of the weights."""
    opset: Annotated[int, Meta(ge=1)]
    """ONNX opset of ``model.onnx``."""
    files: tuple[FileEntry, ...]
    provenance: Provenance
    limits: tuple[str, ...]
    """Where the model must not be relied on, a sentence each."""
    metrics: tuple[Metric, ...] = ()


class DetectorCard(_Identity, frozen=True, kw_only=True, tag_field="kind", tag="deepfake_detector"):
    """Card of a model that scores face crops as real or fake."""

    input: Input
    crop: CropContract
    output: Output
    decision: Decision
    quantization: Quantization | None = None
    deployment: Deployment | None = None
    """None: exported before targets were recorded; any runtime of float32 graphs."""


class AnchorLayer(_Part, frozen=True, kw_only=True):
    """One feature map of an SSD-style face detector."""

    stride: Annotated[int, Meta(gt=0)]
    """Pixels of the input a cell covers."""
    anchors_per_cell: Annotated[int, Meta(gt=0)]


class FaceDetectorCard(_Identity, frozen=True, kw_only=True, tag_field="kind", tag="face_detector"):
    """Card of a BlazeFace-like detector: letterboxed square input, anchors, six key points."""

    input: Input
    boxes_output: str
    """(1, anchors, 16): centre x, y, width, height, six (x, y); input pixels from the anchor."""
    scores_output: str
    """(1, anchors, 1): logits."""
    anchors: tuple[AnchorLayer, ...]
    min_score: Probability
    nms_iou: Probability
    """Boxes that overlap more than this are one face (weighted by score)."""


Card: TypeAlias = DetectorCard | FaceDetectorCard

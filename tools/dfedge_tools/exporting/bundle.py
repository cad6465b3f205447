"""The card of an exported detector, and its folder written whole or not at all."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from dfedge.bundles.archive import CARD_NAME
from dfedge.bundles.bundle import load_bundle
from dfedge.bundles.card import (
    Calibration,
    CropContract,
    Decision,
    Deployment,
    DetectorCard,
    FileEntry,
    Input,
    Metric,
    OperatingPoint,
    Output,
    Provenance,
    Quality,
)
from dfedge.bundles.ort_header import is_ort_format
from dfedge.errors import UsageError
from dfedge.runtime import open_model
from dfedge_models import ModelSignature
from dfedge_tools.exporting.graph import INPUT_NAME, OUTPUT_NAME

MODEL_NAME = "model.onnx"
ORT_MODEL_NAME = "model.ort"
PREPROCESS_NAME = "preprocess.onnx"

Role = Literal["model", "preprocess"]
T = TypeVar("T")


class Description(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person must say of a model for its card; the rest is read from the model.

    Read from the JSON file of ``--description``. The crop is this project's own: a square of 1.4
    times the face's longer side, stretched to the input; a published model may need another.
    """

    name: str
    version: str
    summary: str
    licence: str
    provenance: Provenance
    limits: tuple[str, ...]
    quality: Quality
    min_usable_frames: int
    metrics: tuple[Metric, ...] = ()
    crop: CropContract = CropContract(
        box_source="blazeface-full-range", margin=0.2, squaring="longer_side", resize="stretch"
    )


class DecisionNumbers(msgspec.Struct, frozen=True, kw_only=True):
    """What ``dfedge calibrate --out FILE`` writes; its further fields are left out."""

    temperature: float
    bias: float
    fitted_on: str
    fake: OperatingPoint
    real: OperatingPoint


UNCALIBRATED = DecisionNumbers(
    temperature=1.0,
    bias=0.0,
    fitted_on="nothing: not calibrated",
    fake=OperatingPoint(threshold=1.0, meaning="not calibrated: practically never reached"),
    real=OperatingPoint(threshold=0.0, meaning="not calibrated: practically never reached"),
)
"""Without labelled data a model must say UNCERTAIN rather than guess."""


def plain_description(architecture: str, checkpoint: Path) -> Description:
    """What can be said of weights that nobody described.

    Args:
        checkpoint: file of the weights; its name and hash go into the card, its folder does not.
    """
    return Description(
        name=architecture.replace("_", "-"),
        version="0.0.0",
        summary=f"{architecture} with weights that nobody has described.",
        licence="LicenseRef-unknown",
        provenance=Provenance(
            training_data="unknown",
            command=f"dfedge export --arch {architecture} --checkpoint {checkpoint.name}",
            source_sha256=sha256(checkpoint.read_bytes()),
        ),
        limits=("Nothing is known of what it was trained on, or how well it does.",),
        quality=Quality(
            min_face_pixels=0.0, min_sharpness=0.0, min_brightness=0.0, max_brightness=255.0
        ),
        min_usable_frames=1,
    )


def read_json(path: Path, kind: type[T], *, option: str) -> T:
    """Read a JSON file of a type.

    Args:
        option: of the command line that named the file, for the message.

    Raises:
        UsageError: the file is not there, or is not of that type.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}); correct {option}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: is not what {option} takes: {error}; correct it") from error


def build_card(
    description: Description,
    decision: DecisionNumbers,
    *,
    architecture: str,
    signature: ModelSignature,
    opset: int,
    files: Mapping[Role, bytes],
    deployment: Deployment | None = None,
) -> DetectorCard:
    """The card of a detector for the given files."""
    return DetectorCard(
        name=description.name,
        version=description.version,
        architecture=architecture,
        summary=description.summary,
        licence=description.licence,
        opset=opset,
        files=file_entries(files),
        provenance=description.provenance,
        limits=description.limits,
        metrics=description.metrics,
        input=model_input(signature),
        crop=description.crop,
        output=Output(
            name=OUTPUT_NAME,
            classes=signature.classes,
            fake_index=signature.fake_index,
            activation=signature.activation,
        ),
        decision=Decision(
            calibration=Calibration(
                temperature=decision.temperature,
                bias=decision.bias,
                fitted_on=decision.fitted_on,
            ),
            frame_aggregation=signature.aggregation,
            fake=decision.fake,
            real=decision.real,
            quality=description.quality,
            min_usable_frames=description.min_usable_frames,
        ),
        deployment=deployment,
    )


def model_input(signature: ModelSignature) -> Input:
    """The input of a model as its card has it."""
    return Input(
        name=INPUT_NAME,
        layout="NCHW" if signature.frames == 1 else "NTCHW",
        width=signature.img_size,
        height=signature.img_size,
        frames=signature.frames,
        mean=signature.mean,
        std=signature.std,
    )


def file_entries(files: Mapping[Role, bytes]) -> tuple[FileEntry, ...]:
    """The card's list of files."""
    return tuple(
        FileEntry(
            name=_file_name(role, content),
            role=role,
            sha256=sha256(content),
            size_bytes=len(content),
        )
        for role, content in files.items()
    )


def write_bundle(folder: Path, card: DetectorCard, files: Mapping[Role, bytes]) -> None:
    """Write a bundle, load it as a runtime does, and only then put it in its place.

    Raises:
        UsageError: there is already something at `folder` that is no bundle of this name.
        BundleError: the card does not fit its schema, its files or their graphs.
    """
    _check_place(folder, card.name)
    folder.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        for entry in card.files:
            (staging / entry.name).write_bytes(files[_role(entry)])
        text = msgspec.json.format(msgspec.json.encode(card), indent=2) + b"\n"
        (staging / CARD_NAME).write_bytes(text)
        bundle = load_bundle(staging)
        for role in files:
            open_model(bundle, role=role, device="cpu", threads=1).close()
        staging.chmod(0o755)  # a temporary folder is its owner's only
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(staging, folder)  # noqa: PTH105 - the one call that names what it does
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def sha256(content: bytes) -> str:
    """Hexadecimal, as cards have it."""
    return hashlib.sha256(content).hexdigest()


def _file_name(role: Role, content: bytes) -> str:
    if role == "preprocess":
        return PREPROCESS_NAME
    return ORT_MODEL_NAME if is_ort_format(content) else MODEL_NAME


def _role(entry: FileEntry) -> Role:
    assert entry.role != "source"
    return entry.role


def _check_place(folder: Path, name: str) -> None:
    """Only a bundle of the same name, or an empty folder, may be replaced."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    try:
        known = msgspec.json.decode((folder / CARD_NAME).read_bytes(), type=dict)
    except (OSError, msgspec.MsgspecError):
        known = {}
    if known.get("name") != name:
        raise UsageError(
            f"{folder}: exists and is no bundle named {name!r}; give --out another folder"
        )

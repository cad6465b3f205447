"""Which face finders there are, by name."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeAlias

from dfedge.bundles import store
from dfedge.errors import UsageError
from dfedge.faces.blazeface import BlazeFace
from dfedge.faces.finder import BlazeFaceFinder, FaceFinder
from dfedge.faces.mediapipe_backend import MediaPipeFinder
from dfedge.runtime import open_model
from dfedge.verdict import ModelInfo

FaceBackend: TypeAlias = Literal["blazeface", "mediapipe"]


def open_face_finder(
    backend: FaceBackend = "blazeface",
    *,
    model: str | Path = store.FACE_MODEL,
    threads: int | None = None,
) -> FaceFinder:
    """Open a face finder.

    Args:
        backend: ``blazeface`` runs the bundle's ONNX model and looks again from near where that is
            needed; ``mediapipe`` runs the bundle's ``.tflite`` in MediaPipe Tasks, as that does it:
            one look at the whole frame.
        model: name or path of a face detector bundle.
        threads: threads of one run of the ONNX model; None lets the runtime choose. MediaPipe
            chooses for itself.

    Raises:
        BundleError: the bundle is not there or not sound.
        MissingExtraError: ``mediapipe`` is not installed.
        UsageError: there is no such backend.
    """
    if backend not in ("blazeface", "mediapipe"):
        raise UsageError(f"face backend {backend!r}: is none of blazeface, mediapipe")
    bundle, card = store.resolve_face_detector(model)
    role: Literal["model", "source"] = "model" if backend == "blazeface" else "source"
    info = ModelInfo(
        name=card.name,
        version=card.version,
        sha256=bundle.entry(role).sha256,
        role="face_detector",
    )
    if backend == "mediapipe":
        return MediaPipeFinder(
            bundle.read("source"), info, min_score=card.min_score, max_iou=card.nms_iou
        )
    # A face is found in milliseconds on any CPU; a GPU would be busy with copies.
    network = open_model(bundle, device="cpu", threads=threads)
    return BlazeFaceFinder(BlazeFace(card, network), info)

"""The published checkpoints: what each is, where it lies, and how it wants its pictures.

Facts are those of the publishers' own pages and packages, looked up in November 2026; none of them
gives the size or the sha256 of a file, so the first file used is the one that is held to
(:mod:`dfedge_tools.importing.pins`). An address stands here only where the publisher's own text
names the very file; elsewhere :attr:`Published.page` says where to look.

The thresholds are the publishers' rule, fake from P(fake) = 0.5 on. That is what their figures were
measured with, and a user of their weights expects it; it is no operating point, and each card says
so. ``--decision`` puts measured thresholds in its place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dfedge.bundles.card import (
    WHOLE_FRAME,
    CropContract,
    Metric,
    OperatingPoint,
    Quality,
)
from dfedge.bundles.store import FACE_MODEL
from dfedge_tools.exporting.bundle import DecisionNumbers
from dfedge_tools.importing.names import NAMES, canonical


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """One published file of weights.

    Attributes:
        name: of the bundle made of it.
        architecture: of ``dfedge_models``.
        file_format: ``torch`` weights, or an ``onnx`` graph that is taken over as it is.
        file_name: as published.
        url: of the file; None where no text of the publisher names it.
        page: where its publisher tells of it.
        about_bytes: its size as published, rounded, or by its entries; to plan with, not to check.
        version: of the bundle: the publisher's release, or 1.0.0.
        licence: SPDX expression of the weights.
        licence_note: what to know of it, a sentence; empty where nothing is.
    """

    name: str
    architecture: str
    file_format: Literal["torch", "onnx"] = "torch"
    file_name: str
    url: str | None
    page: str
    about_bytes: int
    version: str
    summary: str
    licence: str
    licence_note: str = ""
    training_data: str
    limits: tuple[str, ...]
    metrics: tuple[Metric, ...]
    crop: CropContract
    quality: Quality
    min_usable_frames: int


def find(name: str) -> Published:
    """The checkpoint of a name, in this project's spelling or its publisher's.

    Raises:
        UsageError: there is none of that name.
    """
    return CATALOGUE[canonical(name)]


_NO_OPERATING_POINT = "no calibrated operating point"
PUBLISHED_RULE = DecisionNumbers(
    temperature=1.0,
    bias=0.0,
    fitted_on="nothing: the probability is the publisher's own, uncalibrated",
    fake=OperatingPoint(threshold=0.5, meaning=f"the publisher's rule; {_NO_OPERATING_POINT}"),
    real=OperatingPoint(
        threshold=0.4999, meaning=f"just below the publisher's rule; {_NO_OPERATING_POINT}"
    ),
)
"""What the publishers' figures were measured with."""

UNCALIBRATED_LIMIT = (
    "Thresholds are the publisher's rule and not calibrated: a probability is no error rate, and "
    "how often it is wrong on your material is unknown until you measure it."
)
"""Goes with :data:`PUBLISHED_RULE`."""

_LIMITS = (
    "A verdict is a hint to look closer, never proof, and never a ground to accuse anyone.",
    (
        "Published figures are the publisher's and were not measured again here; on other data, "
        "newer manipulations and harder compression detectors of this kind do far worse."
    ),
)

_FACE_QUALITY = Quality(
    min_face_pixels=64.0, min_sharpness=0.0, min_brightness=0.0, max_brightness=255.0
)
"""Publishers state none; a face under 64 px has little left of what these models look for."""
_NO_QUALITY = Quality(
    min_face_pixels=0.0, min_sharpness=0.0, min_brightness=0.0, max_brightness=255.0
)

_DEEPGUARD_CROP = CropContract(
    box_source=FACE_MODEL, margin=0.2, squaring="none", resize="letterbox", pad_value=0
)
_DEEPGUARD_RELEASES = "https://github.com/HanMoonSub/DeepGuard/releases"
_DEEPGUARD_LIMITS = (
    *_LIMITS,
    (
        "Faces were found by a YOLOv8 face detector in training; here BlazeFace finds them, whose "
        "boxes differ somewhat. The crop's edge outside the picture is black here, there it is cut "
        "off."
    ),
    (
        "A clip's score is the mean of its frames' probabilities; the publisher's own program may "
        "also leave out frames between 0.2 and 0.8, which a card cannot say."
    ),
)
_DEEPGUARD_DATA = {
    "celeb-df-v2": ("celeb_df_v2", "Celeb-DF v2", "v0.1.0"),
    "ffpp": ("ff++", "FaceForensics++", "v0.1.0"),
    "kodf": ("kodf", "KoDF (Korean faces)", "v0.2.0"),
}
"""Of a name's end: the publisher's spelling, the data set in words, the release."""
_DEEPGUARD_FIGURES = {
    ("b0", "celeb-df-v2"): (0.9842, 0.9965),
    ("b5", "celeb-df-v2"): (0.9981, 0.9984),
    ("b0", "ffpp"): (0.9808, 0.9969),
    ("b5", "ffpp"): (0.9850, 0.9974),
    ("b0", "kodf"): (0.9655, 0.9792),
    ("b5", "kodf"): (0.9792, 0.9831),
}
"""Accuracy and AUC on each data set's test part, as in the package deepguard 1.1.1. (An older page
repeats the FaceForensics++ figures of b5 for KoDF.)"""
_DEEPGUARD_BYTES = {"b0": 36_000_000, "b5": 211_000_000}


def _deepguard(size: Literal["b0", "b5"], data: str) -> Published:
    """MS-Eff-GCViT of the DeepGuard project, trained on one data set."""
    spelling, words, release = _DEEPGUARD_DATA[data]
    accuracy, auc = _DEEPGUARD_FIGURES[size, data]
    file_name = f"ms_eff_gcvit_{size}_{spelling}.bin"
    pixels = {"b0": 224, "b5": 384}[size]
    return Published(
        name=f"ms-eff-gcvit-{size}-{data}",
        architecture=f"ms_eff_gcvit_{size}",
        file_name=file_name,
        url=f"{_DEEPGUARD_RELEASES}/download/{release}/{file_name}",
        page=f"{_DEEPGUARD_RELEASES}/tag/{release}",
        about_bytes=_DEEPGUARD_BYTES[size],
        version=release.removeprefix("v"),
        summary=f"DeepGuard's MS-Eff-GCViT {size} at {pixels} px, trained on {words}.",
        licence="MIT",
        training_data=f"{words}, by its publisher (the EfficientNet from ImageNet-1k weights)",
        limits=(*_DEEPGUARD_LIMITS, f"It has seen the manipulations of {words} only."),
        metrics=_published("DeepGuard", f"{words}, test part", accuracy=accuracy, auc=auc),
        crop=_DEEPGUARD_CROP,
        quality=_FACE_QUALITY,
        min_usable_frames=5,
    )


def _published(who: str, data: str, **figures: float) -> tuple[Metric, ...]:
    """Figures of a publisher, as metrics that say so."""
    return tuple(
        Metric(name=name, value=value, data=f"{data}; as published by {who}")
        for name, value in figures.items()
    )


_GENCONVIT_DATA = "DFDC, FaceForensics++, DeepfakeTIMIT and Celeb-DF v2, by its publishers"
_GENCONVIT_CROP = CropContract(
    box_source=FACE_MODEL, margin=0.0, squaring="longer_side", resize="stretch"
)
"""The original's dlib box has 0.93 of the side of BlazeFace's about the same centre (median over
276 faces, quartiles 0.89 to 0.98), so no margin comes closest."""
_GENCONVIT_LIMITS = (
    *_LIMITS,
    (
        "Faces were found by dlib in training; here BlazeFace finds them, whose box is about 7% "
        "wider. A face is shrunk with antialiasing here, there with OpenCV's INTER_AREA."
    ),
    "Published figures are those of both networks together; each network alone may do less.",
    "For non-commercial use only, as the page of the weights says.",
)
_GENCONVIT_LICENCE_NOTE = (
    "the page of the weights says CC BY-NC 4.0, non-commercial use only; the repository of the "
    "code says GPL-3.0"
)
_GENCONVIT_FIGURES = _published(
    "the authors (both networks together)",
    "mean over DFDC, FaceForensics++, DeepfakeTIMIT and Celeb-DF v2",
    accuracy=0.958,
    auc=0.993,
)
_GENCONVIT_PAGE = "https://huggingface.co/Deressa/GenConViT"


def _genconvit(network: Literal["ed", "vae"], what: str, about_bytes: int) -> Published:
    """One network of GenConViT, as its authors published it."""
    file_name = f"genconvit_{network}_inference.pth"
    return Published(
        name=f"genconvit-{network}",
        architecture=f"genconvit_{network}",
        file_name=file_name,
        url=f"{_GENCONVIT_PAGE}/resolve/main/{file_name}",
        page=_GENCONVIT_PAGE,
        about_bytes=about_bytes,
        version="1.0.0",
        summary=f"GenConViT's network {what} at 224 px.",
        licence="CC-BY-NC-4.0",
        licence_note=_GENCONVIT_LICENCE_NOTE,
        training_data=_GENCONVIT_DATA,
        limits=_GENCONVIT_LIMITS,
        metrics=_GENCONVIT_FIGURES,
        crop=_GENCONVIT_CROP,
        quality=_FACE_QUALITY,
        min_usable_frames=5,
    )


_GENCONVIT_ED_ONNX = Published(
    name="genconvit-ed-onnx",
    architecture="genconvit_ed",
    file_format="onnx",
    file_name="genconvit_ed_inference.onnx",
    url=None,
    page="the model page 'GenConViT ED (Encoder-Decoder) - ONNX' on Hugging Face",
    about_bytes=117_000_000,
    version="1.0.0",
    summary="GenConViT's network A (auto-encoder) at 224 px, as somebody else's ONNX conversion.",
    licence="CC-BY-NC-4.0",
    licence_note=_GENCONVIT_LICENCE_NOTE,
    training_data=_GENCONVIT_DATA,
    limits=(
        *_GENCONVIT_LIMITS,
        (
            "The graph is a conversion by others, taken over byte for byte; nothing here compares "
            "it with the authors' weights. Class 0 is fake, whatever the table on its page says."
        ),
    ),
    metrics=_GENCONVIT_FIGURES,
    crop=_GENCONVIT_CROP,
    quality=_FACE_QUALITY,
    min_usable_frames=5,
)

_DFD_CLIP_L = Published(
    name="dfd-clip-l",
    architecture="dfd_clip_l",
    file_name="best_model.pt or pytorch_model.bin",
    url=None,
    page="https://huggingface.co/Arko007/deepfake-detector-dfd-sota",
    about_bytes=1_280_000_000,
    version="1.0.0",
    summary="CLIP ViT-L/14 with spatio-temporal adapters: 12 whole frames at 384 px, trained on "
    "DFD.",
    licence="Apache-2.0",
    licence_note="the frozen CLIP ViT-L/14 inside is OpenAI's, under MIT",
    training_data="DeepFakeDetection (DFD): 363 genuine and 3,068 manipulated clips, by its "
    "publisher; the CLIP tower by OpenAI",
    limits=(
        *_LIMITS,
        (
            "Its code is unpublished and its page names two different files: the architecture here "
            "is one that has exactly the published number of parameters, and a checkpoint of "
            "another layout is refused."
        ),
        (
            "Its publisher's own figures are weak: of genuine validation clips 47% to 55% are "
            "recognised, about as many as by chance."
        ),
        "It looks at 12 whole frames, evenly spaced and stretched to a square, not at faces.",
    ),
    metrics=_published("its publisher", "DFD, tenth held out, 89% fake", accuracy=0.8488),
    crop=CropContract(box_source=WHOLE_FRAME, margin=0.0, squaring="none", resize="stretch"),
    quality=_NO_QUALITY,
    min_usable_frames=1,
)

CATALOGUE = {
    entry.name: entry
    for entry in (
        *(_deepguard(size, data) for size in ("b0", "b5") for data in _DEEPGUARD_DATA),
        _genconvit("ed", "A (auto-encoder)", 238_000_000),
        _GENCONVIT_ED_ONNX,
        _genconvit("vae", "B (variational auto-encoder)", 2_780_000_000),
        _DFD_CLIP_L,
    )
}
"""By name, in the order of :data:`NAMES`."""

assert tuple(CATALOGUE) == NAMES

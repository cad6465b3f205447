"""Which models judge, with which weight, and the number that stands for how.

Only cards are read here: an API process needs no more of a bundle than its ``card.json``.
"""

from __future__ import annotations

import hashlib
import math
import os
from dataclasses import dataclass
from typing import Final

import msgspec

from dfedge.bundles import store
from dfedge.bundles.bundle import Bundle
from dfedge.bundles.card import WHOLE_FRAME, DetectorCard
from dfedge.errors import BundleFormatError, UsageError
from dfedge.escalation.wire import ModelState
from dfedge_server.settings import Settings

FALLBACK: Final = "dfedge-b0"
"""The shipped bundle, in float32, for a server without a heavier one."""

HEAVY_BYTES: Final = 64 * 1024**2
"""A float32 model from this size on is heavier than edge: the shipped one has 36 MB, GenConViT's
networks, ConvNeXt-Tiny and b5 have over 100."""

POLICY_VERSION: Final = 1
"""Changed when the same models would give another verdict."""

_EDGE_TARGETS: Final = frozenset({"web", "mobile", "jetson"})


@dataclass(frozen=True, slots=True)
class Chosen:
    """A model that judges.

    Attributes:
        model: what it was named by.
        weight: of its opinion, greater than 0.
        heavy: whether it is more than what devices run, by :func:`is_heavy`.
    """

    model: str
    bundle: Bundle
    card: DetectorCard
    weight: float
    heavy: bool

    def state(self, *, loaded: bool) -> ModelState:
        """The model, as the API tells of it."""
        return ModelState(
            name=self.card.name,
            version=self.card.version,
            sha256=self.bundle.sha256,
            architecture=self.card.architecture,
            summary=self.card.summary,
            weight=self.weight,
            heavy=self.heavy,
            loaded=loaded,
        )


def choose(settings: Settings, *, verify: bool = False) -> tuple[Chosen, ...]:
    """The models by the settings, at least one, in their order.

    Args:
        verify: check and keep the bytes of the bundles, not only their cards.

    Raises:
        BundleError: one is not there, not sound, or needs faces of another detector.
        UsageError: one is named twice.
    """
    names = settings.models or _installed_heavy() or (FALLBACK,)
    chosen = tuple(_choose(*_weighed(text), verify=verify) for text in names)
    seen: set[str] = set()
    for each in chosen:
        if each.card.name in seen:
            raise UsageError(f"setting models: {each.card.name} is named twice; leave one out")
        seen.add(each.card.name)
    return chosen


def is_heavy(card: DetectorCard) -> bool:
    """Whether a model is more than what devices run, by its card.

    It is not made for the web, phones or Jetson, is no quantized form of another, and takes
    several frames at once or has at least :data:`HEAVY_BYTES`.
    """
    if card.deployment is not None and card.deployment.target in _EDGE_TARGETS:
        return False
    size = sum(entry.size_bytes for entry in card.files if entry.role == "model")
    return card.quantization is None and (card.input.frames > 1 or size >= HEAVY_BYTES)


def notes_on(chosen: tuple[Chosen, ...]) -> tuple[str, ...]:
    """What a user must know of the choice, a sentence each."""
    if any(each.heavy for each in chosen):
        return ()
    names = ", ".join(each.card.name for each in chosen)
    return (
        f"No heavier model is installed: this is the opinion of {names}, a model made for devices.",
    )


def policy_of(settings: Settings) -> str:
    """Stands for all that, beside the input, decides a verdict: sha256, hexadecimal.

    Worked out once for a process: its models are loaded once too.

    Raises:
        BundleError: a model is not there or not sound.
        UsageError: a setting cannot work.
    """
    home = os.environ.get(store.HOME_VARIABLE, "")
    facts = msgspec.json.encode(
        (
            POLICY_VERSION,
            settings.models,
            settings.device_weight,
            settings.frames,
            settings.max_frames,
            settings.heatmaps,
            home,
        )
    )
    if facts not in _policies:
        _policies[facts] = _policy(settings)
    return _policies[facts]


_policies: dict[bytes, str] = {}
"""By all that they are made of, as far as it may differ within a process."""


def _policy(settings: Settings) -> str:
    face_bundle, _ = store.resolve_face_detector(store.FACE_MODEL, verify=False)
    parts = [
        POLICY_VERSION,
        settings.device_weight,
        settings.frames,
        settings.max_frames,
        settings.heatmaps,
        hashlib.sha256(face_bundle.card_json).hexdigest(),
        *(
            (hashlib.sha256(each.bundle.card_json).hexdigest(), each.weight)
            for each in choose(settings)
        ),
    ]
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()


def _installed_heavy() -> tuple[str, ...]:
    return tuple(
        name
        for name in store.detector_names()
        if is_heavy(store.resolve_detector(name, verify=False)[1])
    )


def _weighed(text: str) -> tuple[str, float]:
    name, sign, number = text.rpartition("=")
    try:
        weight = float(number) if sign else math.nan
    except ValueError:
        return text, 1.0  # a path with a sign in it
    if not sign:
        return text, 1.0
    if not (math.isfinite(weight) and weight > 0):
        raise UsageError(f"setting models: {text}: a weight is a number greater than 0")
    return name, weight


def _choose(model: str, weight: float, *, verify: bool) -> Chosen:
    bundle, card = store.resolve_detector(model, verify=verify)
    if card.crop.box_source not in (store.FACE_MODEL, WHOLE_FRAME):
        raise BundleFormatError(
            f"{bundle.path}: the model needs boxes of {card.crop.box_source!r}; this version cuts "
            f"crops from {store.FACE_MODEL!r} boxes, or takes the {WHOLE_FRAME!r}"
        )
    return Chosen(model, bundle, card, weight, is_heavy(card))

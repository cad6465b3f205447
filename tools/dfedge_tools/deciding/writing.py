"""A decision written into the card of a copy of a bundle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import asdict, replace

from dfedge.bundles.bundle import Bundle
from dfedge.bundles.card import (
    Calibration,
    Decision,
    DetectorCard,
    Metric,
    NoveltyLimit,
    OperatingPoint,
    Quality,
)
from dfedge_tools.deciding.calibrate import DecisionNumbers
from dfedge_tools.exporting.bundle import Role, file_entries, write_bundle

STALE = ("called_", "calibration_error")
"""Names of figures, or their beginnings, that hang on the decision and fall with the old one."""


@dataclass(frozen=True, slots=True)
class Change:
    """One field of a card, before and after."""

    field: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewParts:
    """What is to stand in the new card; None leaves the old.

    Attributes:
        model: bytes of the graph, where it changed.
        metrics: figures of the card with this decision.
    """

    numbers: DecisionNumbers | None = None
    novelty: NoveltyLimit | None = None
    quality: Quality | None = None
    model: bytes | None = None
    metrics: tuple[Metric, ...] | None = None


def write_decided(
    folder: Path, bundle: Bundle, card: DetectorCard, parts: NewParts, *, name: str | None = None
) -> tuple[Change, ...]:
    """Write a copy of a bundle with new parts, whole or not at all, and tell what changed.

    Figures of the card that hang on the old decision are left out.

    Args:
        card: of `bundle`.
        name: of the copy; None keeps the name.

    Raises:
        UsageError: there is something else at `folder`.
        BundleError: the parts make no sound bundle.
    """
    decision = _decision(card.decision, parts)
    metrics = parts.metrics
    if metrics is None:
        stale = STALE if parts.numbers is not None else ()
        metrics = tuple(entry for entry in card.metrics if not entry.name.startswith(stale))
    files: dict[Role, bytes] = {
        "model": parts.model or bundle.read("model"),
        "preprocess": bundle.read("preprocess"),
    }
    new = replace(
        card,
        name=name or card.name,
        decision=decision,
        metrics=metrics,
        files=file_entries(files),
    )
    write_bundle(folder, new, files)
    return tuple(_changes(card, new))


def _decision(old: Decision, parts: NewParts) -> Decision:
    new = replace(old, novelty=parts.novelty or old.novelty, quality=parts.quality or old.quality)
    numbers = parts.numbers
    if numbers is None:
        return new
    return replace(
        new,
        calibration=Calibration(
            temperature=numbers.temperature, bias=numbers.bias, fitted_on=numbers.fitted_on
        ),
        fake=OperatingPoint(threshold=numbers.fake.threshold, meaning=numbers.fake.meaning),
        real=OperatingPoint(threshold=numbers.real.threshold, meaning=numbers.real.meaning),
    )


def _changes(old: DetectorCard, new: DetectorCard) -> Sequence[Change]:
    before, after = _flat(old), _flat(new)
    names = dict.fromkeys([*before, *after])
    return [
        Change(name, before.get(name, "none"), after.get(name, "none"))
        for name in names
        if before.get(name) != after.get(name)
    ]


def _flat(card: DetectorCard) -> dict[str, str]:
    """What a decision may change, by the name of the field."""
    decision = card.decision
    model = next(entry for entry in card.files if entry.role == "model")
    values: dict[str, object] = {
        "name": card.name,
        "calibration.temperature": decision.calibration.temperature,
        "calibration.bias": decision.calibration.bias,
        "calibration.fitted_on": decision.calibration.fitted_on,
        "fake.threshold": decision.fake.threshold,
        "fake.meaning": decision.fake.meaning,
        "real.threshold": decision.real.threshold,
        "real.meaning": decision.real.meaning,
        **{f"quality.{key}": value for key, value in asdict(decision.quality).items()},
        "model": f"{model.size_bytes} bytes, sha256 {model.sha256[:16]}...",
        "metrics": f"{len(card.metrics)} figures",
    }
    if decision.novelty is not None:
        values |= {f"novelty.{key}": value for key, value in asdict(decision.novelty).items()}
    return {
        key: f"{value:.6g}" if isinstance(value, float) else str(value)
        for key, value in values.items()
    }

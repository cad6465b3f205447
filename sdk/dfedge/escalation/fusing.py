"""What a server's verdict may say: checked, and joined with what the device knows itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec.structs import replace

from dfedge.verdict import Label, Reason, Verdict

MAX_OPINIONS: Final = 64
MAX_TEXT: Final = 200
MAX_SECONDS: Final = 1_000_000.0
"""Eleven days; a time line is drawn of what the server says."""


def joined(device: Verdict, server: Verdict, *, total_seconds: float) -> Verdict:
    """The server's verdict, in which the device's own words are told by the device.

    Source, timing, the edge opinion and the edge models stay the device's.

    Args:
        total_seconds: from the beginning of the work on the source until now.

    Raises:
        ValueError: the server's verdict is of the right form, but cannot be meant.
    """
    for problem in _problems(server):
        raise ValueError(problem)
    heavy_opinions = tuple(opinion for opinion in server.opinions if opinion.tier == "heavy")
    heavy_models = tuple(model for model in server.models if model.role == "heavy")
    unreadable = (Reason.PARTLY_UNREADABLE,) if device.source.problems else ()
    return replace(
        server,
        source=device.source,
        reasons=tuple(dict.fromkeys((*server.reasons, *unreadable))),
        opinions=(*device.opinions, *heavy_opinions),
        models=(*device.models, *heavy_models),
        timing=replace(device.timing, total_seconds=round(total_seconds, 4)),
        dfedge_version=device.dfedge_version,
    )


def alone(device: Verdict) -> Verdict:
    """The device's verdict, which says that no second opinion came."""
    return replace(device, reasons=(*device.reasons, Reason.ESCALATION_FAILED))


def told(device: Verdict, name: str) -> Verdict:
    """The device's verdict as a server is told it: no path, and no words about files."""
    return replace(device, source=replace(device.source, name=name, problems=()))


def _problems(verdict: Verdict) -> Iterator[str]:
    heavy = [opinion for opinion in verdict.opinions if opinion.tier == "heavy"]
    if not heavy:
        yield "its verdict holds no opinion of its own"
    if len(verdict.opinions) > MAX_OPINIONS or len(verdict.models) > MAX_OPINIONS:
        yield f"its verdict holds more than {MAX_OPINIONS} opinions"
    texts = [opinion.model for opinion in verdict.opinions]
    texts += [
        text for model in verdict.models for text in (model.name, model.version, model.sha256)
    ]
    if not all(text.isprintable() and len(text) <= MAX_TEXT for text in texts):
        yield "its verdict holds names that cannot be shown"
    times = [point.pts_seconds for point in verdict.timeline]
    times += [seen.pts_seconds for track in verdict.tracks for seen in track.observations]
    if max(times, default=0.0) > MAX_SECONDS:
        yield "its verdict speaks of times that cannot be"
    if any(not track.observations or track.label is Label.NO_FACE for track in verdict.tracks):
        yield "its verdict speaks of people nobody saw"

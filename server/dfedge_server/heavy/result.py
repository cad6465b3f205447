"""What the heavy tier gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from dfedge.escalation.wire import Thresholds
from dfedge.verdict import Verdict


@dataclass(frozen=True, slots=True)
class EvidencePicture:
    """A picture behind a verdict; small.

    Attributes:
        kind: a face, the same with what raises P(fake) coloured, or a strip of one person's faces.
        model: whose heat map it is.
    """

    kind: Literal["face", "heat", "strip"]
    data: bytes = field(repr=False)
    media_type: str
    track_id: int
    frame_index: int | None = None
    pts_seconds: float | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True)
class HeavyResult:
    """A fused verdict with its evidence.

    Attributes:
        verdict: its ``opinions`` hold the device's (tier edge) and each model's (tier heavy).
        thresholds: those on P(fake) that the fused label rests on; shown to analysts.
        notes: sentences fit for a user, such as that no heavier model is installed.
    """

    verdict: Verdict
    pictures: tuple[EvidencePicture, ...] = ()
    notes: tuple[str, ...] = ()
    thresholds: Thresholds | None = None


class Cancelled(Exception):  # noqa: N818 - nothing is wrong: nobody wants the result any more
    """The work was stopped because it was asked to."""

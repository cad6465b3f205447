"""What one run of a detector gives back: a verdict, the pictures behind it, or an error."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from dfedge.bundles.card import DetectorCard
from dfedge.errors import DfedgeError
from dfedge.types import Box
from dfedge.verdict import Verdict

if TYPE_CHECKING:
    from dfedge.escalation.wire import Thresholds


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the work on one source has come.

    Attributes:
        stage: ``frames`` first; heat maps, and the wait for an escalation server, may follow.
        done: frames looked at; heat maps made; 0 while a server is waited for.
        total: frames that will be looked at, None when unknown; heat maps that will be made.
        source: what is worked on, as a :class:`Result` names it: with :meth:`Detector.detect_many`
            the next source is looked at while a server still works on the one before.
    """

    stage: Literal["frames", "heatmaps", "server"]
    done: int
    total: int | None
    source: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """A small picture of one observed face, for a person to look at.

    Attributes:
        jpeg: the face with some of what is around it, longest side at most 160 pixels.
        box: face box in pixels of that picture.
        heat_jpeg: the same picture with what raises P(fake) coloured; None where no heat map was
            asked for, or the face is not among the most suspicious.
    """

    track_id: int
    frame_index: int
    pts_seconds: float
    jpeg: bytes = field(repr=False)
    box: Box
    heat_jpeg: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Escalated:
    """What came of asking an escalation server.

    Attributes:
        server: its address.
        href: address of the escalation, to be looked up with the key; None where it never got one.
        problem: why the verdict is the device's own, in words; empty where it is fused.
        notes: what the server has to say, in sentences.
        thresholds: those the fused verdict rests on, where the server tells them.
    """

    server: str
    href: str | None = None
    problem: str = ""
    notes: tuple[str, ...] = ()
    thresholds: Thresholds | None = None


@dataclass(frozen=True, slots=True)
class Analysis:
    """A verdict with its evidence and the card of the device's model.

    Attributes:
        escalation: None where no server was asked.
    """

    verdict: Verdict
    evidence: tuple[Evidence, ...] = field(repr=False)
    card: DetectorCard = field(repr=False)
    escalation: Escalated | None = None


@dataclass(frozen=True, slots=True)
class Success:
    """A source that was analysed."""

    source: str
    analysis: Analysis

    @property
    def verdict(self) -> Verdict:
        """The verdict of the analysis."""
        return self.analysis.verdict


@dataclass(frozen=True, slots=True)
class Failure:
    """A source that could not be analysed, and why."""

    source: str
    error: DfedgeError


Result: TypeAlias = Success | Failure
"""What :meth:`dfedge.Detector.detect_many` yields for each source."""

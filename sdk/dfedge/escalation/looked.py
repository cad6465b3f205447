"""What a device has made of a source when it decides whether to ask a server."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dfedge.analysis import Analysis
from dfedge.media import Sampling, Source

if TYPE_CHECKING:
    from dfedge.escalation.crops import FaceCrops


@dataclass(frozen=True, slots=True)
class Looked:
    """A device's own analysis, with what it could send.

    Attributes:
        crops: None where no server is to be asked.
        frames, sampling: how the source was looked at.
        started: when the work on it began, on the clock of :func:`time.perf_counter`.
    """

    analysis: Analysis
    source: Source = field(repr=False)
    crops: FaceCrops | None
    frames: int
    sampling: Sampling
    started: float

"""The typed result of an evaluation: ``metrics.json``, schema ``dfedge.evaluation/1``."""

from __future__ import annotations

from typing import Literal

import msgspec

from dfedge_tools.evaluating.estimates import Estimate

Level = Literal["frame", "video", "identity"]


class _Part(msgspec.Struct, frozen=True, kw_only=True):
    """Base of the parts: immutable."""


class ModelInfo(_Part, frozen=True, kw_only=True):
    """The bundle whose scores these are."""

    name: str
    version: str
    sha256: str
    fake_threshold: float
    real_threshold: float
    temperature: float
    bias: float


class LevelFigures(_Part, frozen=True, kw_only=True):
    """The figures of frames, videos or identities.

    Attributes:
        fakes, reals: units of each class; of identities, people with fake or genuine videos.
        identities: groups that the bootstrap draws.
        figures: ``auc``, ``ap``, ``eer``, ``log_loss``, ``brier``, ``ece``; ``accuracy``,
            ``balanced_accuracy``, ``precision``, ``recall``, ``f1``, ``fpr`` and ``fnr`` at
            P(fake) = 0.5; ``fnr_at_fpr_1``, ``fnr_at_fpr_5`` and ``fpr_at_fnr_5``.
    """

    level: Level
    fakes: int
    reals: int
    identities: int
    figures: dict[str, Estimate]


class OperatingPoint(_Part, frozen=True, kw_only=True):
    """What one threshold on P(fake) gives on the videos.

    Attributes:
        threshold: on the calibrated P(fake); None for a point that the data set themselves.
        figures: ``fpr``, ``fnr``, ``precision``, ``recall``, ``f1``, ``accuracy``,
            ``balanced_accuracy``; of points set by the data only the two that define them.
    """

    name: str
    meaning: str
    threshold: float | None
    figures: dict[str, Estimate]


class Shares(_Part, frozen=True, kw_only=True):
    """How many of a kind of videos were called what.

    Attributes:
        kind: ``clip`` or ``still``.
        label: 1 fake, 0 genuine.
        called: FAKE, UNCERTAIN, REAL and NO_FACE to shares.
    """

    kind: Literal["clip", "still"]
    name: str
    label: int
    count: int
    called: dict[str, Estimate]


class GroupFigures(_Part, frozen=True, kw_only=True):
    """The videos with something in common.

    Attributes:
        by: ``method``, ``compression``, ``source``, ``face size``, ``sharpness`` or ``light``.
        figures: ``auc``; ``fpr`` and ``fnr`` of the labels: genuine ones called FAKE and fake
            ones called REAL.
    """

    by: str
    name: str
    fakes: int
    reals: int
    figures: dict[str, Estimate]


class Selective(_Part, frozen=True, kw_only=True):
    """How the labels do where they take a side.

    Attributes:
        coverage: share of clips called FAKE or REAL.
        error: share of those called wrongly.
    """

    coverage: Estimate
    error: Estimate


class FalseAlarms(_Part, frozen=True, kw_only=True):
    """Genuine pictures or clips called FAKE.

    Attributes:
        source: where they are from; ``all`` for all together.
        limit: the largest share allowed; None where none was given.
    """

    source: str
    count: int
    called_fake: int
    share: Estimate
    limit: float | None

    @property
    def exceeded(self) -> bool:
        """Whether the share is over the limit."""
        return self.limit is not None and (self.share.value or 0.0) > self.limit


class Bin(_Part, frozen=True, kw_only=True):
    """One bin of the reliability diagram; both classes weigh the same.

    Attributes:
        low, high: of the calibrated P(fake).
        stated: mean P(fake) in it; None where it is empty.
        observed: share of fakes in it.
        count: videos in it.
    """

    low: float
    high: float
    stated: float | None
    observed: float | None
    count: int


class Histogram(_Part, frozen=True, kw_only=True):
    """How P(fake) of the videos spreads over equal-width bins from 0 to 1: a count a bin."""

    fakes: tuple[int, ...]
    reals: tuple[int, ...]
    stills: tuple[int, ...]
    """Genuine stills kept back."""


class Robustness(_Part, frozen=True, kw_only=True):
    """What a disturbance does to the same pictures.

    Attributes:
        kind: ``JPEG quality``, ``H.264 quantizer``, ...
        level: in the words of the kind.
        auc: of the disturbed videos.
        change: that less the AUC of the same videos undisturbed.
        lost: videos in which no face was found any more.
        called: of the videos looked at, shares called FAKE, UNCERTAIN, REAL and NO_FACE.
    """

    kind: str
    level: float
    videos: int
    lost: int
    auc: Estimate
    change: Estimate
    called: dict[str, float]


class Mistake(_Part, frozen=True, kw_only=True):
    """A video that was scored far on the wrong side."""

    video_id: str
    path: str
    frame: int
    label: int
    called: str
    fake_probability: float
    method: str
    compression: str
    source: str


class PredictionTable(_Part, frozen=True, kw_only=True):
    """The table of someone else's prediction file, from what it says.

    Attributes:
        accuracy, f1: of the labels it states; None where it states none.
        disagree: predictions whose stated label is not that of their score.
        at_one_half: scores of exactly one half.
        recomputed: accuracy, F1 (of fakes) and AUC of the scores at one half.
    """

    source: str
    count: int
    fakes: int
    accuracy: float | None
    f1: float | None
    disagree: int
    at_one_half: int
    recomputed: dict[str, Estimate]


class Evaluation(_Part, frozen=True, kw_only=True):
    """All that was found.

    Attributes:
        data: what was evaluated, in words.
        command: that made this.
        notes: what a reader must know of the data and of what was assumed.
        frames, frames_without_face: rows.
        unreadable: inputs that could not be read.
        reliability: bins of the videos.
        roc: (false positive rate, true positive rate) of the videos, as far as the curve bends.
    """

    schema: Literal["dfedge.evaluation/1"] = "dfedge.evaluation/1"
    dfedge_version: str
    created: str
    command: str
    data: tuple[str, ...]
    model: ModelInfo | None
    notes: tuple[str, ...]
    frames: int
    frames_without_face: int
    unreadable: tuple[str, ...]
    levels: tuple[LevelFigures, ...]
    points: tuple[OperatingPoint, ...]
    shares: tuple[Shares, ...]
    groups: tuple[GroupFigures, ...]
    selective: Selective
    false_alarms: tuple[FalseAlarms, ...]
    reliability: tuple[Bin, ...]
    roc: tuple[tuple[float, float], ...]
    histogram: Histogram
    mistakes: tuple[Mistake, ...]
    predictions: tuple[PredictionTable, ...] = ()
    robustness: tuple[Robustness, ...] = ()

    @property
    def exceeded(self) -> tuple[FalseAlarms, ...]:
        """Limits that were not kept."""
        return tuple(row for row in self.false_alarms if row.exceeded)

    def level(self, name: Level) -> LevelFigures | None:
        """The figures of a level; None where it has no unit."""
        return next((each for each in self.levels if each.level == name), None)

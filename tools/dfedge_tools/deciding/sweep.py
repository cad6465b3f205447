"""What every threshold on P(fake) would give, and the named choices among them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sweep:
    """A row a threshold, from the highest down; all (T,), shares 0 to 1.

    Attributes:
        thresholds: On P(fake); at or above is called fake.
        recall: Of fake clips.
        false_alarms: Of genuine clips.
        still_alarms: Of genuine stills; not a number where there are none.
        precision: Of what is called fake, at the mix of the data.
    """

    thresholds: Floats
    recall: Floats
    false_alarms: Floats
    still_alarms: Floats
    precision: Floats

    @property
    def f1(self) -> Floats:
        """Harmonic mean of precision and recall."""
        return 2 * self.precision * self.recall / np.maximum(self.precision + self.recall, 1e-12)

    @property
    def balanced_accuracy(self) -> Floats:
        """Mean of recall and specificity."""
        return (self.recall + 1 - self.false_alarms) / 2

    @property
    def product(self) -> Floats:
        """Recall times specificity: unlike their mean, it is low where either is."""
        return self.recall * (1 - self.false_alarms)


@dataclass(frozen=True, slots=True)
class Choice:
    """One threshold of a sweep."""

    name: str
    threshold: float
    recall: float
    false_alarms: float
    still_alarms: float | None
    precision: float
    f1: float
    balanced_accuracy: float
    product: float


def sweep(stated: Floats, labels: Floats, stills: Floats) -> Sweep:
    """Every threshold that tells two clips apart.

    Args:
        stated: (N,) P(fake) of clips.
        labels: (N,) 1 fake, 0 genuine.
        stills: (M,) P(fake) of genuine stills, maybe none.
    """
    thresholds = np.unique(stated)[::-1]
    fakes, reals = (np.sort(stated[labels == label]) for label in (1, 0))
    caught, alarms = _reaching(fakes, thresholds), _reaching(reals, thresholds)
    called = caught + alarms
    still_alarms = _reaching(np.sort(stills), thresholds) / len(stills) if len(stills) else np.nan
    return Sweep(
        thresholds=thresholds,
        recall=caught / len(fakes),
        false_alarms=alarms / len(reals),
        still_alarms=np.broadcast_to(still_alarms, thresholds.shape),
        precision=caught / called,
    )


def choices(found: Sweep, *, low_false_alarms: float) -> tuple[Choice, ...]:
    """The usual choices; of equal ones the highest threshold.

    Args:
        low_false_alarms: share of genuine clips that the choice of low false alarms may reach on
            the data themselves (it promises nothing about new ones); without a threshold that
            keeps it and finds any fake, there is no such choice.
    """
    chosen = {
        "best F1": found.f1,
        "low false alarms": np.where(found.false_alarms <= low_false_alarms, found.recall, 0.0),
        "best balanced accuracy": found.balanced_accuracy,
        "best product": found.product,
    }
    return tuple(
        _choice(found, name, int(np.argmax(values)))
        for name, values in chosen.items()
        if values.max() > 0
    )


def _choice(found: Sweep, name: str, place: int) -> Choice:
    alarms = float(found.still_alarms[place])
    return Choice(
        name=name,
        threshold=float(found.thresholds[place]),
        recall=float(found.recall[place]),
        false_alarms=float(found.false_alarms[place]),
        still_alarms=None if np.isnan(alarms) else alarms,
        precision=float(found.precision[place]),
        f1=float(found.f1[place]),
        balanced_accuracy=float(found.balanced_accuracy[place]),
        product=float(found.product[place]),
    )


def _reaching(ascending: Floats, thresholds: Floats) -> Floats:
    """How many values are at or above each threshold."""
    return np.asarray(len(ascending) - np.searchsorted(ascending, thresholds, "left"), np.float64)

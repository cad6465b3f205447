"""A decision as text for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

import numpy as np

from dfedge_tools.deciding.calibrate import DecisionNumbers, percent
from dfedge_tools.deciding.platt import sigmoid
from dfedge_tools.deciding.promises import Promise

WIDTH = 88


def render(found: DecisionNumbers) -> str:
    """Calibration, promises and their check, what is called what, and other thresholds."""
    error = found.calibration_error
    lines = [
        f"P(fake) = sigmoid(logit / {found.temperature:.4f} + {found.bias:.4f})",
        f"FAKE from {found.fake.threshold:.6f}, REAL up to {found.real.threshold:.6f}",
        (
            f"calibration error {error.cross_validated:.3f} on people left out, {error.fitted:.3f} "
            f"on those fitted on (so few clips show {error.chance:.3f} where nothing is wrong)"
        ),
        "",
        *_promises(found),
        *_unseen(found),
        "",
        *_shares(found),
        "",
        *_choices(found),
    ]
    for said in (*found.notes, *found.problems):
        lines += textwrap.wrap(f"note: {said}", WIDTH, subsequent_indent="      ")
    return "\n".join(lines) + "\n"


def _promises(found: DecisionNumbers) -> Iterator[str]:
    """The first row sets the threshold of FAKE; the check is by people left out."""
    yield (
        f"{'promise':28}{'clips':>6}{'people':>7}{'asked':>8}{'promised':>9}{'P(fake)':>10}"
        "  checked (95%)"
    )
    for promise in found.promises:
        kept = promise.kept
        yield (
            f"{promise.group[:27]:28}{promise.count:6}{promise.identities:7}"
            f"{percent(promise.asked):>8}{percent(promise.made):>9}"
            f"{_probability(found, promise):10.4f}"
            f"  {percent(kept.value)} ({percent(kept.low)} to {percent(kept.high)})"
        )


def _probability(found: DecisionNumbers, promise: Promise) -> float:
    return float(sigmoid(np.asarray(promise.logit / found.temperature + found.bias)))


def _unseen(found: DecisionNumbers) -> Iterator[str]:
    if found.unseen_sources:
        yield ""
        yield "called FAKE if the source had not been there to set the threshold (no promise):"
        for name, share in found.unseen_sources.items():
            yield (
                f"  {name:26}{share.count:6}  {percent(share.value)} "
                f"({percent(share.low)} to {percent(share.high)})"
            )


def _shares(found: DecisionNumbers) -> Iterator[str]:
    yield f"{'':28}{'count':>6}    FAKE  UNCERTAIN    REAL"
    for group, shares in found.shares.items():
        told = f"{shares['FAKE']:7.1%} {shares['UNCERTAIN']:10.1%} {shares['REAL']:7.1%}"
        yield f"{group[:27]:28}{found.counts[group]:6} {told}"


def _choices(found: DecisionNumbers) -> Iterator[str]:
    yield (
        f"{'one threshold instead':24}{'P(fake)':>8}{'recall':>8}{'clips':>8}{'stills':>8}"
        f"{'precis.':>8}{'F1':>7}{'balanced':>9}{'product':>8}"
    )
    for choice in found.choices:
        stills = "" if choice.still_alarms is None else f"{choice.still_alarms:.1%}"
        yield (
            f"{choice.name:24}{choice.threshold:8.4f}{choice.recall:8.1%}"
            f"{choice.false_alarms:8.1%}{stills:>8}{choice.precision:8.1%}{choice.f1:7.3f}"
            f"{choice.balanced_accuracy:9.3f}{choice.product:8.3f}"
        )

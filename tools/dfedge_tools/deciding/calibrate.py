"""Calibration and thresholds from scores: the numbers of a card's decision.

    python -m dfedge_tools.deciding.calibrate --scores runs/b0/scores.csv --out runs/b0/decision.json

Scores are the CSV of training or of ``dfedge_tools.evaluating.evaluate``: a line a frame with ``video_id``,
``label``, ``split`` (``val``: labelled clips; ``held``: genuine stills never trained on) and
``logit``. Everything is done on the mean logit of a video, as the runtime does it.
"""

from __future__ import annotations

import argparse
import csv
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from dfedge_tools.evaluating.metrics import Scored, expected_calibration_error, videos

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Limits:
    """What the two thresholds promise on the data they are set on.

    Attributes:
        false_alarms: Largest share of genuine clips called FAKE.
        still_false_alarms: Largest share of genuine stills, all sources together, called FAKE.
        source_false_alarms: Largest share of the stills of any one source called FAKE.
        misses: Largest share of fake clips called REAL.
    """

    false_alarms: float = 0.05
    still_false_alarms: float = 0.02
    source_false_alarms: float = 0.04
    misses: float = 0.05


@dataclass(frozen=True, slots=True)
class Threshold:
    """A threshold on the calibrated probability, with what it stands for."""

    threshold: float
    meaning: str


@dataclass(frozen=True, slots=True)
class DecisionNumbers:
    """What goes into the ``decision`` of a card, and how it does on the data it was set on.

    ``P(fake) = sigmoid(logit / temperature + bias)``.
    """

    temperature: float
    bias: float
    fitted_on: str
    fake: Threshold
    real: Threshold
    calibration_error: float
    shares: dict[str, dict[str, float]]
    """Group of videos -> share called FAKE, UNCERTAIN and REAL."""
    counts: dict[str, int]
    """Group -> number of videos."""


def fit_platt(logits: Floats, labels: Floats, *, max_slope: float = 4.0) -> tuple[float, float]:
    """Slope and bias of ``P(fake) = sigmoid(slope * logit + bias)`` that maximise likelihood.

    Both classes weigh the same, so that a probability of one half means that neither is likelier,
    whatever the share of fakes in the data. Targets are softened as Platt (1999) does, and Newton's
    method finds the optimum. The slope is kept within (0, `max_slope`]: scores that run the wrong
    way say nothing.

    Raises:
        ValueError: One of the classes is missing.
    """
    fakes, reals = float(labels.sum()), float((1 - labels).sum())
    if not fakes or not reals:
        raise ValueError(f"calibration needs both classes, got {fakes:.0f} fake, {reals:.0f} real")
    target = np.where(labels > 0.5, (fakes + 1) / (fakes + 2), 1 / (reals + 2))
    weight = np.where(labels > 0.5, 0.5 / fakes, 0.5 / reals)
    centre, spread = float(logits.mean()), float(logits.std()) or 1.0
    design = np.stack([(logits - centre) / spread, np.ones_like(logits)], axis=1)
    parameters = np.zeros(2)
    for _ in range(100):
        stated = _sigmoid(design @ parameters)
        gradient = design.T @ (weight * (stated - target)) + 1e-6 * parameters
        curvature = (design * (weight * stated * (1 - stated))[:, None]).T @ design
        move = np.linalg.solve(curvature + 1e-6 * np.eye(2), gradient)
        parameters -= move
        if float(np.abs(move).max()) < 1e-10:
            break
    slope = float(np.clip(parameters[0] / spread, 1e-3, max_slope))
    return slope, float(parameters[1] - parameters[0] / spread * centre)


def decide(frames: Sequence[Scored], limits: Limits, *, fitted_on: str) -> DecisionNumbers:
    """Calibration and thresholds for the scores of val clips and held-back stills."""
    clips = videos([f for f in frames if f.split == "val"])
    stills = videos([f for f in frames if f.split == "held"])
    logits = np.array([v.logit for v in clips])
    labels = np.array([float(v.label) for v in clips])
    slope, bias = fit_platt(logits, labels)
    stated = _sigmoid(slope * logits + bias)
    fake_at = fake_threshold(stated[labels < 0.5], limits.false_alarms)
    for sources, allowed in _still_groups(stills, limits):
        of_group = np.array([v.logit for v in stills if v.source in sources])
        fake_at = max(fake_at, fake_threshold(_sigmoid(slope * of_group + bias), allowed))
    real_at = min(real_threshold(stated[labels > 0.5], limits.misses), fake_at - 1e-4)
    reals, fakes = int((labels < 0.5).sum()), int((labels > 0.5).sum())
    return DecisionNumbers(
        temperature=1 / slope,
        bias=bias,
        fitted_on=fitted_on,
        fake=Threshold(
            fake_at,
            f"at most {limits.false_alarms:.0%} of {reals} genuine val clips"
            + _still_promise(stills, limits)
            + " score at or above",
        ),
        real=Threshold(
            real_at, f"at most {limits.misses:.0%} of {fakes} fake val clips score at or below"
        ),
        calibration_error=expected_calibration_error(
            [int(v) for v in labels], [float(p) for p in stated], bins=5
        ),
        shares=_shares([*clips, *stills], slope, bias, fake_at, real_at),
        counts=dict(sorted(Counter(_group(v) for v in [*clips, *stills]).items())),
    )


def fake_threshold(genuine: Floats, false_alarms: float) -> float:
    """The lowest threshold that at most `false_alarms` of genuine probabilities reach.

    Counted with one more genuine clip than there are, as conformal prediction does, so that the
    promise holds for the next exchangeable clip; with too few clips to promise that at all, it is
    just above the highest of them.
    """
    ordered = np.sort(genuine)[::-1]
    allowed = max(0, math.floor(false_alarms * (len(ordered) + 1)) - 1)
    return float(min(1.0, ordered[allowed] + 1e-4)) if len(ordered) else 1.0


def real_threshold(fake: Floats, misses: float) -> float:
    """The highest threshold that at most `misses` of fake probabilities fall to; not below 0."""
    ordered = np.sort(fake)
    allowed = max(0, math.floor(misses * (len(ordered) + 1)) - 1)
    return float(max(0.0, ordered[allowed] - 1e-4)) if len(ordered) else 0.0


def read_scores(path: Path) -> list[Scored]:
    """Scores from CSV.

    Raises:
        ValueError: A column is missing or a number is none.
    """
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    try:
        return [
            Scored(
                row["video_id"],
                int(row["label"]),
                row["method"],
                row["compression"],
                row["source"],
                row["split"],
                float(row["logit"]),
            )
            for row in rows
        ]
    except (KeyError, ValueError) as error:
        raise ValueError(f"{path}: not a file of scores ({error}); see --help") from error


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; writes the decision as JSON and prints the shares."""
    parser = argparse.ArgumentParser(
        prog="python -m dfedge_tools.deciding.calibrate",
        description=(__doc__ or "").split("\n\n")[0],
    )
    parser.add_argument("--scores", type=Path, required=True, help="CSV of scores")
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    for name, told in (
        ("false_alarms", "largest share of genuine clips called FAKE"),
        ("still_false_alarms", "largest share of genuine stills called FAKE"),
        ("source_false_alarms", "largest share of the stills of any one source called FAKE"),
        ("misses", "largest share of fake clips called REAL"),
    ):
        default = getattr(Limits(), name)
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, type=float, default=default, help=f"{told} ({default})")
    parser.add_argument(
        "--fitted-on",
        default="FaceForensics++ val clips, 10 frames each",
        help="what the card says of the data (%(default)s)",
    )
    options = parser.parse_args(argv)
    limits = Limits(
        options.false_alarms,
        options.still_false_alarms,
        options.source_false_alarms,
        options.misses,
    )
    numbers = decide(read_scores(options.scores), limits, fitted_on=options.fitted_on)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_bytes(msgspec.json.format(msgspec.json.encode(numbers), indent=2) + b"\n")
    print(f"P(fake) = sigmoid(logit / {numbers.temperature:.3f} + {numbers.bias:.3f})")
    print(f"FAKE at or above {numbers.fake.threshold:.3f}, REAL at or below", end=" ")
    print(f"{numbers.real.threshold:.3f}; calibration error {numbers.calibration_error:.3f}")
    for group, shares in numbers.shares.items():
        told = "  ".join(f"{label} {share:6.1%}" for label, share in shares.items())
        print(f"{group:24}{numbers.counts[group]:5}  {told}")
    return 0


def _still_groups(stills: Sequence[Scored], limits: Limits) -> list[tuple[frozenset[str], float]]:
    """Sources that share a limit, and the limit: all together, then each alone."""
    sources = sorted({still.source for still in stills})
    if not sources:
        return []
    together = (frozenset(sources), limits.still_false_alarms)
    return [together, *((frozenset([s]), limits.source_false_alarms) for s in sources)]


def _still_promise(stills: Sequence[Scored], limits: Limits) -> str:
    if not stills:
        return ""
    return (
        f", {limits.still_false_alarms:.0%} of {len(stills)} genuine held-back stills and "
        f"{limits.source_false_alarms:.0%} of those of any source"
    )


def _shares(
    scored: Sequence[Scored], slope: float, bias: float, fake_at: float, real_at: float
) -> dict[str, dict[str, float]]:
    groups: dict[str, list[float]] = {}
    for item in scored:
        stated = float(_sigmoid(np.array([slope * item.logit + bias]))[0])
        groups.setdefault(_group(item), []).append(stated)
    return {
        name: {
            "FAKE": float(np.mean([p >= fake_at for p in values])),
            "UNCERTAIN": float(np.mean([real_at < p < fake_at for p in values])),
            "REAL": float(np.mean([p <= real_at for p in values])),
        }
        for name, values in sorted(groups.items())
    }


def _group(item: Scored) -> str:
    return f"still {item.source}" if item.split == "held" else f"clip {item.method}"


def _sigmoid(values: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(values, -60, 60))), np.float64)


if __name__ == "__main__":
    raise SystemExit(main())

"""Calibration and thresholds: numbers that can be checked by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from dfedge_tools.deciding.calibrate import (
    Limits,
    decide,
    fake_threshold,
    fit_platt,
    main,
    read_scores,
    real_threshold,
)
from dfedge_tools.evaluating.metrics import Scored
from dfedge_tools.training.validate import write_scores


def _frames(gap: float) -> list[Scored]:
    rng = np.random.default_rng(0)
    out = []
    for n in range(100):
        label = n % 2
        method = "Deepfakes" if label else "original"
        for _ in range(2):
            logit = float(rng.normal(gap * (label - 0.5), 1.0))
            out.append(Scored(f"v{n}", label, method, "c23", "ffpp", "val", logit))
    for n in range(60):
        logit = float(rng.normal(-gap / 2, 1))
        out.append(Scored(f"s{n}", 0, "original", "", "meb", "held", logit))
    return out


def test_known_slope_is_found() -> None:
    """Two normal classes of spread 1 at -1 and 1 have the true slope 2 and bias 0."""
    rng = np.random.default_rng(3)
    labels = np.repeat([0.0, 1.0], 20_000)
    slope, bias = fit_platt(rng.normal(2 * labels - 1, 1.0), labels)
    assert pytest.approx(2.0, abs=0.06) == slope
    assert pytest.approx(0.0, abs=0.04) == bias


def test_share_of_fakes_does_not_matter() -> None:
    """Nine fakes for each genuine clip do not make every clip likelier to be fake."""
    rng = np.random.default_rng(3)
    labels = np.repeat([0.0, 1.0], [2_000, 18_000])
    _, bias = fit_platt(rng.normal(2 * labels - 1, 1.0), labels)
    assert pytest.approx(0.0, abs=0.1) == bias


def test_one_class_is_refused() -> None:
    """Fakes alone cannot calibrate."""
    with pytest.raises(ValueError, match="needs both classes"):
        fit_platt(np.zeros(3), np.ones(3))


def test_fake_threshold_keeps_its_promise() -> None:
    """Of 99 genuine scores at most five in a hundred reach the threshold; of four, none does."""
    genuine = np.linspace(0.01, 0.99, 99)
    assert (genuine >= fake_threshold(genuine, 0.05)).mean() <= 0.05
    assert (genuine >= fake_threshold(genuine, 0.05)).sum() == 4
    assert 0.4 < fake_threshold(np.array([0.1, 0.2, 0.3, 0.4]), 0.05) < 0.401


def test_real_threshold_keeps_its_promise() -> None:
    """At most one fake in ten falls to the threshold."""
    fake = np.linspace(0.01, 0.99, 99)
    assert (fake <= real_threshold(fake, 0.1)).sum() == 9


def test_weak_scores_are_unsure() -> None:
    """Scores that tell nothing leave most clips in the unsure band."""
    numbers = decide(_frames(0.1), Limits(), fitted_on="test")
    assert numbers.real.threshold < numbers.fake.threshold
    for group in ("clip original", "clip Deepfakes"):
        assert numbers.shares[group]["UNCERTAIN"] > 0.75


def test_every_source_of_stills_is_kept_from_false_alarms() -> None:
    """A source whose genuine stills score high raises the threshold for all."""
    frames = _frames(8.0)
    odd = [Scored(f"o{n}", 0, "original", "", "scut", "held", 3.0 + n / 100) for n in range(40)]
    plain = decide(frames, Limits(), fitted_on="test")
    guarded = decide([*frames, *odd], Limits(), fitted_on="test")
    assert guarded.fake.threshold > plain.fake.threshold
    assert guarded.shares["still scut"]["FAKE"] <= 0.04


def test_good_scores_decide() -> None:
    """Scores far apart leave hardly anything unsure, and few alarms are false."""
    numbers = decide(_frames(8.0), Limits(), fitted_on="test")
    assert numbers.shares["clip Deepfakes"]["FAKE"] > 0.9
    assert numbers.shares["still meb"]["FAKE"] <= 0.05


def test_command_writes_the_decision(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command reads what training wrote, and what it writes can be read back."""
    write_scores(tmp_path / "scores.csv", _frames(3.0))
    out = tmp_path / "decision.json"
    assert 0 == main(["--scores", str(tmp_path / "scores.csv"), "--out", str(out)])
    numbers = json.loads(out.read_text())
    assert numbers["temperature"] > 0
    assert 0 <= numbers["real"]["threshold"] < numbers["fake"]["threshold"] <= 1
    assert {"clip original": 50, "clip Deepfakes": 50, "still meb": 60} == numbers["counts"]
    assert "FAKE at or above" in capsys.readouterr().out


def test_broken_scores_are_named(tmp_path: Path) -> None:
    """A file without the columns is refused by name."""
    path = tmp_path / "scores.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match=r"scores\.csv: not a file of scores"):
        read_scores(path)

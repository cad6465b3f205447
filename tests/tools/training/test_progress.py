"""Which validation is the best, and when the score has stopped rising."""

from __future__ import annotations

from pathlib import Path

from dfedge_tools.training.progress import Progress


def _line(score: float) -> dict[str, float]:
    return {"step": 1.0, "score": score}


def test_best_and_patience() -> None:
    """The best so far is told, a tie too; only a rise by more than the gain ends the waiting."""
    progress = Progress()
    kept = [progress.record(_line(s), min_gain=0.1) for s in (0.5, 0.55, 0.55, 0.4, 0.7)]
    assert [True, True, True, False, True] == kept
    assert (0.7, 0) == (progress.best, progress.waited)
    progress.record(_line(0.75), min_gain=0.1)
    progress.record(_line(0.79), min_gain=0.1)
    assert 2 == progress.waited


def test_history_has_every_column(tmp_path: Path) -> None:
    """A figure that only some validations have leaves an empty cell in the others."""
    progress = Progress(history=[{"step": 1.0, "a": 0.123456}, {"step": 2.0, "b": 1.0}])
    progress.write(tmp_path / "history.csv")
    assert ["step,a,b", "1.0,0.1235,", "2.0,,1.0"] == (
        (tmp_path / "history.csv").read_text().splitlines()
    )

"""How far a stage has come, and how good it was at each validation."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from pathlib import Path

from dfedge_tools.training import checkpoints


@dataclass
class Progress:
    """Kept in checkpoints.

    Attributes:
        step: Steps done.
        seconds: Spent on them.
        best: Highest score at a validation.
        waited: Validations since the last that gained enough.
        goal: What the next must exceed to gain enough.
        finished: All steps are done, or the score has stopped rising.
        history: A line a validation.
    """

    step: int = 0
    seconds: float = 0.0
    best: float = float("-inf")
    goal: float = float("-inf")
    waited: int = 0
    finished: bool = False
    history: list[dict[str, float]] = field(default_factory=list)

    def record(self, line: dict[str, float], *, min_gain: float) -> bool:
        """Keep the figures of a validation; True where its ``score`` is the best so far."""
        self.history.append(line)
        if line["score"] > self.goal:
            self.goal = line["score"] + min_gain
            self.waited = 0
        else:
            self.waited += 1
        if line["score"] < self.best:
            return False
        self.best = line["score"]
        return True

    def write(self, path: Path) -> None:
        """``history.csv``, whole or not at all."""
        names = list(dict.fromkeys(name for line in self.history for name in line))
        text = io.StringIO()
        writer = csv.DictWriter(text, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows({k: round(v, 4) for k, v in line.items()} for line in self.history)
        checkpoints.write_text(path, text.getvalue())

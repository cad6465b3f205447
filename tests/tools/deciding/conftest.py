"""Scores made by hand: clips of people, and stills of sources."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from dfedge_tools.evaluating.scores import Scored

ScoreMaker = Callable[..., list[Scored]]


@pytest.fixture(scope="session")
def scores_of() -> ScoreMaker:
    """Makes a table: `people` with a genuine and a fake clip each, and genuine stills."""

    def make(gap: float, *, people: int = 50, frames: int = 2, stills: int = 60) -> list[Scored]:
        rng = np.random.default_rng(0)
        made = []
        for n in range(people):
            for label, method in ((0, "original"), (1, "Deepfakes")):
                for frame in range(frames):
                    made.append(
                        Scored(
                            f"{method}{n}", label, method, "c23", "ffpp", "val",
                            float(rng.normal(gap * (label - 0.5), 1.0)),
                            frame=frame, identity=f"{n:03}",
                        )
                    )  # fmt: skip
        for n in range(stills):
            logit = float(rng.normal(-gap / 2, 1))
            source = ("meb", "aaf")[n % 2]
            made.append(Scored(f"s{n}", 0, "original", "", source, "held", logit))
        return made

    return make

"""A detector that answers from a table, for tests of what the command does with verdicts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from dfedge.analysis import Analysis, Failure, Progress, Result, Success
from dfedge.errors import DfedgeError, MediaNotFoundError
from dfedge.verdict import Verdict


class FakeDetector:
    """Stands in for ``dfedge.detector.Detector``.

    Attributes:
        table: analysis, or error to raise, by file name.
        failures: why a name that is not in the table fails; it is not found by default.
        opened: options of each detector that was opened.
        closed: how many were closed.
    """

    def __init__(self) -> None:
        self.table: dict[str, Analysis | BaseException] = {}
        self.failures: dict[str, DfedgeError] = {}
        self.opened: list[dict[str, Any]] = []
        self.closed = 0
        self.live: list[Verdict | BaseException] = []
        self.streamed: list[tuple[str | int, float]] = []
        self.card: Any = None

    def __call__(self, model: str, **options: Any) -> FakeDetector:
        """Open: ``Detector(model, ...)``."""
        self.opened.append({"model": model, **options})
        return self

    def __enter__(self) -> FakeDetector:
        return self

    def __exit__(self, *details: object) -> None:
        self.closed += 1

    def detect_many(
        self,
        sources: Sequence[str],
        *,
        as_frames: bool,
        progress: Callable[[Progress], None],
        heatmaps: int,
    ) -> Iterator[Result]:
        """The table's answer for each source."""
        self.opened[-1] |= {"as_frames": as_frames, "heatmaps": heatmaps}
        for source in sources:
            progress(Progress("frames", 1, 2))
            progress(Progress("frames", 2, 2))
            answer = self.table.get(Path(source).name)
            if isinstance(answer, BaseException):
                raise answer
            if answer is None:
                missing = MediaNotFoundError(source, "there is no such file")
                yield Failure(source, self.failures.get(Path(source).name, missing))
            else:
                yield Success(source, answer)

    def stream(self, source: str | int, *, fps: float) -> Iterator[Verdict]:
        """The verdicts of ``live``, in order."""
        self.streamed.append((source, fps))
        for item in self.live:
            if isinstance(item, BaseException):
                raise item
            yield item


@pytest.fixture
def fake_detector(monkeypatch: pytest.MonkeyPatch, analysis_maker: Any) -> FakeDetector:
    """What the command opens as its detector."""
    fake = FakeDetector()
    fake.card = analysis_maker.card()
    monkeypatch.setattr("dfedge.detector.Detector", fake)
    return fake


@pytest.fixture
def clips(fake_detector: FakeDetector, analysis_maker: Any, tmp_path: Path) -> Path:
    """A folder with fake, real, unsure, empty and broken.mp4, and verdicts on all but the last."""
    scores = {"fake.mp4": [[0.9] * 4], "real.mp4": [[0.1] * 4], "unsure.mp4": [[0.5] * 4]}
    folder = tmp_path / "clips"
    folder.mkdir()
    for name in (*scores, "empty.mp4", "broken.mp4"):
        (folder / name).write_bytes(b"video " + name.encode())
    for name, people in {**scores, "empty.mp4": []}.items():
        fake_detector.table[name] = analysis_maker.analysis(str(folder / name), *people)
    return folder

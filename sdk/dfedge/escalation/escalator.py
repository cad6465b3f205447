"""From a device's verdict that is unsure to a fused one, or back to the device's with a reason."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from dfedge.analysis import Analysis, Escalated, Failure, Progress, Result, Success
from dfedge.errors import DfedgeError, EscalationError
from dfedge.escalation.client import EscalationClient
from dfedge.escalation.crops import FaceCrops, encode
from dfedge.escalation.fusing import alone, joined, told
from dfedge.escalation.http import Stop
from dfedge.escalation.looked import Looked
from dfedge.escalation.options import EscalationOptions
from dfedge.escalation.overlap import overlapped
from dfedge.escalation.wire import Escalation, Stage, State, Submission
from dfedge.media import Source
from dfedge.report.wording import printable
from dfedge.verdict import Label, Verdict

AWAY_SECONDS: Final = 30.0
"""After nobody answered, or the key was refused, nothing is tried for so long."""

NOTHING_TO_SEND: Final = "nothing was sent: no frame shows a face well enough"


class Escalator:
    """Asks one server about the verdicts that call for it. Safe to use from several threads."""

    def __init__(self, options: EscalationOptions) -> None:
        assert options.api_key is not None
        self._options = options
        self._client = EscalationClient(options.server, options.api_key)
        self._lock = threading.Lock()
        self._away_until = 0.0
        self._away: EscalationError | None = None

    def __repr__(self) -> str:
        return f"Escalator({self._options!r})"

    def wants(self, verdict: Verdict) -> bool:
        """Whether a second opinion is asked for; never where no face was found."""
        if self._options.when == "always":
            return verdict.label is not Label.NO_FACE
        return verdict.label is Label.UNCERTAIN

    def new_crops(self) -> FaceCrops:
        """Where the pictures of one source are kept until its verdict is known."""
        return FaceCrops()

    def ask(
        self,
        looked: Looked,
        *,
        progress: Callable[[Progress], None] | None = None,
        stop: Stop | None = None,
    ) -> Analysis:
        """The analysis with the fused verdict, or the device's own with the reason.

        When the caller is interrupted, or ``stop`` is set, the server is told to cancel.

        Args:
            progress: told now and then while the server works.
        """
        device, server, stop = looked.analysis.verdict, self._options.server, stop or Stop()
        if not self.wants(device):
            return looked.analysis

        def waiting(stage: Stage) -> None:
            if progress is not None:
                progress(Progress("server", stage.done, stage.total, device.source.name))

        escalation: Escalation | None = None
        try:
            deadline = time.monotonic() + self._options.timeout_seconds
            self._refuse_if_away()
            submission, media = self._submission(looked)
            if submission.kind == "crops" and not submission.crops:
                nothing = Escalated(server, problem=NOTHING_TO_SEND)
                return replace(looked.analysis, escalation=nothing)
            waiting(Stage(name="waiting"))
            escalation = self._client.submit(submission, media, deadline=deadline, stop=stop)
            escalation = self._client.wait(escalation, deadline=deadline, stop=stop, looked=waiting)
            verdict = self._fused(escalation, looked)
        except EscalationError as error:
            self._remember(error)
            if escalation is not None and stop.is_set:
                self._client.cancel(escalation.id)
            came = self._came_of(escalation, problem=str(error))
            return replace(looked.analysis, verdict=alone(device), escalation=came)
        except BaseException:
            if escalation is not None and escalation.state not in (State.DONE, State.FAILED):
                self._client.cancel(escalation.id)
            raise
        return replace(looked.analysis, verdict=verdict, escalation=self._came_of(escalation))

    def results(
        self,
        looked_at: Iterable[tuple[str, Looked | DfedgeError]],
        progress: Callable[[Progress], None] | None,
    ) -> Iterator[Result]:
        """A result for each name, in order; the next source is looked at while the server works."""
        stop = Stop()
        names: list[str] = []

        def success(name: str, looked: Looked) -> Result:
            return Success(name, self.ask(looked, stop=stop))

        def steps() -> Iterator[Result | Callable[[], Result]]:
            for name, looked in looked_at:
                names.append(name)
                if isinstance(looked, DfedgeError):
                    yield Failure(name, looked)
                elif self.wants(looked.analysis.verdict):
                    yield partial(success, name, looked)
                else:
                    yield Success(name, looked.analysis)

        def waiting(place: int) -> None:
            if progress is not None:
                progress(Progress("server", 0, None, names[place]))

        yield from overlapped(steps(), stop=stop, waiting=waiting)

    def _submission(self, looked: Looked) -> tuple[Submission, dict[str, bytes] | Path]:
        """What is sent of a source: the file where that was agreed and there is one, else crops."""
        verdict, options = looked.analysis.verdict, self._options
        name = _file_name(looked.source) if options.send_name else ""
        told_verdict = told(verdict, name)
        clip = _local_file(looked.source) if options.what == "clip" else None
        if clip is not None:
            submission = Submission(
                kind="clip",
                name=name,
                device_verdict=told_verdict,
                frames=min(looked.frames, 120),
                sampling="scene" if looked.sampling == "scene" else "even",
                keep=options.keep,
            )
            return submission, clip
        assert looked.crops is not None
        suspicious = sorted(verdict.tracks, key=lambda track: -track.fake_probability)
        crops, pictures = encode(looked.crops.of([track.track_id for track in suspicious]))
        submission = Submission(
            kind="crops",
            name=name,
            device_verdict=told_verdict,
            crops=crops,
            frames_sampled=verdict.source.frames_sampled,
            keep=options.keep,
        )
        return submission, pictures

    def _fused(self, escalation: Escalation, looked: Looked) -> Verdict:
        server = self._options.server
        if escalation.state is State.DONE and escalation.verdict is not None:
            try:
                return joined(
                    looked.analysis.verdict,
                    escalation.verdict,
                    total_seconds=time.perf_counter() - looked.started,
                )
            except ValueError as error:
                raise EscalationError(server, str(error)) from error
        if escalation.problem is not None:
            raise EscalationError(server, f"failed: {printable(escalation.problem.detail)[:300]}")
        if escalation.state is State.CANCELLED:
            raise EscalationError(server, "cancelled the work")
        raise EscalationError(server, "is done and gives no verdict")

    def _came_of(self, escalation: Escalation | None, *, problem: str = "") -> Escalated:
        server = self._options.server
        if escalation is None:
            return Escalated(server, problem=problem)
        return Escalated(
            server,
            href=self._client.address(escalation.id),
            problem=problem,
            notes=tuple(printable(note)[:300] for note in escalation.notes[:8]),
            thresholds=None if problem else escalation.thresholds,
        )

    def _refuse_if_away(self) -> None:
        with self._lock:
            if self._away is not None and time.monotonic() < self._away_until:
                raise EscalationError(self._away.server, self._away.problem)

    def _remember(self, error: EscalationError) -> None:
        if error.for_all:
            with self._lock:
                self._away, self._away_until = error, time.monotonic() + AWAY_SECONDS


def _local_file(source: Source) -> Path | None:
    """The file of a source that is one."""
    if isinstance(source, str | os.PathLike) and "://" not in os.fspath(source):
        path = Path(source)
        return path if path.is_file() else None
    return None


def _file_name(source: Source) -> str:
    """The last part of a path or address, without its query; empty for an array."""
    if not isinstance(source, str | os.PathLike):
        return ""
    text = os.fspath(source)
    if "://" in text:
        text = text.partition("?")[0].partition("#")[0]
    return printable(text.rstrip("/\\").replace("\\", "/").rpartition("/")[2])[:200]

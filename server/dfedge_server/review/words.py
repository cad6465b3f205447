"""The words of the pages that a verdict does not bring itself."""

from __future__ import annotations

from datetime import UTC, datetime

from dfedge.escalation.wire import Mistake, Stage, State
from dfedge.report.wording import count
from dfedge.verdict import Label

STATES: dict[State, str] = {
    State.QUEUED: "Waiting",
    State.RUNNING: "Being judged",
    State.DONE: "Judged",
    State.FAILED: "Could not be judged",
    State.CANCELLED: "Cancelled",
}

KINDS: dict[str, str] = {"crops": "Face crops", "clip": "Upload", "url": "Address"}

LABELS: dict[Label, str] = {
    Label.FAKE: "Fake",
    Label.REAL: "Real",
    Label.UNCERTAIN: "Cannot tell",
    Label.NO_FACE: "No face",
}
"""A label as a person chooses it."""

MISTAKES: dict[Mistake, str] = {
    Mistake.FALSE_ALARM: "False alarm: it is genuine",
    Mistake.MISSED_FAKE: "Missed: it is fake",
    Mistake.WRONG_PERSON: "The wrong person was judged",
    Mistake.SHOULD_BE_UNCERTAIN: "It should not have taken a side",
    Mistake.FACE_MISSED: "A face was not found",
    Mistake.NO_REAL_FACE: "What it took for a face is none",
    Mistake.CORRECT: "It was right",
}

_STAGES = {
    "waiting": "Waiting for its turn",
    "fetching": "Fetching the media",
    "faces": "Looking for faces",
    "models": "Asking the models",
    "evidence": "Making pictures of the evidence",
    "done": "Done",
}


def stage_words(stage: Stage, queue_position: int | None) -> str:
    """What is being done, for a reader."""
    words = _STAGES[stage.name]
    if stage.name == "waiting" and queue_position:
        return f"{words}: {count(queue_position, 'job')} before this one"
    if stage.total and stage.name != "done":
        return f"{words}: {stage.done} of {stage.total}"
    return words


def when(moment: datetime) -> str:
    """A time as it is written where no script turns it into the reader's own."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def megabytes(size: int) -> str:
    """A limit on bytes, for a reader: ``512 MB``."""
    return f"{size / 1024**2:.3g} MB" if size < 1024**3 else f"{size / 1024**3:.3g} GB"

"""The one table of scores: a row a frame, with what is known of it. CSV, read and written here.

Training writes it of the frames it never learns from, ``dfedge evaluate`` of what a bundle scored,
and ``dfedge calibrate`` and ``dfedge evaluate --scores`` read it. Columns may stand in any order
and others may stand between them; only ``video_id``, ``label`` and ``logit`` must be there. A row
with an empty ``logit`` is a frame in which no face was found: it has no score, and is counted.
"""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dfedge.errors import UsageError
from dfedge.verdict import Reason

COLUMNS = (
    "video_id", "frame", "label", "method", "compression", "source", "split", "identity", "logit",
    "face_pixels", "sharpness", "brightness", "novelty", "pts_seconds", "path", "issues",
)  # fmt: skip
"""In the order they are written in."""

REQUIRED = ("video_id", "label", "logit")


@dataclass(frozen=True, slots=True)
class Labelled:
    """One frame with a label.

    Attributes:
        video_id: Clip it is from; of a still its own name.
        label: 1 fake, 0 genuine.
        method: ``original`` or the manipulation; ``""`` where unknown.
        compression: ``c23``, ``c40``, ...; ``""`` where unknown.
        source: Data set it is from.
        split: ``train``, ``val``, ``held`` (genuine stills kept back), ...
        frame: Number of the frame in its clip.
        identity: Whose video carries the face; ``""`` where unknown.
        face_pixels: Shorter side of the face box, pixels of the picture; None: not measured.
        sharpness: As `dfedge.crops.measure_quality` measures it.
        brightness: As `dfedge.crops.measure_quality` measures it, 0 to 255.
        novelty: How unlike the face is to those the model knows, where the model measures it.
        pts_seconds: Time of the frame in its clip.
        path: Of the picture, or of the clip the frame is from.
        issues: Why the frame does not count towards the verdict, by the card; empty when it does.
    """

    video_id: str
    label: int
    method: str
    compression: str
    source: str
    split: str
    frame: int = field(default=0, kw_only=True)
    identity: str = field(default="", kw_only=True)
    face_pixels: float | None = field(default=None, kw_only=True)
    sharpness: float | None = field(default=None, kw_only=True)
    brightness: float | None = field(default=None, kw_only=True)
    novelty: float | None = field(default=None, kw_only=True)
    pts_seconds: float | None = field(default=None, kw_only=True)
    path: str = field(default="", kw_only=True)
    issues: tuple[Reason, ...] = field(default=(), kw_only=True)

    @property
    def group(self) -> str:
        """What the bootstrap draws as a whole: the identity, or the video where it is unknown."""
        return self.identity or self.video_id

    @property
    def person(self) -> str:
        """The group among those of all sources: people of two sources differ, whatever they are
        called."""
        return f"{self.source}/{self.group}"

    @property
    def clip(self) -> tuple[str, str]:
        """Source and video: what tells it from all others."""
        return self.source, self.video_id


@dataclass(frozen=True, slots=True)
class Scored(Labelled):
    """A frame with its score.

    Attributes:
        logit: Log-odds of *fake* before calibration, finite.
    """

    logit: float


@dataclass(frozen=True, slots=True)
class ScoreTable:
    """All rows of a table.

    Attributes:
        frames: Those with a score.
        faceless: Those in which no face was found.
    """

    frames: tuple[Scored, ...]
    faceless: tuple[Labelled, ...] = ()


def read_scores(path: Path) -> list[Scored]:
    """The frames of a table that have a score.

    Raises:
        UsageError: As `read_table`.
    """
    return list(read_table(path).frames)


def read_table(path: Path) -> ScoreTable:
    """A whole table.

    Raises:
        UsageError: The file cannot be read, is no table of scores, or a value in it is none; the
            message has the line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        problem = getattr(error, "strerror", None) or "is no text in UTF-8"
        raise UsageError(f"{path}: cannot be read as a table of scores ({problem})") from error
    reader = csv.DictReader(io.StringIO(text, newline=""))
    missing = [name for name in REQUIRED if name not in (reader.fieldnames or ())]
    if missing:
        raise UsageError(
            f"{path}, line 1: is no table of scores, it has no column {', '.join(missing)}; "
            f"expected are {', '.join(COLUMNS)}"
        )
    return _collect(path, reader)


def scores_csv(frames: Iterable[Scored], faceless: Iterable[Labelled] = ()) -> str:
    """A table as CSV, with every column."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([_cell(getattr(frame, name)) for name in COLUMNS] for frame in frames)
    writer.writerows(
        ["" if name == "logit" else _cell(getattr(frame, name)) for name in COLUMNS]
        for frame in faceless
    )
    return out.getvalue()


def write_scores(path: Path, frames: Sequence[Scored], faceless: Sequence[Labelled] = ()) -> None:
    """Write a table, whole or not at all; its folder is made where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(scores_csv(frames, faceless), encoding="utf-8")
    part.replace(path)


def _collect(path: Path, reader: csv.DictReader[str]) -> ScoreTable:
    frames: list[Scored] = []
    faceless: list[Labelled] = []
    labels: dict[tuple[str, str], int] = {}
    seen: Counter[str] = Counter()
    try:
        for row in reader:
            frame = _parse(row, number=seen[row["video_id"]])
            seen[frame.video_id] += 1
            if labels.setdefault(frame.clip, frame.label) != frame.label:
                raise ValueError(f"{frame.video_id} has label {frame.label} here and another above")
            if isinstance(frame, Scored):
                frames.append(frame)
            else:
                faceless.append(frame)
    except (ValueError, csv.Error) as error:
        raise UsageError(f"{path}, line {reader.line_num}: {error}") from error
    if not frames and not faceless:
        raise UsageError(f"{path}: holds no row; give a table of scores with a line a frame")
    return ScoreTable(tuple(frames), tuple(faceless))


def _parse(row: Mapping[str, str | None], *, number: int) -> Labelled:
    """One row; `number` is that of the frame where the table has no such column."""
    if None in row.values() or None in row:
        raise ValueError("has not as many values as the header has columns")
    text = {name: (row.get(name) or "").strip() for name in COLUMNS}
    if not text["video_id"]:
        raise ValueError("video_id is empty")
    if text["label"] not in ("0", "1"):
        raise ValueError(f"label {text['label']!r} is neither 1 (fake) nor 0 (genuine)")
    known = Labelled(
        text["video_id"],
        int(text["label"]),
        text["method"],
        text["compression"],
        text["source"],
        text["split"],
        frame=_whole("frame", text["frame"]) if text["frame"] else number,
        identity=text["identity"],
        face_pixels=_number("face_pixels", text["face_pixels"]),
        sharpness=_number("sharpness", text["sharpness"]),
        brightness=_number("brightness", text["brightness"]),
        novelty=_number("novelty", text["novelty"]),
        pts_seconds=_number("pts_seconds", text["pts_seconds"]),
        path=text["path"],
        issues=_issues(text["issues"]),
    )
    logit = _number("logit", text["logit"])
    return known if logit is None else scored(known, logit)


def scored(frame: Labelled, logit: float) -> Scored:
    """The frame with its score."""
    known = {name: getattr(frame, name) for name in COLUMNS if name != "logit"}
    return Scored(**known, logit=logit)


def _number(name: str, text: str) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{name} {text!r} is no finite number")
    return value


def _whole(name: str, text: str) -> int:
    if not text.isdecimal():
        raise ValueError(f"{name} {text!r} is no whole number from 0")
    return int(text)


def _issues(text: str) -> tuple[Reason, ...]:
    try:
        return tuple(Reason(code) for code in text.split())
    except ValueError as error:
        raise ValueError(f"issues {text!r} are no reason codes of a verdict") from error


def _cell(value: str | float | tuple[Reason, ...] | None) -> str:
    if value is None:
        return ""
    if isinstance(value, tuple):
        return " ".join(issue.value for issue in value)
    return f"{value:.6f}" if isinstance(value, float) else str(value)

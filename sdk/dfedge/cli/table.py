"""Results as CSV: a row an observation (one face in one frame), so nothing is averaged away."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from dfedge.verdict import Observation, TrackVerdict, Verdict

COLUMNS = (
    "source",
    "label",
    "fake_probability",
    "track_id",
    "track_label",
    "track_fake_probability",
    "pts_seconds",
    "frame_index",
    "box_left",
    "box_top",
    "box_right",
    "box_bottom",
    "detection_score",
    "logit",
    "frame_fake_probability",
    "issues",
    "error",
)
"""``label`` and ``fake_probability`` are the input's; no ``issues`` means that the frame counts."""


def header_line() -> str:
    """The first line of the table."""
    return _line(dict(zip(COLUMNS, COLUMNS, strict=True)))


def verdict_lines(verdict: Verdict) -> Iterator[str]:
    """A line an observation; one line without a face when there is none."""
    clip = {
        "source": verdict.source.name,
        "label": verdict.label.value,
        "fake_probability": _number(verdict.fake_probability),
    }
    seen = False
    for track in verdict.tracks:
        for observation in track.observations:
            seen = True
            yield _line({**clip, **_track_cells(track), **_observation_cells(observation)})
    if not seen:
        yield _line(clip)


def failure_line(source: str, error: str) -> str:
    """The line of an input that could not be read."""
    return _line({"source": source, "error": error})


def _track_cells(track: TrackVerdict) -> dict[str, str]:
    return {
        "track_id": str(track.track_id),
        "track_label": track.label.value,
        "track_fake_probability": _number(track.fake_probability),
    }


def _observation_cells(observation: Observation) -> dict[str, str]:
    box = observation.box
    return {
        "pts_seconds": f"{observation.pts_seconds:.3f}",
        "frame_index": str(observation.frame_index),
        "box_left": f"{box.left:.1f}",
        "box_top": f"{box.top:.1f}",
        "box_right": f"{box.right:.1f}",
        "box_bottom": f"{box.bottom:.1f}",
        "detection_score": _number(observation.detection_score),
        "logit": f"{observation.logit:.4f}",
        "frame_fake_probability": _number(observation.fake_probability),
        "issues": " ".join(issue.value for issue in observation.issues),
    }


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _line(cells: dict[str, str]) -> str:
    buffer = io.StringIO()
    csv.DictWriter(buffer, COLUMNS, restval="", lineterminator="\n").writerow(cells)
    return buffer.getvalue()

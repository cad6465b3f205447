"""Other people's prediction files, brought into the table of scores.

GenConViT writes one JSON object, ``{"video": {"name": [...], "pred": [...], "klass": [...],
"pred_label": [...], "correct_label": [...]}}``, a list entry a video. Its ``pred`` is P(fake): the
mean over frames of the *fake* output where that is the larger one, else one less the mean of the
*real* output; ``pred_label`` says which was larger, so close to one half the two may disagree.
For a video without a face it writes 0.5.

The same fields are read from a list of objects, one a video, and from a CSV file with a header;
for each field the names that others use are understood (`NAMES`).
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
from sklearn.metrics import accuracy_score, f1_score

from dfedge.errors import UsageError
from dfedge_tools.evaluating.bootstrap import (
    Floats,
    Units,
    ranking_figures,
    threshold_figures,
)
from dfedge_tools.evaluating.estimates import estimates
from dfedge_tools.evaluating.results import PredictionTable
from dfedge_tools.evaluating.scores import Scored
from dfedge_tools.evaluating.units import NO_CARD, frame_units

NAMES: Mapping[str, tuple[str, ...]] = {
    "name": ("name", "video", "video_id", "path", "filename", "file", "image"),
    "score": ("pred", "fake_probability", "p_fake", "prob", "probability", "score", "logit"),
    "label": ("correct_label", "label", "target", "y_true", "ground_truth", "gt"),
    "said": ("pred_label", "predicted_label", "y_pred", "prediction"),
    "method": ("klass", "class", "method"),
    "source": ("dataset", "source"),
    "identity": ("identity", "target_id"),
    "compression": ("compression",),
}
"""What a field may be called; the first that is there counts."""

FAKE_WORDS = frozenset({"1", "fake", "manipulated", "deepfake", "true", "1.0"})
REAL_WORDS = frozenset({"0", "real", "original", "genuine", "false", "0.0"})

LARGEST_LOGIT = 700.0
"""Stands for probabilities of 0 and 1, so that they stay finite and rank outermost."""

Meaning = Literal["auto", "fake", "label", "logit"]
"""What a score says: P(fake); the probability of the stated label; a logit or margin, above 0 for
fake. ``auto`` tells them apart by their ranges."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """One line of a file.

    Attributes:
        row: with the log-odds of fake as its logit.
        said: the label the file states, 1 fake; None where it states none.
    """

    row: Scored
    said: int | None


@dataclass(frozen=True, slots=True)
class Predictions:
    """A file.

    Attributes:
        notes: what was assumed of it, in sentences.
    """

    name: str
    entries: tuple[Prediction, ...]
    notes: tuple[str, ...]


def read_predictions(path: Path, *, meaning: Meaning = "auto") -> Predictions:
    """The predictions of a JSON or CSV file.

    Raises:
        UsageError: it cannot be read, lacks a field, or a value is none; the message says where.
    """
    try:
        data = path.read_bytes()
        rows = _json_rows(data) if data.lstrip()[:1] in (b"{", b"[") else _csv_rows(data)
        named = [(where, _fields(row)) for where, row in rows]
        if not named:
            raise ValueError("holds no prediction")
        return _understand(path, named, meaning)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path}: {error}; see docs/evaluate.md for what is read") from error


def prediction_tables(files: Sequence[Predictions], *, least: int) -> tuple[PredictionTable, ...]:
    """The table of each data set: from the labels that were stated, and from the scores."""
    by_source: dict[str, list[Prediction]] = {}
    for file in files:
        for entry in file.entries:
            by_source.setdefault(entry.row.source, []).append(entry)
    return tuple(_table(source, entries, least) for source, entries in by_source.items())


def _table(source: str, entries: Sequence[Prediction], least: int) -> PredictionTable:
    units = frame_units((entry.row for entry in entries), NO_CARD)
    scored_fake = units.probabilities >= 0.5
    said = [entry.said for entry in entries if entry.said is not None]
    complete = len(said) == len(entries)
    return PredictionTable(
        source=source,
        count=len(entries),
        fakes=units.fakes,
        accuracy=float(accuracy_score(units.labels, said)) if complete else None,
        f1=float(f1_score(units.labels, said, zero_division=np.nan)) if complete else None,
        disagree=int((scored_fake != np.array(said, np.bool_)).sum()) if complete else 0,
        at_one_half=int((units.probabilities == 0.5).sum()),
        recomputed=estimates(units, _recomputed, least=least),
    )


def _recomputed(units: Units, weights: Floats) -> dict[str, Floats]:
    chosen = threshold_figures(units, weights, 0.5)
    return {
        "accuracy": chosen["accuracy"],
        "f1": chosen["f1"],
        "auc": ranking_figures(units, weights)["auc"],
    }


def _json_rows(data: bytes) -> list[tuple[str, Mapping[str, object]]]:
    """Objects of a list, or the columns of an object of lists put side by side."""
    loaded: object = msgspec.json.decode(data)
    if isinstance(loaded, dict):
        columns = loaded.get("video", loaded)
        if not isinstance(columns, dict):
            raise ValueError('"video" is no object of lists')
        filled = {name: part for name, part in columns.items() if isinstance(part, list) and part}
        lengths = {name: len(part) for name, part in filled.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"its lists have different lengths: {lengths}")
        rows = zip(*filled.values(), strict=True)
        return [(f"entry {n}", dict(zip(filled, row, strict=True))) for n, row in enumerate(rows)]
    if isinstance(loaded, list) and all(isinstance(entry, dict) for entry in loaded):
        return [(f"entry {number}", entry) for number, entry in enumerate(loaded)]
    raise ValueError("is neither an object of lists nor a list of objects")


def _csv_rows(data: bytes) -> list[tuple[str, Mapping[str, object]]]:
    reader = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True)
    return [(f"line {reader.line_num}", row) for row in reader]


def _fields(row: Mapping[str, object]) -> dict[str, tuple[str, object]]:
    """Field to the name it has in the file, and its value."""
    lower = {str(name).strip().lower(): value for name, value in row.items()}
    found: dict[str, tuple[str, object]] = {}
    for field, names in NAMES.items():
        name = next((n for n in names if n in lower and lower[n] not in (None, "")), None)
        if name is not None:
            found[field] = (name, lower[name])
    return found


def _understand(
    path: Path, rows: Sequence[tuple[str, dict[str, tuple[str, object]]]], meaning: Meaning
) -> Predictions:
    scores, labels, said = [], [], []
    for where, fields in rows:
        for field in ("name", "score", "label"):
            if field not in fields:
                raise ValueError(f"{where} has no {field} (any of {', '.join(NAMES[field])})")
        scores.append(_score(where, *fields["score"]))
        labels.append(_label(where, *fields["label"]))
        said.append(_label(where, *fields["said"]) if "said" in fields else None)
    is_logit = rows[0][1]["score"][0] == "logit"
    how = _meaning(scores, said, "logit" if is_logit and meaning == "auto" else meaning)
    entries = tuple(
        Prediction(_scored(path.stem, fields, label, _log_odds(score, own, how)), own)
        for (_, fields), score, label, own in zip(rows, scores, labels, said, strict=True)
    )
    _refuse_repeats(rows, entries)
    return Predictions(path.name, entries, _notes(path, rows, how, entries))


def _meaning(
    scores: Sequence[float], said: Sequence[int | None], meaning: Meaning
) -> Literal["fake", "label", "logit"]:
    """What the scores say, found out where it was not told.

    Raises:
        ValueError: they cannot be what they were said to be.
    """
    as_probabilities = all(0 <= score <= 1 for score in scores)
    if meaning == "auto":
        both_said = {0, 1} <= set(said) and None not in said
        if not as_probabilities:
            return "logit"
        return "label" if both_said and min(scores) >= 0.5 else "fake"
    if meaning != "logit" and not as_probabilities:
        raise ValueError("its scores are no probabilities, some lie outside of 0 to 1")
    if meaning == "label" and None in said:
        raise ValueError("states no label, so its scores cannot be those of the stated label")
    return meaning


def _log_odds(score: float, said: int | None, how: Literal["fake", "label", "logit"]) -> float:
    if how == "logit":
        return score
    fake = 1 - score if how == "label" and said == 0 else score
    if fake <= 0:
        return -LARGEST_LOGIT
    return LARGEST_LOGIT if fake >= 1 else math.log(fake) - math.log1p(-fake)


def _scored(
    stem: str, fields: Mapping[str, tuple[str, object]], label: int, logit: float
) -> Scored:
    text = {name: str(value) for name, (_, value) in fields.items()}
    method = text.get("method", "unknown" if label else "original")
    rate = text.get("compression", "")
    return Scored(
        f"{rate}/{text['name']}" if rate else text["name"],
        label,
        method,
        rate,
        text.get("source", stem),
        "",
        identity=text.get("identity", ""),
        path=text["name"],
        logit=logit,
    )


def _notes(
    path: Path,
    rows: Sequence[tuple[str, dict[str, tuple[str, object]]]],
    how: str,
    entries: Sequence[Prediction],
) -> tuple[str, ...]:
    name = rows[0][1]["score"][0]
    notes = [f"{path.name}: {name} is taken as {_MEANINGS[how]}"]
    halves = sum(entry.row.logit == 0 for entry in entries)
    if halves:
        notes.append(
            f"{path.name}: {halves} scores are exactly one half, which GenConViT writes for a "
            "video without a face; they are counted as they are"
        )
    if isinstance(rows[0][1]["label"][1], int | float) or rows[0][1]["label"][1] in ("0", "1"):
        notes.append(f"{path.name}: label 1 is taken as fake, 0 as genuine")
    return tuple(notes)


def _refuse_repeats(rows: Sequence[tuple[str, object]], entries: Sequence[Prediction]) -> None:
    seen: dict[tuple[str, str], str] = {}
    for (where, _), entry in zip(rows, entries, strict=True):
        before = seen.setdefault(entry.row.clip, where)
        if before != where:
            raise ValueError(f"{where} is of {entry.row.video_id}, as {before} is")


def _score(where: str, name: str, value: object) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{where}: {name} {value!r} is no finite number")
    return number


def _label(where: str, name: str, value: object) -> int:
    word = str(value).strip().lower()
    if word in FAKE_WORDS:
        return 1
    if word in REAL_WORDS:
        return 0
    raise ValueError(f"{where}: {name} {value!r} is neither FAKE (or 1) nor REAL (or 0)")


_MEANINGS = {
    "fake": "P(fake)",
    "label": "the probability of the stated label",
    "logit": "a logit or margin, above 0 for fake",
}

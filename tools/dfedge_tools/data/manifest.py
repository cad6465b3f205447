"""Manifests: which pictures and videos there are, what is known of each, and what it is for.

A manifest is a CSV file with one row a picture or video. The columns ``path`` and ``label`` are
needed, the other fields of :class:`Sample` may be missing, and columns of other names are ignored.
Paths are relative to the folder of the manifest, or to the folder that a first line
``#root=FOLDER`` names (itself relative to that of the manifest), so that a data set which may not
be written to can be listed from elsewhere.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
import os
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path, PurePosixPath
from typing import Literal, cast, get_args

from dfedge.errors import UsageError
from dfedge.media.files import VIDEO_SUFFIXES

MANIFEST = "manifest.csv"
ROOT_MARK = "#root="

Split = Literal["train", "val", "test", "held", ""]
"""``held`` are stills kept back to measure false alarms; nothing is ever trained on them, nor on
``test``. Empty where none was chosen yet."""

Media = Literal["picture", "video"]


@dataclass(frozen=True, slots=True)
class Sample:
    """One stored picture or video.

    Attributes:
        path: Relative to the root of its manifest, with forward slashes.
        kind: A still photograph, or of a clip: the whole video or a frame of it.
        source: Data set (``ffpp``, ``meb``, ...). Identities and clips of two sources differ, even
            where their names are the same.
        split: What it may be used for.
        label: 1 fake, 0 real.
        method: ``original`` or the manipulation; ``unknown`` where it is not known.
        compression: ``c23``, ``c40``, or ``""`` for stills and where it is not known.
        video_id: Clip it comes from; the path itself for stills.
        frame: Frame number in its clip; 0 for stills and whole videos.
        target_id: Identity whose video carries the face; ``""`` where it is not known.
        source_id: Identity whose face was put in; ``""`` where there is none.
        media: What the file is.
        original: ``video_id`` of the genuine clip that a fake was made from, and of a genuine clip
            its own; ``""`` where it is not known.
        scene: Number of the scene the frame lies in, from 0.
        pts_seconds: Presentation time of the frame in its clip, None where it is not known.
        crop: How a face crop was cut (``tight``, ``expanded``, ``scene``); ``""`` for what is none.
    """

    path: str
    kind: Literal["still", "clip"]
    source: str
    split: Split
    label: int
    method: str
    compression: str
    video_id: str
    frame: int
    target_id: str
    source_id: str
    media: Media = "picture"
    original: str = ""
    scene: int = 0
    pts_seconds: float | None = None
    crop: str = ""


COLUMNS = tuple(field.name for field in fields(Sample))


@dataclass(frozen=True, slots=True)
class Manifest:
    """Samples and the folder that their paths are relative to."""

    root: Path
    samples: tuple[Sample, ...]

    def file(self, sample: Sample) -> Path:
        """Where the picture or video lies."""
        return self.root / sample.path


def read_manifest(path: Path, *, label: int | None = None, source: str | None = None) -> Manifest:
    """The manifest of a file, or of a folder with a ``manifest.csv``, in its order.

    Args:
        label: Of the rows that tell none; without it such a row is an error.
        source: Of the rows that tell none (the name of the root without it).

    Raises:
        UsageError: It cannot be read, is empty, or a row is wrong: which line, and why.
    """
    if path.is_dir():
        path = path / MANIFEST
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read as a manifest ({error})") from error
    root, before = path.parent, 0
    if text.startswith(ROOT_MARK):
        head, _, text = text.partition("\n")
        root, before = root / head.removeprefix(ROOT_MARK).strip(), 1
    try:
        defaults = {"label": "" if label is None else str(label)}
        defaults["source"] = source or root.resolve().name
        samples = _read_rows(path, text, root, before, defaults)
    except csv.Error as error:
        raise UsageError(f"{path}: is no CSV file ({error})") from error
    if not samples:
        raise UsageError(f"{path}: lists nothing; dfedge data manifest makes one of a folder")
    return Manifest(root, samples)


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Write the samples, sorted by path: beside `path`, then in its place in one step.

    Equal samples give equal bytes.

    Raises:
        UsageError: The file cannot be written.
    """
    text = io.StringIO()
    if manifest.root.resolve() != path.parent.resolve():
        relative = os.path.relpath(manifest.root.resolve(), path.parent.resolve())
        text.write(f"{ROOT_MARK}{Path(relative).as_posix()}\n")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for sample in sorted(manifest.samples, key=lambda sample: sample.path):
        values = (getattr(sample, name) for name in COLUMNS)
        writer.writerow(["" if value is None else value for value in values])
    try:
        _replace(path, text.getvalue())
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror or error})") from error


def read_stills(folder: Path, *, held_fraction: float, seed: int) -> list[Sample]:
    """Genuine stills of `folder`; the same `held_fraction` of every source is kept back for a seed.

    Raises:
        UsageError: As :func:`read_manifest`; the column ``label`` may be missing.
    """
    samples = read_manifest(folder, label=0).samples
    held = held_back([(s.path, s.source) for s in samples], held_fraction, seed)
    return [replace(s, split="held" if s.path in held else "train") for s in samples]


def read_clip_frames(folder: Path) -> list[Sample]:
    """Frames of clips in `folder`, with their split.

    Raises:
        UsageError: As :func:`read_manifest`, or an identity appears in two splits.
    """
    samples = read_manifest(folder, source="ffpp").samples
    crossing = crossing_identities(samples)
    if crossing:
        raise UsageError(
            f"{folder / MANIFEST}: identities {sorted(crossing)} are in two splits; "
            "move every clip of an identity to one side (dfedge data split does)"
        )
    return list(samples)


def held_back(items: Sequence[tuple[str, str]], fraction: float, seed: int) -> frozenset[str]:
    """Paths kept back out of (path, source) pairs: `fraction` of each source, chosen by hash.

    The lowest hashes are taken, so that pictures added later take the place of few others.
    """
    by_source: dict[str, list[str]] = defaultdict(list)
    for path, source in items:
        by_source[source].append(path)
    chosen: set[str] = set()
    for paths in by_source.values():
        ranked = sorted(paths, key=lambda path: _hash(f"{seed}:{path}"))
        chosen.update(ranked[: round(len(ranked) * fraction)])
    return frozenset(chosen)


def crossing_identities(samples: Iterable[Sample]) -> frozenset[str]:
    """Identities (targets and sources of clips) that appear in more than one split."""
    seen: dict[tuple[str, str], set[str]] = defaultdict(set)
    for sample in samples:
        for identity in (sample.target_id, sample.source_id):
            if identity and sample.split:
                seen[sample.source, identity].add(sample.split)
    return frozenset(identity for (_, identity), splits in seen.items() if len(splits) > 1)


def original_key(sample: Sample) -> tuple[str, str, str, int]:
    """What a fake frame shares with the genuine frame it was made from."""
    clip = sample.original or sample.target_id
    return (sample.source, clip, sample.compression, sample.frame)


def _read_rows(
    path: Path, text: str, root: Path, before: int, defaults: Mapping[str, str]
) -> tuple[Sample, ...]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    for column in ("path", "label"):
        if column not in (reader.fieldnames or ()) and not defaults.get(column):
            raise UsageError(
                f"{path}:{before + 1}: has no column {column!r}; the first line must name the "
                f"columns, path and label (0 real, 1 fake) among them"
            )
    samples: list[Sample] = []
    lines: dict[str, int] = {}
    for row in reader:
        line = before + reader.line_num
        try:
            if None in row or None in row.values():
                raise ValueError(f"has not {len(reader.fieldnames or ())} cells as the first line")
            sample = _sample({k: v for k, v in row.items() if v}, root, defaults)
            if sample.path in lines:
                raise ValueError(f"path {sample.path} is also in line {lines[sample.path]}")
        except ValueError as error:
            raise UsageError(f"{path}:{line}: {error}") from None
        lines[sample.path] = line
        samples.append(sample)
    return tuple(samples)


def _sample(row: Mapping[str, str], root: Path, defaults: Mapping[str, str]) -> Sample:
    """A row with what is missing filled in.

    Raises:
        ValueError: What is wrong.
    """
    path = _path(row.get("path", ""), root)
    is_video = PurePosixPath(path).suffix.lower() in VIDEO_SUFFIXES
    media = _one_of(row, "media", get_args(Media), "video" if is_video else "picture")
    clip = media == "video" or "video_id" in row
    kind = _one_of(row, "kind", ("still", "clip"), "clip" if clip else "still")
    stem = path.removesuffix(PurePosixPath(path).suffix)
    fake = _label(row.get("label") or defaults["label"])
    # In manifests with path, label and source alone, the source of a fake names its method.
    unnamed = (row.get("source") or "unknown") if fake else "original"
    return Sample(
        path=path,
        kind=cast("Literal['still', 'clip']", kind),
        source=row.get("source") or defaults["source"],
        split=cast("Split", _one_of(row, "split", get_args(Split), "")),
        label=fake,
        method=row.get("method") or unnamed,
        compression=row.get("compression", ""),
        video_id=row.get("video_id") or (path if kind == "still" else stem),
        frame=_count(row, "frame"),
        target_id=row.get("target_id", ""),
        source_id=row.get("source_id", ""),
        media=cast("Media", media),
        original=row.get("original", ""),
        scene=_count(row, "scene"),
        pts_seconds=_seconds(row),
        crop=row.get("crop", ""),
    )


def _path(text: str, root: Path) -> str:
    path = PurePosixPath(text.replace("\\", "/"))
    if not text:
        raise ValueError("the path is missing")
    if path.is_absolute() or ".." in path.parts or Path(text).is_absolute():
        raise ValueError(f"path {text} leads out of {root}; give paths relative to that folder")
    if not (root / path).is_file():
        raise ValueError(f"path {text}: there is no such file in {root}")
    return path.as_posix()


def _label(text: str) -> int:
    if text not in {"0", "1"}:
        raise ValueError(f"label {text!r} is neither 0 (real) nor 1 (fake)")
    return int(text)


def _one_of(row: Mapping[str, str], name: str, known: Sequence[str], default: str) -> str:
    value = row.get(name, default)
    if value not in known:
        names = ", ".join(value for value in known if value)
        raise ValueError(f"{name} {value!r} is none of {names}")
    return value


def _count(row: Mapping[str, str], name: str) -> int:
    text = row.get(name, "0")
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"{name} {text!r} is no whole number from 0")
    return int(text)


def _seconds(row: Mapping[str, str]) -> float | None:
    text = row.get("pts_seconds")
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        raise ValueError(f"pts_seconds {text!r} is no number of seconds")
    return seconds


def _replace(path: Path, text: str) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".dfedge-", suffix=".tmp")
    beside = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        beside.chmod(0o644)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()

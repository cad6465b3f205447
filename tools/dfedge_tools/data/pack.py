"""Pack pictures into a store: decode, find the face, align fakes with their originals.

In the output folder: what :mod:`dfedge_tools.data.store` reads, ``failures.csv`` with the pictures
left out, and the journal by which packing that was stopped goes on: a line a shard, then a line a
block of fakes that were aligned.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import msgspec

from dfedge.errors import MediaError, UsageError
from dfedge.faces import open_face_finder
from dfedge.types import Image
from dfedge_tools.data.align import align_fake, fakes_with_originals
from dfedge_tools.data.faces import NO_FACE, FaceRecord, central_face
from dfedge_tools.data.filling import LOST
from dfedge_tools.data.journal import (
    START_AGAIN,
    FailureLog,
    Fingerprint,
    Journal,
    Record,
    is_changed,
    replace_file,
)
from dfedge_tools.data.packing_list import (
    HELD_FRACTION,
    Picture,
    digest_of,
    list_pictures,
)
from dfedge_tools.data.pictures import read_image
from dfedge_tools.data.pixels import SHARD_BYTES, PixelReader, PixelWriter
from dfedge_tools.data.progress import progress_bar
from dfedge_tools.data.store import INDEX, PIXELS, VERSION, Alignment, Index, Row
from dfedge_tools.data.workers import in_order

FAKES_A_BLOCK = 16
"""Fakes that one process aligns in one go."""


@dataclass(frozen=True, slots=True)
class PackReport:
    """What came of packing.

    Attributes:
        done: pictures packed by this run.
        reused: pictures found packed already.
        failed: pictures left out.
        failures: CSV file with the path and the reason of each failure.
        aligned: fakes over which their genuine frame could be laid.
    """

    done: int
    reused: int
    failed: int
    failures: Path
    aligned: int


class PackRecord(Record, frozen=True, kw_only=True):
    """A shard and its rows, or a block of fakes (by row) that were aligned."""

    rows: tuple[Row, ...] = ()
    alignments: tuple[tuple[int, Alignment | None], ...] = ()


def pack_manifests(
    manifests: Sequence[Path],
    out: Path,
    *,
    align: bool = True,
    held_fraction: float = HELD_FRACTION,
    shard_bytes: int = SHARD_BYTES,
    workers: int = 1,
    progress: bool = False,
) -> PackReport:
    """Pack the pictures of all manifests into one store, going on where a run has stopped.

    Where a manifest lies beside a ``faces.csv`` (as those of ``dfedge data crops`` do) the faces
    are read from there; else the face nearest the centre of each picture is found. A manifest
    without the column ``label`` lists genuine pictures.

    Args:
        align: lay genuine frames over the fakes made from them (same data set, original,
            compression and frame number), so that training knows what was changed.
        held_fraction: of the genuine stills without a split, by source, that become ``held``; the
            others become ``train``.
        shard_bytes: pixels of a shard, a multiple of 64 kB; no picture may have more.
        workers: processes; with one the work is done in this process.
        progress: show a bar on stderr, if that is a terminal.

    Raises:
        UsageError: A manifest cannot be used, has clips without a split or people in two; `out`
            cannot be written or was filled otherwise; a picture has changed since it was packed.
    """
    pictures = list_pictures(manifests, held_fraction)
    settings = {
        "made by": "dfedge data pack",
        "list of pictures (sha256)": digest_of(pictures),
        "aligned": "yes" if align else "no",
        "bytes of a shard": str(shard_bytes),
    }
    with Journal(out, settings, PackRecord) as journal, ExitStack() as stack:
        before = _packed_before(journal, pictures)
        log = stack.enter_context(FailureLog(out))  # not before: a refused run changes nothing
        for record in journal.records.values():
            log.add(record.failures)
        reused = len(_rows(journal))
        with progress_bar("packing", "picture", len(pictures), before, show=progress) as bar:
            shards = _Shards(journal, shard_bytes)
            for picture, packed in in_order(_Packer, pictures[before:], workers=workers):
                shards.add(picture, packed or Packed(None, None, None, LOST), log)
                bar.update()
            shards.finish()
        rows = _rows(journal)
        if align:
            rows = _aligned(journal, rows, workers=workers, progress=progress)
        skipped = [path for record in journal.records.values() for path, _ in record.failures]
        replace_file(out / INDEX, msgspec.json.encode(Index(VERSION, skipped, rows)))
    return PackReport(
        done=len(rows) - reused,
        reused=reused,
        failed=len(pictures) - len(rows),
        failures=log.path,
        aligned=sum(row.original is not None for row in rows),
    )


@dataclass(frozen=True, slots=True)
class Packed:
    """What a process made of a picture: pixels and face, or why there are none."""

    image: Image | None
    face: FaceRecord | None
    source: Fingerprint | None
    problem: str


class _Packer:
    """Reads one picture after the other, and finds its face where that is not known."""

    def __init__(self) -> None:
        self._finder = open_face_finder(threads=1)

    def __call__(self, picture: Picture) -> Packed:
        path = picture.root / picture.sample.path
        source = Fingerprint.of(path)
        try:
            image = read_image(path)
        except MediaError as error:
            return Packed(None, None, source, error.problem)
        face = picture.face or central_face(image, self._finder)
        if face is None:
            return Packed(None, None, source, NO_FACE)
        return Packed(image, face, source, "")

    def close(self) -> None:
        """Free the face finder."""
        self._finder.close()


class _Shards:
    """Gathers pictures to shards, each written whole and then told of in the journal."""

    def __init__(self, journal: Journal[PackRecord], shard_bytes: int) -> None:
        shards = sum(bool(record.sources) for record in journal.records.values())
        self._journal = journal
        self._writer = PixelWriter(journal.folder / PIXELS, shard=shards, shard_bytes=shard_bytes)
        self._rows: list[Row] = []
        self._sources: dict[str, Fingerprint | None] = {}
        self._failures: list[tuple[str, str]] = []

    def add(self, picture: Picture, packed: Packed, log: FailureLog) -> None:
        """Take a picture, or note why there is none; writes the shard before, if that is full."""
        image, face, problem = packed.image, packed.face, packed.problem
        if image is not None and not self._writer.holds(image.size):
            image, problem = None, "has more pixels than a shard holds; make it smaller"
        if image is None or face is None:
            self._failures.append((picture.sample.path, problem))
            log.add(self._failures[-1:])
        else:
            if not self._writer.fits(image.size):
                self.finish()
            height, width = image.shape[:2]
            self._rows.append(Row(picture.sample, self._writer.add(image), height, width, face))
        self._sources[picture.key] = packed.source

    def finish(self) -> None:
        """Write what is gathered."""
        if not self._sources:
            return
        files: dict[str, int] = {}
        if self._rows:
            path = self._writer.write()
            files[path.relative_to(self._journal.folder).as_posix()] = path.stat().st_size
        record = PackRecord(
            item=f"pictures from {next(iter(self._sources))}",
            sources=self._sources,
            files=files,
            failures=tuple(self._failures),
            rows=tuple(self._rows),
        )
        self._journal.append(record)
        self._rows, self._sources, self._failures = [], {}, []


class _Aligner:
    """Lays genuine frames over one block of fakes after the other."""

    def __init__(self, pixels: Path) -> None:
        self._pixels = PixelReader(pixels)

    def __call__(self, block: Block) -> list[tuple[int, Alignment | None]]:
        return [
            (fake, align_fake(fake_row, self._image(fake_row), row, self._image(row), real))
            for fake, fake_row, real, row in block.pairs
        ]

    def close(self) -> None:
        """Nothing is held."""

    def _image(self, row: Row) -> Image:
        return self._pixels.read(row.offset, row.height, row.width)


@dataclass(frozen=True, slots=True)
class Block:
    """Fakes to align: (number of the fake, its row, number of the genuine frame, its row)."""

    name: str
    pairs: tuple[tuple[int, Row, int, Row], ...]


def _aligned(
    journal: Journal[PackRecord], rows: list[Row], *, workers: int, progress: bool
) -> list[Row]:
    pairs = [(fake, rows[fake], real, rows[real]) for fake, real in fakes_with_originals(rows)]
    blocks = [
        Block(f"fakes from row {part[0][0]}", tuple(part))
        for part in (pairs[n : n + FAKES_A_BLOCK] for n in range(0, len(pairs), FAKES_A_BLOCK))
    ]
    todo = [block for block in blocks if block.name not in journal.records]
    before = len(pairs) - sum(len(block.pairs) for block in todo)
    make = partial(_Aligner, journal.folder / PIXELS)
    with progress_bar("aligning", "fake", len(pairs), before, show=progress) as bar:
        for block, found in in_order(make, todo, workers=workers):
            if found is None:
                raise UsageError(
                    f"{journal.folder}: a process died while aligning, probably for want of "
                    "memory; run the same command again, with fewer workers"
                )
            journal.append(
                PackRecord(item=block.name, sources={}, files={}, alignments=tuple(found))
            )
            bar.update(len(block.pairs))
    out = list(rows)
    for record in journal.records.values():
        for fake, alignment in record.alignments:
            out[fake] = replace(rows[fake], original=alignment)
    return out


def _rows(journal: Journal[PackRecord]) -> list[Row]:
    return [row for record in journal.records.values() for row in record.rows]


def _packed_before(journal: Journal[PackRecord], pictures: Sequence[Picture]) -> int:
    """How many pictures, from the first on, a stopped run has packed.

    Raises:
        UsageError: A shard is gone, or a picture has changed.
    """
    sources: dict[str, Fingerprint | None] = {}
    for record in journal.records.values():
        for name, size in record.files.items():
            path = journal.folder / name
            if not path.is_file() or path.stat().st_size != size:
                raise UsageError(f"{path}: is gone or was changed; {START_AGAIN}")
        sources.update(record.sources)
    changed = [
        picture.sample.path
        for picture in pictures[: len(sources)]
        if is_changed(sources[picture.key], picture.root / picture.sample.path)
    ]
    if changed:
        raise UsageError(
            f"{journal.folder}: {len(changed)} pictures have changed since they were packed, the "
            f"first is {changed[0]}; put the former content back, or {START_AGAIN}"
        )
    return len(sources)

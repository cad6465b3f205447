"""Filling a folder with files made of others, item by item: what extraction and cropping share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from dfedge_tools.data.journal import (
    AnyRecord,
    FailureLog,
    Journal,
    Record,
    is_reusable,
    move_into_place,
    refuse_changed,
    remove_unfinished,
)
from dfedge_tools.data.progress import progress_bar
from dfedge_tools.data.workers import Worker, in_order

LOST = "the process that worked on it died: out of memory, or a crash of a decoder"


class Item(Protocol):
    """What one process makes files of in one go."""

    @property
    def name(self) -> str:
        """By which the journal knows it."""

    @property
    def paths(self) -> tuple[str, ...]:
        """Files it is made from, as the manifest names them."""


AnyItem = TypeVar("AnyItem", bound=Item)


@dataclass(frozen=True, slots=True)
class Made(Generic[AnyRecord]):
    """The files of one item, whole but not yet in their place, and the record that tells of them.

    Attributes:
        unfinished: folder they lie in, as they will in the output folder.
    """

    record: AnyRecord
    unfinished: Path


@dataclass(frozen=True, slots=True)
class Filled(Generic[AnyRecord]):
    """A folder after a run.

    Attributes:
        records: of all items, in the order given; a lost item has none.
        reused: names of the items that were there already.
        failures: path of the log.
    """

    records: dict[str, AnyRecord]
    reused: frozenset[str]
    failures: Path


def fill(
    out: Path,
    root: Path,
    items: Sequence[AnyItem],
    make_worker: Callable[[], Worker[AnyItem, Made[AnyRecord]]],
    record_type: type[AnyRecord],
    *,
    settings: dict[str, str],
    label: str,
    unit: str,
    workers: int,
    progress: bool,
) -> Filled[AnyRecord]:
    """Make the files of all items of which they are not there yet.

    Args:
        root: folder the paths of the items are relative to.
        settings: by which the files are made; the folder may hold none made otherwise.
        label, unit: of the progress bar; an item counts as many units as it has paths.

    Raises:
        UsageError: `out` cannot be written or was filled otherwise, or sources have changed.
    """
    with Journal(out, settings, record_type) as journal, ExitStack() as stack:
        reused = _reusable(journal.records, items, root, out)
        log = stack.enter_context(FailureLog(out))  # not before: a refused run changes nothing
        for item in items:
            if item.name in reused:
                log.add(journal.records[item.name].failures)
        todo = [item for item in items if item.name not in reused]
        total = sum(len(item.paths) for item in items)
        ready = total - sum(len(item.paths) for item in todo)
        with progress_bar(label, unit, total, ready, show=progress) as bar:
            for item, made in in_order(make_worker, todo, workers=workers):
                if made is None:
                    log.add((path, LOST) for path in item.paths)
                else:
                    move_into_place(made.unfinished, out, made.record.files)
                    journal.append(made.record)
                    log.add(made.record.failures)
                bar.update(len(item.paths))
        remove_unfinished(out)
        records = {i.name: journal.records[i.name] for i in items if i.name in journal.records}
    return Filled(records, reused, log.path)


def _reusable(
    records: dict[str, AnyRecord], items: Sequence[AnyItem], root: Path, out: Path
) -> frozenset[str]:
    changed: list[str] = []
    reused = frozenset(
        item.name
        for item in items
        if (record := records.get(item.name)) is not None
        and _is_of(record, item)
        and is_reusable(record, root, out, changed)
    )
    refuse_changed(out, changed)
    return reused


def _is_of(record: Record, item: Item) -> bool:
    return record.sources.keys() == set(item.paths)

"""Packed stores of ``dfedge data pack``, opened together as one."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import Protocol

import msgspec

from dfedge.types import Image
from dfedge_tools.data.store import CropStore, Row


class Crops(Protocol):
    """Packed pictures: a store, or several seen as one."""

    rows: list[Row]

    def image(self, row: int, /) -> Image:
        """RGB picture of a row, (height, width, 3)."""


class JoinedStores:
    """Several stores end to end; `rows` point to each other by their new numbers."""

    def __init__(self, stores: Sequence[CropStore]) -> None:
        self._stores = stores
        self._starts = [0, *accumulate(len(store.rows) for store in stores)]
        self.rows: list[Row] = [
            _moved(row, start)
            for store, start in zip(stores, self._starts, strict=False)
            for row in store.rows
        ]

    def image(self, row: int, /) -> Image:
        """RGB picture of a row, (height, width, 3)."""
        which = bisect_right(self._starts, row) - 1
        return self._stores[which].image(row - self._starts[which])


def open_stores(folders: Sequence[Path]) -> Crops:
    """Open packed stores.

    Raises:
        UsageError: A folder is missing, or holds no finished store of today's format.
    """
    stores = [CropStore(folder) for folder in folders]
    return stores[0] if len(stores) == 1 else JoinedStores(stores)


def fingerprint(crops: Crops) -> str:
    """Of what is known of every picture: the same data give the same words on any machine."""
    digest = hashlib.sha256()
    for row in crops.rows:
        digest.update(msgspec.json.encode((row.sample, row.face.box)))
    return digest.hexdigest()


def _moved(row: Row, start: int) -> Row:
    if row.original is None:
        return row
    return replace(row, original=replace(row.original, row=row.original.row + start))

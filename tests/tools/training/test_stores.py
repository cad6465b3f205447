"""Several stores opened as one."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from dfedge.errors import UsageError
from dfedge_tools.data.store import CropStore
from dfedge_tools.training.stores import fingerprint, open_stores


def test_stores_lie_end_to_end(tiny_store: CropStore) -> None:
    """Pictures of the second store follow those of the first; its fakes point to its own frames."""
    joined = open_stores([tiny_store.folder, tiny_store.folder])
    count = len(tiny_store.rows)
    assert 2 * count == len(joined.rows)
    for row, entry in enumerate(tiny_store.rows):
        second = joined.rows[count + row]
        assert np.array_equal(tiny_store.image(row), joined.image(count + row))
        assert np.array_equal(tiny_store.image(row), joined.image(row))
        assert (entry.original is None) == (second.original is None)
        if entry.original is not None and second.original is not None:
            assert entry.original.row + count == second.original.row


def test_one_store_is_itself(tiny_store: CropStore) -> None:
    """One folder is opened as it is."""
    assert isinstance(open_stores([tiny_store.folder]), CropStore)


def test_fingerprint_is_of_the_pictures(tiny_store: CropStore, tmp_path: Path) -> None:
    """A copy of a store elsewhere has the same fingerprint, other pictures have another."""
    shutil.copytree(tiny_store.folder, tmp_path / "copy")
    copy = open_stores([tmp_path / "copy"])
    assert fingerprint(tiny_store) == fingerprint(copy)
    assert fingerprint(copy) != fingerprint(open_stores([tiny_store.folder] * 2))


def test_missing_store_is_told(tmp_path: Path) -> None:
    """A folder without a store is an error that names it."""
    with pytest.raises(UsageError, match=str(tmp_path)):
        open_stores([tmp_path])

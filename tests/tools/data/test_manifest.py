"""The split: no identity on both sides, nothing held back ever trained on."""

from __future__ import annotations

from pathlib import Path

import pytest

from dfedge.errors import UsageError
from dfedge_tools.data.manifest import (
    crossing_identities,
    held_back,
    read_clip_frames,
    read_stills,
)
from dfedge_tools.data.store import CropStore
from dfedge_tools.training.batches import Pools

from ..conftest import CLIP_COLUMNS


def test_each_source_gives_its_share() -> None:
    """One in ten of every source is held back, the same ones each time."""
    items = [(f"{source}{n}", source) for source in ("a", "b") for n in range(50)]
    held = held_back(items, 0.1, 7)
    assert {"a": 5, "b": 5} == {s: sum(p.startswith(s) for p in held) for s in ("a", "b")}
    assert held == held_back(items, 0.1, 7)
    assert held != held_back(items, 0.1, 8)


def test_a_new_picture_moves_no_other_one_into_training() -> None:
    """With pictures added, those held back before are still held back or replaced by new ones."""
    items = [(f"p{n}", "a") for n in range(100)]
    more = [*items, *((f"q{n}", "a") for n in range(10))]
    before, after = held_back(items, 0.2, 1), held_back(more, 0.2, 1)
    assert all(path.startswith("q") for path in sorted(after - before)[: -(len(after) - 20)])


def test_only_train_rows_are_drawn(tiny_store: CropStore) -> None:
    """Neither held-back stills nor val clips are in any pool of training."""
    pools = Pools.of(tiny_store)
    drawn = {n for rows in pools.stills.values() for n in rows} | set(pools.genuine)
    drawn |= {n for rates in pools.fakes.values() for rows in rates.values() for n in rows}
    drawn |= {n for rows in pools.originals.values() for n in rows}
    assert {"train"} == {tiny_store.rows[n].sample.split for n in drawn}
    assert {"train", "val", "held"} == {row.sample.split for row in tiny_store.rows}


def test_crossing_identity_is_refused(tmp_path: Path) -> None:
    """A clip whose source face is a val identity may not be in train."""
    rows = [
        "a.jpg,a,0,1,Deepfakes,c23,train,001,003",
        "b.jpg,b,0,0,original,c23,val,003,",
    ]
    (tmp_path / "manifest.csv").write_text("\n".join([CLIP_COLUMNS, *rows]) + "\n")
    with pytest.raises(UsageError, match=r"manifest\.csv: identities \['003'\]"):
        read_clip_frames(tmp_path)


def test_shared_data_split_is_clean(shared_data: Path) -> None:
    """In the research data no identity crosses and a tenth of every source is held back."""
    frames = read_clip_frames(shared_data / "ffpp_frames")
    assert frozenset() == crossing_identities(frames)
    stills = read_stills(shared_data / "real_faces", held_fraction=0.1, seed=20261121)
    for source in {s.source for s in stills}:
        of_source = [s for s in stills if s.source == source]
        held = sum(s.split == "held" for s in of_source)
        assert round(len(of_source) * 0.1) == held

"""Manifests: nothing is lost in writing, a bad row is named, nothing held back is trained on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dfedge.errors import UsageError
from dfedge_tools.data.manifest import (
    Manifest,
    Sample,
    crossing_identities,
    held_back,
    original_key,
    read_clip_frames,
    read_manifest,
    read_stills,
    write_manifest,
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
    (tmp_path / "a.jpg").touch()
    (tmp_path / "b.jpg").touch()
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


FRAME = Sample(
    path="frames/a, b.png",
    kind="clip",
    source="ffpp",
    split="test",
    label=1,
    method="Deepfakes",
    compression="c23",
    video_id="Deepfakes_c23_033_097",
    frame=7,
    target_id="033",
    source_id="097",
    original="original_c23_033",
    scene=2,
    pts_seconds=0.28,
    crop="tight",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures and a video, empty: reading a manifest looks only whether they are there."""
    for name in ("a.jpg", "b.jpg", "clip.mp4", "frames/a, b.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_what_is_written_is_read_again(folder: Path) -> None:
    """Every field; a still has no time, and sorting makes equal samples equal bytes."""
    still = Sample("a.jpg", "still", "meb", "held", 0, "original", "", "a.jpg", 0, "", "")
    write_manifest(folder / "manifest.csv", Manifest(folder, (FRAME, still)))
    first = (folder / "manifest.csv").read_bytes()
    assert (still, FRAME) == read_manifest(folder).samples
    write_manifest(folder / "manifest.csv", Manifest(folder, (still, FRAME)))
    assert first == (folder / "manifest.csv").read_bytes()


def test_a_manifest_elsewhere_knows_its_root(folder: Path) -> None:
    """Its first line leads from its own folder to the data, which may not be written to."""
    lists = folder.parent / f"{folder.name} lists"
    lists.mkdir()
    write_manifest(lists / "all.csv", Manifest(folder, (FRAME,)))
    read = read_manifest(lists / "all.csv")
    assert f"#root=../{folder.name}\n" == (lists / "all.csv").read_text().splitlines(True)[0]
    assert (FRAME,) == read.samples
    assert read.file(FRAME).samefile(folder / FRAME.path)


def test_a_path_a_label_and_a_source_are_enough(folder: Path) -> None:
    """As InSwapper pipelines list them: a fake's source is its method; the rest is inferred."""
    (folder / "manifest.csv").write_text(
        "path,label,source\na.jpg,0,celebdf\nclip.mp4,1,inswapper\n"
    )
    real, fake = read_manifest(folder).samples
    assert (real.method, real.kind, real.media, real.video_id) == (
        "original",
        "still",
        "picture",
        "a.jpg",
    )
    assert (fake.method, fake.kind, fake.media, fake.video_id) == (
        "inswapper",
        "clip",
        "video",
        "clip",
    )
    assert ("", None) == (fake.split, fake.pts_seconds)


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ("a.jpg,2", r":2: label '2' is neither 0 \(real\) nor 1 \(fake\)"),
        ("a.jpg,", r":2: label '' is neither"),
        ("a.jpg,0\n,1", r":3: the path is missing"),
        ("a.jpg,0\nc.jpg,1", r":3: path c\.jpg: there is no such file in"),
        ("../a.jpg,0", r":2: path \.\./a\.jpg leads out of"),
        ("/etc/hosts,0", r":2: path /etc/hosts leads out of"),
        ("a.jpg,0\nb.jpg,1\na.jpg,1", r":4: path a\.jpg is also in line 2"),
        ("a.jpg", r":2: has not 2 cells as the first line"),
        ("a.jpg,0,1", r":2: has not 2 cells as the first line"),
        ("", r": lists nothing"),
    ],
)
def test_a_bad_row_is_named_by_its_line(folder: Path, rows: str, problem: str) -> None:
    """File, line, what is wrong: an error one can act on."""
    (folder / "manifest.csv").write_text(f"path,label\n{rows}\n")
    with pytest.raises(UsageError, match=rf"manifest\.csv{problem}"):
        read_manifest(folder)


@pytest.mark.parametrize(
    ("column", "value", "problem"),
    [
        ("split", "training", "split 'training' is none of train, val, test, held"),
        ("frame", "-1", "frame '-1' is no whole number from 0"),
        ("scene", "1.5", "scene '1.5' is no whole number from 0"),
        ("pts_seconds", "nan", "pts_seconds 'nan' is no number of seconds"),
        ("media", "sound", "media 'sound' is none of picture, video"),
        ("kind", "frame", "kind 'frame' is none of still, clip"),
    ],
)
def test_a_value_that_means_nothing_is_refused(
    folder: Path, column: str, value: str, problem: str
) -> None:
    """In any column, also after the line that names the root."""
    text = f"#root=.\npath,label,{column}\na.jpg,0,{value}\n"
    (folder / "manifest.csv").write_text(text)
    with pytest.raises(UsageError, match=rf"manifest\.csv:3: {problem}"):
        read_manifest(folder)


def test_what_is_no_manifest_is_refused(folder: Path) -> None:
    """Nothing there, no text, no columns."""
    with pytest.raises(UsageError, match="cannot be read as a manifest"):
        read_manifest(folder / "absent.csv")
    (folder / "manifest.csv").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(UsageError, match="cannot be read as a manifest"):
        read_manifest(folder)
    (folder / "manifest.csv").write_text("a.jpg,0\n")
    with pytest.raises(UsageError, match="1: has no column 'path'"):
        read_manifest(folder)


def test_a_write_that_fails_leaves_the_old_manifest(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing beside it."""
    path = folder / "manifest.csv"
    write_manifest(path, Manifest(folder, (FRAME,)))
    before = sorted(folder.rglob("*"))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(UsageError, match="cannot be written \\(No space left on device"):
        write_manifest(path, Manifest(folder, ()))
    assert before == sorted(folder.rglob("*"))
    assert (FRAME,) == read_manifest(folder).samples


def test_a_fake_finds_its_original_frame() -> None:
    """By the original clip where that is known, else by the target; never in other data."""
    real = replace(FRAME, label=0, video_id="original_c23_033", source_id="")
    assert original_key(FRAME) == original_key(real)
    old, old_real = replace(FRAME, original=""), replace(real, original="")
    assert original_key(old) == original_key(old_real)
    assert original_key(FRAME) != original_key(replace(real, source="dfd"))
    assert original_key(FRAME) != original_key(replace(real, frame=8))

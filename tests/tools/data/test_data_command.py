"""``dfedge data``: what a user types, what comes back, and the exit codes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from dfedge.cli import main
from dfedge_tools.data import crops, frames, pack
from dfedge_tools.data.layouts import LAYOUTS
from dfedge_tools.data.manifest import read_manifest

SEQUENCES = ("033", "097", "100", "101", "102", "103")


@pytest.fixture
def ffpp(tmp_path: Path) -> Path:
    """Six originals and a swap of each neighbouring pair, both ways; the files are empty."""
    root = tmp_path / "ffpp"
    for name in SEQUENCES:
        _touch(root / f"original_sequences/youtube/c23/videos/{name}.mp4")
    for one, other in zip(SEQUENCES[::2], SEQUENCES[1::2], strict=True):
        for name in (f"{one}_{other}", f"{other}_{one}"):
            _touch(root / f"manipulated_sequences/Deepfakes/c23/videos/{name}.mp4")
    return root


def test_from_a_folder_to_a_clean_split(
    ffpp: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """manifest, split and check follow one another, and the same folder gives the same bytes."""
    listed, divided = tmp_path / "all.csv", tmp_path / "divided.csv"
    assert 0 == main(["data", "manifest", str(ffpp), "--out", str(listed)])
    assert "FaceForensics++ and DFD: 12 rows" in capsys.readouterr().out
    first = listed.read_bytes()
    assert 0 == main(["data", "manifest", str(ffpp), "--out", str(listed)])
    assert first == listed.read_bytes()
    split = ["data", "split", str(listed), "--out", str(divided), "--shares", "1", "1", "1"]
    capsys.readouterr()
    assert 0 == main([*split, "--balanced", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert {"train": 4, "val": 4, "test": 4} == {r["split"]: r["rows"] for r in told["splits"]}
    assert (3, 4, 0) == (told["components"], told["largest"], told["leaks"])
    assert 12 == len(read_manifest(divided).samples)
    assert 0 == main(["data", "check", str(divided), "--names-only"])
    assert "no leaks" in capsys.readouterr().out


def test_leaks_end_with_code_1(
    ffpp: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both from check and from a split that keeps an official one with leaks."""
    (ffpp / "splits").mkdir()
    (ffpp / "splits/train.json").write_text('[["033", "097"]]')
    (ffpp / "splits/val.json").write_text("[]")
    listed, divided = str(tmp_path / "all.csv"), str(tmp_path / "divided.csv")
    main(["data", "manifest", str(ffpp), "--out", listed])
    text = Path(listed).read_text()
    Path(listed).write_text(text.replace("ffpp,train,1", "ffpp,val,1", 1))
    assert 1 == main(["data", "split", listed, "--out", divided])
    assert "--ignore-official divides anew" in capsys.readouterr().out
    assert 1 == main(["data", "check", listed, "--names-only", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert ["ffpp 033", "ffpp 097"] == [item["name"] for item in told["identities"]]
    assert 0 == main(["data", "split", listed, "--out", divided, "--ignore-official"])


def test_an_earlier_division_is_kept(ffpp: Path, tmp_path: Path) -> None:
    """--keep holds every row where it was, whatever the seed."""
    listed, first, second = (str(tmp_path / f"{name}.csv") for name in ("all", "first", "second"))
    main(["data", "manifest", str(ffpp), "--out", listed])
    main(["data", "split", listed, "--out", first, "--seed", "1", "--shares", "1", "1", "1"])
    main(["data", "split", listed, "--out", second, "--seed", "2", "--keep", first])
    assert Path(first).read_bytes() == Path(second).read_bytes()


def test_files_that_fit_no_layout_are_named(
    ffpp: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The rest is listed, and the exit code says that some were left out."""
    _touch(ffpp / "original_sequences/youtube/c23/videos/holiday.mp4")
    assert 3 == main(["data", "manifest", str(ffpp), "--out", str(tmp_path / "all.csv")])
    printed = capsys.readouterr()
    assert "holiday.mp4: its clip is not named as 033" in printed.err
    assert "12 rows" in printed.out


def test_a_list_is_never_overwritten_by_its_reading(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It may hold columns that a manifest does not know."""
    _touch(tmp_path / "a.jpg")
    own = tmp_path / "manifest.csv"
    own.write_text("path,label,width\na.jpg,0,640\n")
    assert 2 == main(["data", "manifest", str(tmp_path), "--out", str(own)])
    assert "would overwrite the input" in capsys.readouterr().err
    assert "path,label,width\na.jpg,0,640\n" == own.read_text()


def test_check_wants_a_split(
    ffpp: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With nothing to compare, 'no leaks' would be a false comfort."""
    listed = str(tmp_path / "all.csv")
    main(["data", "manifest", str(ffpp), "--out", listed])
    assert 2 == main(["data", "check", listed])
    assert "no row has a split" in capsys.readouterr().err


def test_layouts_tells_all(capsys: pytest.CaptureFixture[str]) -> None:
    """Every layout with what it expects."""
    assert 0 == main(["data", "layouts"])
    text = capsys.readouterr().out
    assert all(line in text for layout in LAYOUTS for line in (layout.title, *layout.expects))


@dataclass(frozen=True)
class Done:
    """A report of extract, crops or pack."""

    failures: Path
    done: int = 3
    reused: int = 2
    failed: int = 1
    frames: int = 30
    manifest: Path = Path("out/manifest.csv")
    manifests: tuple[Path, ...] = (Path("out/scene.csv"),)
    aligned: int = 4


@pytest.mark.parametrize(
    ("command", "module", "function"),
    [
        ("extract", frames, "extract_frames"),
        ("crops", crops, "crop_faces"),
        ("pack", pack, "pack_manifests"),
    ],
)
def test_failures_are_told_and_end_with_code_3(
    command: str,
    module: object,
    function: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The counts are printed, each failure is named, and without any the code is 0."""
    log = tmp_path / "failures.csv"
    monkeypatch.setattr(module, function, lambda *_, **__: Done(log))
    log.write_text("path,reason\nclip.mp4,is cut off\n")
    words = ["data", command, "in.csv", "--out", str(tmp_path / "out")]
    assert 3 == main(words)
    printed = capsys.readouterr()
    assert "clip.mp4: is cut off" in printed.err
    assert f"problems: 1, listed in {log}" in printed.err
    assert "2 there already, 1 failed" in printed.out
    log.write_text("path,reason\n")
    assert 0 == main([*words, "--json"])
    assert [] == json.loads(capsys.readouterr().out)["failures"]


def test_ctrl_c_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is lost, and the user is told so."""

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(frames, "extract_frames", interrupt)
    assert 130 == main(["data", "extract", "in.csv", "--out", str(tmp_path)])
    assert "run the same command again, and it goes on from here" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["split", "a.csv", "--out", "b.csv", "--hold-back", "1"],
        ["check", "a.csv", "--max-distance", "300"],
        ["extract", "a.csv", "--out", "b", "--per-scene", "0"],
        ["crops", "a.csv", "--out", "b", "--kinds", "wide"],
        ["manifest", "a", "--out", "b.csv", "--label", "2"],
    ],
)
def test_values_that_cannot_work_are_refused(words: list[str]) -> None:
    """Before anything is read."""
    assert 2 == main(["data", *words])


def _touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()

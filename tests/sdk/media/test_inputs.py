"""From the words of a command line to sources."""

from __future__ import annotations

from pathlib import Path

import pytest

from dfedge.errors import UsageError
from dfedge.media import expand_inputs


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Some media and other files, with the working directory among them."""
    for name in (
        "clip10.mp4",
        "clip2.MP4",
        "notes.txt",
        "below/photo.jpg",
        ".hidden/x.mp4",
        "empty/readme.md",
        "odd[1].mp4",
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_files_and_addresses_stay_as_they_are(tree: Path) -> None:
    """Order is kept, nothing is checked yet; the same source counts once."""
    given = ["clip10.mp4", "missing.mp4", "https://example.org/*.mp4", "notes.txt", "clip10.mp4"]
    assert expand_inputs(given) == given[:4]


def test_a_folder_becomes_its_media(tree: Path) -> None:
    """Recursive, by suffix whatever its case, in natural order, without hidden files."""
    assert expand_inputs(["."]) == [
        "clip2.MP4",
        "clip10.mp4",
        "odd[1].mp4",
        str(Path("below", "photo.jpg")),
    ]


def test_as_frames_keeps_a_folder(tree: Path) -> None:
    """A folder of frames is one source."""
    assert expand_inputs(["below"], as_frames=True) == ["below"]


def test_patterns(tree: Path) -> None:
    """A pattern becomes the files it matches; `**` reaches below; folders are opened."""
    assert expand_inputs(["clip*.*"]) == ["clip2.MP4", "clip10.mp4"]
    assert expand_inputs([str(tree / "**" / "*.jpg")]) == [str(tree / "below" / "photo.jpg")]
    assert expand_inputs(["bel*"]) == [str(Path("below", "photo.jpg"))]


def test_a_file_whose_name_looks_like_a_pattern(tree: Path) -> None:
    """An existing file is itself, brackets or not."""
    assert expand_inputs(["odd[1].mp4"]) == ["odd[1].mp4"]


@pytest.mark.parametrize("given", [[], ["empty"], ["*.webm"]])
def test_nothing_found_is_an_error(tree: Path, given: list[str]) -> None:
    """No input, a folder without media and a pattern without match say so."""
    with pytest.raises(UsageError):
        expand_inputs(given)


def test_a_null_byte_is_left_to_the_reader(tree: Path) -> None:
    """What is no path at all is reported where it is opened, like a missing file."""
    assert expand_inputs(["a\0*.mp4"]) == ["a\0*.mp4"]


def test_links_to_folders_are_not_followed(tree: Path) -> None:
    """A link that leads back up does not make an endless walk."""
    (tree / "below" / "up").symlink_to(tree)
    assert expand_inputs(["below"]) == [str(Path("below", "photo.jpg"))]

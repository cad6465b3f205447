"""Extraction: which frames are taken, how they are named, and what happens to bad files."""

from __future__ import annotations

import errno
from pathlib import Path

import cv2
import numpy as np
import pytest

from dfedge.errors import UsageError
from dfedge.media import open_media
from dfedge_tools.data.frames import extract_frames
from dfedge_tools.data.manifest import read_manifest

from .conftest import tree, write_clip


def test_frames_are_those_of_the_scenes(clips: Path, tmp_path: Path) -> None:
    """Every frame in the manifest is the frame of that number of its clip, to the byte."""
    report = extract_frames(clips, tmp_path / "out", per_scene=2)
    assert (8, 0, 1, 16) == (report.done, report.reused, report.failed, report.frames)
    listed = read_manifest(report.manifest)
    sample = next(s for s in listed.samples if s.video_id == "Deepfakes_002")
    assert "frames/Deepfakes_002/000010.png" == sample.path
    assert ("picture", "clip", 10, 0.4) == (
        *(sample.media, sample.kind, sample.frame, sample.pts_seconds),
    )
    assert ("train", 1, "002") == (sample.split, sample.label, sample.target_id)
    with open_media(clips.parent / "Deepfakes_002.mp4", frames=100) as reader:
        frame = next(frame for frame in reader if frame.index == 10)
    stored = cv2.imread(str(listed.file(sample)))
    assert stored is not None
    assert np.array_equal(frame.image, stored[:, :, ::-1])


def test_a_bad_video_is_logged(clips: Path, tmp_path: Path) -> None:
    """What is no video is in the log with its reason, and not in the manifest."""
    report = extract_frames(clips, tmp_path / "out", per_scene=1)
    (line,) = report.failures.read_text().splitlines()[1:]
    assert line.startswith("broken.mp4,")
    assert not any("broken" in s.path for s in read_manifest(report.manifest).samples)


def test_jpeg_keeps_the_colour_resolution(clips: Path, tmp_path: Path) -> None:
    """A frame as jpg is close to the frame as png everywhere, colours too."""
    for form in ("png", "jpg"):
        extract_frames(clips, tmp_path / form, per_scene=1, image_format=form)  # type: ignore[arg-type]
    name = "frames/original_001/000020"
    lossless = cv2.imread(str(tmp_path / f"png/{name}.png"))
    coded = cv2.imread(str(tmp_path / f"jpg/{name}.jpg"))
    assert lossless is not None
    assert coded is not None
    assert 2.0 > np.abs(lossless.astype(float) - coded.astype(float)).mean()


def test_files_of_one_stem_do_not_mix(clips: Path, tmp_path: Path, portrait: np.ndarray) -> None:
    """Frames of a.mp4 and a.mkv lie in folders of their own."""
    for name in ("a.mp4", "a.mkv"):
        write_clip(tmp_path / name, portrait)
    (tmp_path / "manifest.csv").write_text("path,label\na.mp4,0\na.mkv,0\n")
    report = extract_frames(tmp_path / "manifest.csv", tmp_path / "out", per_scene=1)
    assert {"frames/a.mp4/000020.png", "frames/a.mkv/000020.png"} == {
        sample.path for sample in read_manifest(report.manifest).samples
    }


def test_a_finished_run_is_reused(clips: Path, tmp_path: Path) -> None:
    """The same call again makes nothing; with a frame deleted it makes that clip again."""
    out = tmp_path / "out"
    extract_frames(clips, out, per_scene=1)
    before = tree(out)
    again = extract_frames(clips, out, per_scene=1)
    assert (0, 8, 1) == (again.done, again.reused, again.failed)
    assert before == tree(out)
    (out / "frames/original_003/000020.png").unlink()
    again = extract_frames(clips, out, per_scene=1)
    assert (1, 7, 1) == (again.done, again.reused, again.failed)
    assert before["manifest.csv"] == tree(out)["manifest.csv"]


def test_other_settings_are_refused(clips: Path, tmp_path: Path) -> None:
    """A folder is not filled by two settings; the message names the one that differs."""
    extract_frames(clips, tmp_path / "out", per_scene=1)
    with pytest.raises(UsageError, match="frames of a scene was 1 and is now 2"):
        extract_frames(clips, tmp_path / "out", per_scene=2)


def test_a_folder_of_others_is_left_alone(clips: Path, tmp_path: Path) -> None:
    """A folder with files that no run made is refused and stays as it was."""
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(UsageError, match="is not empty, and no run of this command filled it"):
        extract_frames(clips, tmp_path)
    assert {"mine.txt": b"precious"} == tree(tmp_path)


def test_a_changed_video_is_noticed(tmp_path: Path, portrait: np.ndarray) -> None:
    """Other content stops the run and names the file; only another time of change does not."""
    clip, out = tmp_path / "a.mp4", tmp_path / "out"
    write_clip(clip, portrait)
    (tmp_path / "manifest.csv").write_text("path,label\na.mp4,0\n")
    extract_frames(tmp_path / "manifest.csv", out, per_scene=1)
    content = clip.read_bytes()
    clip.write_bytes(content)
    assert 1 == extract_frames(tmp_path / "manifest.csv", out, per_scene=1).reused
    clip.write_bytes(content + b"more")
    with pytest.raises(
        UsageError, match=r"1 of the files.* have changed since, the first is a.mp4"
    ):
        extract_frames(tmp_path / "manifest.csv", out, per_scene=1)


def test_a_mended_video_is_taken(tmp_path: Path, portrait: np.ndarray) -> None:
    """What failed is tried again once the file is another one."""
    clip, out = tmp_path / "a.mp4", tmp_path / "out"
    clip.write_bytes(b"broken")
    (tmp_path / "manifest.csv").write_text("path,label\na.mp4,0\n")
    assert 1 == extract_frames(tmp_path / "manifest.csv", out).failed
    write_clip(clip, portrait)
    report = extract_frames(tmp_path / "manifest.csv", out)
    assert (1, 0) == (report.done, report.failed)
    assert "path,reason\n" == report.failures.read_text()


def test_a_full_disk_stops_the_run_and_loses_nothing(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No space: an error that says so, no clip blamed; with room again the run goes on."""
    extract_frames(clips, tmp_path / "whole", per_scene=2)
    write, left = Path.write_bytes, [5]

    def full(path: Path, data: bytes) -> int:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(UsageError, match="No space left on device; make room"):
            extract_frames(clips, tmp_path / "out", per_scene=2)
    report = extract_frames(clips, tmp_path / "out", per_scene=2)
    assert 2 == report.reused
    assert tree(tmp_path / "whole") == tree(tmp_path / "out")

"""The demo: its clips, its report, and what it says when it cannot run."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from dfedge_tools import demo

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("skimage") is None, reason="needs scikit-image: the extra 'demo'"
)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The genuine and the self-blended clip."""
    return demo.make_clips(tmp_path_factory.mktemp("demo"))


def frames(path: Path) -> list[np.ndarray[Any, Any]]:
    """Every frame of a clip, RGB."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_the_clips_are_real_video(clips: tuple[Path, Path]) -> None:
    """H.264, four seconds, and the camera moves."""
    for path in clips:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            assert (stream.codec_context.name, stream.width, stream.height) == ("h264", 480, 480)
        pictures = frames(path)
        assert len(pictures) == demo.FRAMES_PER_SECOND * demo.SECONDS
        change = np.abs(pictures[0].astype(int) - pictures[-1].astype(int)).mean()
        assert change > 10


def test_only_the_face_of_the_fake_differs() -> None:
    """The blend changes the picture inside the face box and nowhere far from it."""
    picture = demo.portrait()
    finder = demo.open_face_finder(threads=1)
    face = finder.find(picture)[0]
    finder.close()
    change = np.abs(demo.self_blended(picture, face).astype(int) - picture.astype(int)).max(axis=2)
    rows, columns = np.nonzero(change > 2)
    box = face.box
    assert rows.size > 0.3 * box.area
    assert rows.min() > box.top - box.height
    assert rows.max() < box.bottom + 0.5 * box.height
    assert columns.min() > box.left - 0.5 * box.width
    assert columns.max() < box.right + 0.5 * box.width


def test_the_camera_moves_alike_for_both(monkeypatch: pytest.MonkeyPatch) -> None:
    """Randomness is seeded: what differs between the clips is the face, not the filming."""
    monkeypatch.setattr(demo, "SECONDS", 1)
    picture = demo.portrait()
    first, second = (list(demo.film(picture)) for _ in range(2))
    assert len(first) == demo.FRAMES_PER_SECOND
    assert np.array_equal(first, second)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clips of one second."""
    monkeypatch.setattr(demo, "SECONDS", 1)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("code", [0, 2])
def test_both_clips_go_through_the_command(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The report's path comes first, and last when it is there; the code is the command's."""
    asked: list[list[str]] = []

    def run(arguments: list[str]) -> int:
        asked.append(arguments)
        return code

    monkeypatch.setattr(demo, "run_dfedge", run)
    report = tmp_path / "report.html"
    assert demo.main(["--out", str(tmp_path), "--model", "some-model"]) == code
    clips = [str(tmp_path / "genuine.mp4"), str(tmp_path / "self-blended.mp4")]
    options = ["--report", str(report), "--quiet", "--model", "some-model"]
    assert asked == [["detect", *clips, *options]]
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"The report will be {report}"
    assert (lines[-1] == f"Open {report} in a browser.") == (code == 0)


@pytest.mark.usefixtures("quick")
def test_an_unknown_model_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By the real command; the demo does not claim a report that is not there."""
    assert demo.main(["--out", str(tmp_path), "--model", "no-such-model"]) == 2
    out, err = capsys.readouterr()
    assert "Open" not in out
    assert "no-such-model" in err
    assert list(tmp_path.glob("*.html")) == []


def test_without_the_portrait_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Code 2 and the command to install it."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert demo.main(["--out", str(tmp_path)]) == 2
    assert "pip install 'dfedge[demo]'" in capsys.readouterr().err

"""What is shown where: colour, blocks, the sparkline and the scale."""

from __future__ import annotations

import io

import pytest

from dfedge.analysis import Progress
from dfedge.cli.progress import ProgressBar
from dfedge.cli.terminal import Style
from dfedge.report.wording import Thresholds
from dfedge.verdict import Label

THRESHOLDS = Thresholds(real=0.2, fake=0.8)
PLAIN = Style(colour=False, blocks=True, width=80)


class Terminal(io.TextIOWrapper):
    """A stream that says it is a terminal and keeps what is written."""

    def __init__(self, encoding: str = "utf-8") -> None:
        self.bytes = io.BytesIO()
        super().__init__(self.bytes, encoding=encoding, write_through=True)

    def isatty(self) -> bool:
        """Yes."""
        return True

    @property
    def text(self) -> str:
        """All that was written."""
        return self.bytes.getvalue().decode(self.encoding)


@pytest.fixture(autouse=True)
def usual_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the machine that runs the tests decides."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def test_colour_is_for_terminals_only() -> None:
    """A pipe or a file gets plain text."""
    assert Style.of(Terminal()).colour
    assert not Style.of(io.StringIO()).colour


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_colour_can_be_refused(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By NO_COLOR (no-color.org) and by a terminal that has none."""
    monkeypatch.setenv(name, value)
    assert not Style.of(Terminal()).colour


def test_an_empty_no_color_refuses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """As no-color.org asks: only a value that is not empty counts."""
    monkeypatch.setenv("NO_COLOR", "")
    assert Style.of(Terminal()).colour


def test_a_label_is_never_told_by_colour_alone() -> None:
    """Its word stands there, padded outside the colour."""
    colourful = Style(colour=True, blocks=True, width=80)
    assert colourful.label(Label.FAKE, pad=6) == "\x1b[1;31mFAKE\x1b[0m  "
    assert PLAIN.label(Label.FAKE, pad=6) == "FAKE  "


def test_the_sparkline_rises_with_the_score() -> None:
    """A character a sample, a gap where there is no face."""
    scores = [0.0, 0.2, 0.5, None, 0.9, 1.0]
    assert PLAIN.sparkline(scores, THRESHOLDS, columns=10) == "▁▂▅ ██"


def test_an_ascii_terminal_gets_ascii() -> None:
    """Where the encoding has no blocks."""
    style = Style.of(Terminal("ascii"))
    line = style.sparkline([0.0, 0.5, 1.0], THRESHOLDS, columns=10)
    assert line.encode("ascii")
    assert "O" in style.scale(0.5, THRESHOLDS)


def test_a_long_sparkline_keeps_its_peaks() -> None:
    """Each character is the highest of its share."""
    scores: list[float | None] = [0.05] * 1000
    scores[437] = 0.99
    line = PLAIN.sparkline(scores, THRESHOLDS, columns=40)
    assert (len(line), line.count("█"), line.index("█")) == (40, 1, 17)


def test_the_scale_shades_the_unsure_band_and_marks_the_score() -> None:
    """The band lies between the thresholds; the mark stays on the line."""
    assert PLAIN.scale(0.9, THRESHOLDS, columns=10) == "──▒▒▒▒▒▒─●"
    assert PLAIN.scale(1.0, THRESHOLDS, columns=10)[-1] == "●"
    assert PLAIN.scale(0.0, THRESHOLDS, columns=10)[0] == "●"


def test_neighbours_of_one_colour_share_their_escapes() -> None:
    """Ten red blocks need one start and one end."""
    style = Style(colour=True, blocks=True, width=80)
    assert style.sparkline([0.9] * 10, THRESHOLDS, columns=10) == f"\x1b[31m{'█' * 10}\x1b[0m"


def test_the_progress_bar_names_input_and_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal: place among the inputs, printable name, frames done; nothing stays."""
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with ProgressBar(["one.mp4", "\x1b[2Jtwo.mp4"], quiet=False) as bar:
        bar.update(Progress("frames", 20, 20))
        bar.update(Progress("heatmaps", 2, 3))
        with bar.paused():
            print("a result", file=terminal)
        bar.next_input()
        bar.update(Progress("frames", 5, 20))
    written = terminal.text
    assert "[1/2] one.mp4" in written
    assert "5/20 frames" in written
    assert "2/3 heat maps" in written
    assert "[2/2] \\x1b[2Jtwo.mp4" in written
    assert "\x1b[2J" not in written
    assert written.rstrip("\r").rpartition("\r")[2].strip() == ""


@pytest.mark.parametrize(("stream", "quiet"), [(io.StringIO(), False), (Terminal(), True)])
def test_no_progress_bar_for_pipes_or_when_quiet(
    stream: io.StringIO | Terminal, quiet: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is written at all."""
    monkeypatch.setattr("sys.stderr", stream)
    with ProgressBar(["one.mp4"], quiet=quiet) as bar:
        bar.update(Progress("frames", 1, 2))
        bar.next_input()
    assert (stream.text if isinstance(stream, Terminal) else stream.getvalue()) == ""

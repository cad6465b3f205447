"""What the terminal can show: colour, block characters, width, and a sparkline made of them."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal, TextIO

from dfedge.report.wording import Thresholds
from dfedge.verdict import Label

Colour = Literal["red", "green", "yellow", "dim", "bold"]

_CODES: dict[Colour, str] = {"red": "31", "green": "32", "yellow": "33", "dim": "2", "bold": "1"}
_LABEL_COLOURS: dict[Label, Colour] = {
    Label.FAKE: "red",
    Label.REAL: "green",
    Label.UNCERTAIN: "yellow",
    Label.NO_FACE: "dim",
}
_BLOCKS = "▁▂▃▄▅▆▇█"
_ASCII_BLOCKS = "_.:-=+*#"


@dataclass(frozen=True, slots=True)
class Style:
    """How to write to one stream.

    Attributes:
        colour: ANSI colours may be used.
        blocks: block characters may be used; ASCII stands in for them otherwise.
        width: columns to fill at most.
    """

    colour: bool
    blocks: bool
    width: int

    @classmethod
    def of(cls, stream: TextIO) -> Style:
        """The style a stream can take; ``NO_COLOR`` and ``TERM=dumb`` are honoured."""
        terminal = is_terminal(stream)
        return cls(
            colour=terminal
            and not os.environ.get("NO_COLOR")
            and os.environ.get("TERM") != "dumb"
            and _enable_windows_colours(),
            blocks=_can_encode(stream, _BLOCKS + "●·"),
            width=min(shutil.get_terminal_size((88, 24)).columns, 100) if terminal else 88,
        )

    def paint(self, text: str, *colours: Colour) -> str:
        """The text in these colours, or as it is where there are none."""
        if not self.colour or not colours or not text:
            return text
        return f"\x1b[{';'.join(_CODES[colour] for colour in colours)}m{text}\x1b[0m"

    def label(self, label: Label, *, pad: int = 0) -> str:
        """A label in its colour, padded to ``pad`` columns."""
        return self.paint(label.value, "bold", _LABEL_COLOURS[label]) + " " * (
            pad - len(label.value)
        )

    def probability_colours(self, probability: float, thresholds: Thresholds) -> tuple[Colour, ...]:
        """Red at the fake threshold and above, green at the real one and below, else yellow."""
        if probability >= thresholds.fake:
            return ("red",)
        return ("green",) if probability <= thresholds.real else ("yellow",)

    def sparkline(
        self, scores: Sequence[float | None], thresholds: Thresholds, *, columns: int
    ) -> str:
        """P(fake) over time, a character a sample or a group of samples; a gap where there is none.

        A group shows its highest score, so a short peak in a long clip stays visible.
        """
        blocks = _BLOCKS if self.blocks else _ASCII_BLOCKS
        cells: list[tuple[str, tuple[Colour, ...]]] = []
        for score in _grouped(scores, columns):
            if score is None:
                cells.append((" ", ()))
                continue
            block = blocks[min(int(score * len(blocks)), len(blocks) - 1)]
            cells.append((block, self.probability_colours(score, thresholds)))
        return self._paint_cells(cells)

    def scale(self, probability: float, thresholds: Thresholds, *, columns: int = 50) -> str:
        """A line from 0% to 100% with the unsure band shaded and the score marked on it."""
        calm, unsure, mark = ("─", "▒", "●") if self.blocks else ("-", "~", "O")
        cells: list[tuple[str, tuple[Colour, ...]]] = []
        for column in range(columns):
            here = (column + 0.5) / columns
            sure = here <= thresholds.real or here >= thresholds.fake
            cells.append((calm if sure else unsure, self.probability_colours(here, thresholds)))
        cells[min(int(probability * columns), columns - 1)] = (mark, ("bold",))
        return self._paint_cells(cells)

    def _paint_cells(self, cells: Sequence[tuple[str, tuple[Colour, ...]]]) -> str:
        """Neighbours of one colour are painted together."""
        return "".join(
            self.paint("".join(text for text, _ in run), *colours)
            for colours, run in groupby(cells, key=lambda cell: cell[1])
        )


def is_terminal(stream: TextIO) -> bool:
    """Whether somebody looks at the stream; False when it is closed."""
    try:
        return stream.isatty()
    except ValueError:
        return False


def _grouped(scores: Sequence[float | None], columns: int) -> list[float | None]:
    """At most ``columns`` values, each the highest of its share of the scores."""
    if len(scores) <= columns:
        return list(scores)
    grouped: list[float | None] = []
    for column in range(columns):
        start = column * len(scores) // columns
        stop = max((column + 1) * len(scores) // columns, start + 1)
        seen = [score for score in scores[start:stop] if score is not None]
        grouped.append(max(seen) if seen else None)
    return grouped


def _can_encode(stream: TextIO, text: str) -> bool:
    try:
        text.encode(stream.encoding or "ascii")
    except (LookupError, UnicodeEncodeError):
        return False
    return True


def _enable_windows_colours() -> bool:
    """ANSI escapes work: always on POSIX; on Windows an empty shell call turns them on."""
    if sys.platform == "win32":
        os.system("")  # noqa: S605, S607 - the empty command is the documented switch
    return True

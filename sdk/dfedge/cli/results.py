"""Results written to stdout as they come: text for people, JSON Lines or CSV for programs."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Protocol, TextIO

from dfedge.cli import table
from dfedge.cli.terminal import Style
from dfedge.cli.text import render_text
from dfedge.report.wording import count, failure_name, printable, thresholds_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dfedge.analysis import Failure, Success

FAILURE_SCHEMA = "dfedge.failure/1"


class ResultWriter(Protocol):
    """Writes each result as soon as it is there."""

    def success(self, result: Success) -> None:
        """Write a verdict."""

    def failure(self, result: Failure) -> None:
        """Write an input that could not be read."""

    def finish(self) -> None:
        """Write what comes after the last result."""


class TextWriter:
    """Readable verdicts; failures are left to the list on stderr."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._style = Style.of(stream)
        self._models: list[str] = []

    def success(self, result: Success) -> None:
        """Write a verdict as text."""
        card = result.analysis.card
        if self._models:
            self._stream.write("\n")
        if card.name not in self._models:
            self._models.append(card.name)
        thresholds = thresholds_of(result.analysis)
        self._stream.write(render_text(result.verdict, thresholds, self._style))
        self._stream.flush()

    def failure(self, result: Failure) -> None:
        """Nothing: the list on stderr names it."""

    def finish(self) -> None:
        """Say where the model's limits are told."""
        for name in self._models:
            hint = f"A verdict is a hint, not proof. What this model can and cannot do: \
dfedge models show {name}"
            self._stream.write("\n" + self._style.paint(hint, "dim") + "\n")
        self._stream.flush()


class JsonWriter:
    """A line of JSON an input: ``dfedge.verdict/1`` or ``dfedge.failure/1``."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = use_utf8(stream)

    def success(self, result: Success) -> None:
        """Write the verdict's JSON form."""
        self._line(result.verdict.to_json())

    def failure(self, result: Failure) -> None:
        """Write what failed and why."""
        self._line(json.dumps(failure_document(result)))

    def finish(self) -> None:
        """Nothing follows the last line."""

    def _line(self, text: str) -> None:
        self._stream.write(text + "\n")
        self._stream.flush()


class CsvWriter:
    """The table of :mod:`dfedge.cli.table`, written as it grows."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = use_utf8(stream)
        stream.write(table.header_line())

    def success(self, result: Success) -> None:
        """Write a row an observation."""
        self._stream.writelines(table.verdict_lines(result.verdict))
        self._stream.flush()

    def failure(self, result: Failure) -> None:
        """Write one row with the error."""
        self._stream.write(table.failure_line(failure_name(result), str(result.error)))
        self._stream.flush()

    def finish(self) -> None:
        """Nothing follows the last row."""


def use_utf8(stream: TextIO) -> TextIO:
    """Machine-readable output is UTF-8 whatever the terminal's encoding is."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    return stream


def failure_document(failure: Failure) -> dict[str, str]:
    """The JSON form of an input that could not be read."""
    return {
        "schema": FAILURE_SCHEMA,
        "source": failure_name(failure),
        "error": str(failure.error),
        "type": type(failure.error).__name__,
    }


def list_failures(failures: Sequence[Failure], inputs: int, stream: TextIO) -> None:
    """Name every input that could not be read."""
    if not failures:
        return
    if inputs == 1:
        stream.write(f"dfedge: {printable(str(failures[0].error))}\n")
        return
    stream.write(f"dfedge: {len(failures)} of {count(inputs, 'input')} could not be read:\n")
    for failure in failures:
        stream.write(f"  {printable(str(failure.error))}\n")

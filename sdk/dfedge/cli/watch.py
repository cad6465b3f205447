"""``dfedge watch``: rolling verdicts on a webcam, a stream, or a file played in real time."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TextIO, cast

from dfedge.cli.exits import Exit
from dfedge.cli.options import (
    HelpFormatter,
    Subparsers,
    add_general_options,
    add_model_options,
    media_limits,
    names_a_file,
    positive_number,
)
from dfedge.cli.results import use_utf8
from dfedge.cli.terminal import Style, is_terminal
from dfedge.report.wording import HEADLINES, Thresholds, clock, count, percent

if TYPE_CHECKING:
    from dfedge.verdict import Label, Verdict

_DESCRIPTION = """\
Look at a live picture and say once a second what the last ten seconds show.
SOURCE is the number of a webcam (0 is the first), a device such as /dev/video0,
an rtsp:// address, or a video file, which is played in real time.
"""

_EPILOG = """\
Ctrl-C or --seconds ends it with a summary.

exit codes:
  0    ended by Ctrl-C, --seconds or the end of the file
  2    nothing was done: wrong usage, or a model or device that cannot be used
  3    the source could not be read, or broke off
  70   a bug in dfedge; --debug shows where
  141  the reader of the output went away

examples:
  dfedge watch 0
  dfedge watch rtsp://camera.local/stream --json --seconds 60
"""


def add_parser(subparsers: Subparsers) -> None:
    """Add the subcommand to the command line."""
    parser = subparsers.add_parser(
        "watch",
        help="rolling verdicts on a webcam, a stream or a file in real time",
        usage="dfedge watch [options] SOURCE",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
    )
    source = parser.add_argument(
        "source", metavar="SOURCE", help="webcam number, device, address or file"
    )
    names_a_file(source)
    parser.add_argument(
        "--json", action="store_true", help="one dfedge.verdict/1 object per second and line"
    )
    parser.add_argument(
        "--seconds",
        type=positive_number,
        metavar="N",
        help="stop after this long (default: at Ctrl-C or the end of the source)",
    )
    parser.add_argument(
        "--fps",
        type=positive_number,
        default=2.0,
        metavar="N",
        help="frames to look at a second, at most (default: 2)",
    )
    add_model_options(parser)
    add_general_options(parser)
    parser.set_defaults(handler=run)


def run(args: argparse.Namespace) -> int:
    """Handle ``dfedge watch``."""
    from dfedge.bundles.store import DEFAULT_MODEL
    from dfedge.detector import Detector

    source = int(args.source) if args.source.isdecimal() else args.source
    with Detector(
        args.model or DEFAULT_MODEL,
        device=args.device,
        face_backend=args.faces,
        threads=args.threads,
        limits=media_limits(),
    ) as detector:
        decision = detector.card.decision
        thresholds = Thresholds(real=decision.real.threshold, fake=decision.fake.threshold)
        display = _display(args, thresholds)
        summary = _Summary()
        try:
            stream = detector.stream(source, fps=args.fps)
            with closing(cast("Generator[Verdict, None, None]", stream)) as verdicts:
                for verdict in _until(verdicts, args.seconds):
                    summary.add(verdict)
                    display.show(verdict)
        except KeyboardInterrupt:
            pass  # the usual way to end; the summary follows
        finally:
            display.close()
            sys.stdout.flush()
            sys.stderr.write(summary.text(thresholds) + "\n")
    return Exit.DONE


class _Display(Protocol):
    def show(self, verdict: Verdict) -> None:
        """Show the newest verdict."""

    def close(self) -> None:
        """Leave the terminal tidy."""


class _JsonLines:
    """A JSON object a verdict."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = use_utf8(stream)

    def show(self, verdict: Verdict) -> None:
        """Write it at once, so that a reader in a pipe is never behind."""
        self._stream.write(verdict.to_json() + "\n")
        self._stream.flush()

    def close(self) -> None:
        """Nothing to tidy."""


class _Lines:
    """One line that is overwritten on a terminal; a line a verdict elsewhere."""

    def __init__(self, stream: TextIO, thresholds: Thresholds) -> None:
        self._stream = stream
        self._style = Style.of(stream)
        self._rolls = is_terminal(stream)
        self._thresholds = thresholds
        self._started = False

    def show(self, verdict: Verdict) -> None:
        """Write the newest verdict."""
        line = _line(verdict, self._thresholds, self._style)
        self._stream.write(f"\r\x1b[K{line}" if self._rolls else line + "\n")
        self._stream.flush()
        self._started = True

    def close(self) -> None:
        """End the overwritten line."""
        if self._rolls and self._started:
            self._stream.write("\n")


@dataclass
class _Summary:
    """What was seen so far."""

    started: float = field(default_factory=time.monotonic)
    labels: Counter[Label] = field(default_factory=Counter)
    highest: float | None = None
    highest_at_seconds: float = 0.0

    def add(self, verdict: Verdict) -> None:
        """Count one verdict."""
        self.labels[verdict.label] += 1
        probability = verdict.fake_probability
        if probability is not None and (self.highest is None or probability > self.highest):
            self.highest = probability
            self.highest_at_seconds = verdict.timeline[-1].pts_seconds if verdict.timeline else 0.0

    def text(self, thresholds: Thresholds) -> str:
        """A line or two for the end."""
        watched = clock(time.monotonic() - self.started)
        verdicts = sum(self.labels.values())
        if not verdicts:
            return f"Watched {watched}; no verdict yet."
        shares = ", ".join(f"{label} {number}" for label, number in self.labels.most_common())
        text = f"Watched {watched}, {count(verdicts, 'verdict')}: {shares}."
        if self.highest is not None:
            text += (
                f" Highest P(fake) {percent(self.highest)} at {clock(self.highest_at_seconds)}"
                f" (FAKE from {percent(thresholds.fake)})."
            )
        return text


def _until(verdicts: Iterator[Verdict], seconds: float | None) -> Iterator[Verdict]:
    """The verdicts of the first ``seconds``; all of them when None."""
    deadline = None if seconds is None else time.monotonic() + seconds
    for verdict in verdicts:
        yield verdict
        if deadline is not None and time.monotonic() >= deadline:
            return


def _line(verdict: Verdict, thresholds: Thresholds, style: Style) -> str:
    now = verdict.timeline[-1].pts_seconds if verdict.timeline else 0.0
    text = f"{clock(now):>7}  {style.label(verdict.label, pad=9)} "
    if verdict.fake_probability is None:
        return text + HEADLINES[verdict.label]
    scores = [point.fake_probability for point in verdict.timeline]
    spark = style.sparkline(scores, thresholds, columns=min(20, max(style.width - 50, 1)))
    people = count(len(verdict.tracks), "person", "people")
    return f"{text}P(fake) {percent(verdict.fake_probability):>6}  {people:<9}  {spark}"


def _display(args: argparse.Namespace, thresholds: Thresholds) -> _Display:
    return _JsonLines(sys.stdout) if args.json else _Lines(sys.stdout, thresholds)

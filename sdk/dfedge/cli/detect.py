"""``dfedge detect``: a verdict on each picture, video, folder or address."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from dfedge.cli.escalation import (
    EscalationTeller,
    add_escalation_options,
    escalation_options,
)
from dfedge.cli.exits import EXIT_HELP, Exit
from dfedge.cli.options import (
    SAMPLINGS,
    HelpFormatter,
    Subparsers,
    add_general_options,
    add_model_options,
    media_limits,
    names_a_file,
    positive_number,
    size,
    whole_number,
)

if TYPE_CHECKING:
    from dfedge.analysis import Analysis, Failure, Result
    from dfedge.cli.outputs import OutputFile
    from dfedge.cli.results import CsvWriter, ResultWriter
    from dfedge.detector import Detector
    from dfedge.escalation.options import EscalationOptions
    from dfedge.verdict import Label

_DESCRIPTION = """\
Say of each picture or video whether the faces in it are real or fake, how sure
that is, and why. PATH is a file, a folder (searched for pictures and videos), a
quoted pattern such as 'clips/*.mp4', or an http(s) address. Everything is
computed on this machine, unless --escalate names a server to ask when unsure.

Verdicts: REAL, FAKE, UNCERTAIN (the model cannot tell), NO_FACE.
"""

_EPILOG = f"""\
{EXIT_HELP}
examples:
  dfedge detect interview.mp4
  dfedge detect clips/ --report report.html
  dfedge detect interview.mp4 --report report.html --heatmaps 3
  dfedge detect 'clips/*.mp4' --json | jq -r '[.source.name, .label] | @tsv'
  dfedge detect upload.mp4 --quiet --fail-on uncertain || echo "look at it"
  dfedge detect interview.mp4 --escalate https://dfedge.example.org --api-key-file key
"""


def add_parser(subparsers: Subparsers) -> None:
    """Add the subcommand to the command line."""
    parser = subparsers.add_parser(
        "detect",
        help="say of pictures and videos whether their faces are real or fake",
        usage="dfedge detect [options] PATH [PATH ...]",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
    )
    names_a_file(parser.add_argument("paths", nargs="+", metavar="PATH", help="what to look at"))
    _add_output_options(parser)
    _add_frame_options(parser)
    add_model_options(parser)
    _add_address_options(parser)
    add_escalation_options(parser)
    add_general_options(parser)
    parser.set_defaults(handler=run)


def run(args: argparse.Namespace) -> int:
    """Handle ``dfedge detect``."""
    from dfedge.cli.outputs import OutputFile
    from dfedge.cli.results import list_failures
    from dfedge.errors import UsageError
    from dfedge.media import expand_inputs

    if args.heatmaps and not args.report:
        raise UsageError("--heatmaps: only a report shows them; add --report FILE")
    if args.json and args.csv == "-":
        raise UsageError("--json and --csv - both write to standard output; choose one")
    inputs = expand_inputs(args.paths, as_frames=args.as_frames)
    report = OutputFile.prepare("--report", args.report, inputs) if args.report else None
    csv = OutputFile.prepare("--csv", args.csv, inputs) if args.csv not in (None, "-") else None
    if report is not None and csv is not None and report.target == csv.target:
        raise UsageError("--report and --csv name the same file; give two names")

    escalate = escalation_options(args)

    done = _Collected(keep_analyses=report is not None)
    table = io.StringIO() if csv is not None else None
    with _open_detector(args, escalate) as detector:
        _detect_all(detector, inputs, args, done, _table_writer(table))
    list_failures(done.failures, len(inputs), sys.stderr)
    if csv is not None and table is not None:
        csv.write(table.getvalue())
    if report is not None:
        _write_report(report, done, quiet=args.quiet)
    if _is_flagged(done.labels, args.fail_on):
        return Exit.FAIL_ON
    return Exit.UNREADABLE if done.failures else Exit.DONE


@dataclass
class _Collected:
    """What is kept of the results until the end; analyses only when a report needs them."""

    keep_analyses: bool
    labels: set[Label] = field(default_factory=set)
    analyses: list[Analysis] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    def add(self, result: Result, writers: Sequence[ResultWriter]) -> None:
        """Keep and write one result."""
        from dfedge.analysis import Success

        if isinstance(result, Success):
            self.labels.add(result.verdict.label)
            if self.keep_analyses:
                self.analyses.append(result.analysis)
            for writer in writers:
                writer.success(result)
            return
        self.failures.append(result)
        for writer in writers:
            writer.failure(result)


def _detect_all(
    detector: Detector,
    inputs: Sequence[str],
    args: argparse.Namespace,
    done: _Collected,
    table: CsvWriter | None,
) -> None:
    """Run the detector over the inputs and write each result as soon as it is there."""
    from dfedge.analysis import Success
    from dfedge.cli.progress import ProgressBar

    writers = [_stdout_writer(args), *([table] if table is not None else [])]
    teller = EscalationTeller(sys.stderr, quiet=args.quiet)
    with ProgressBar(inputs, quiet=args.quiet) as bar:
        results = detector.detect_many(
            inputs, as_frames=args.as_frames, progress=bar.update, heatmaps=args.heatmaps
        )
        with closing(cast("Generator[Result, None, None]", results)):
            for result in results:
                bar.next_input()
                with bar.paused():
                    done.add(result, writers)
                    if isinstance(result, Success):
                        teller.tell(result)
    for writer in writers:
        writer.finish()


def _open_detector(args: argparse.Namespace, escalate: EscalationOptions | None) -> Detector:
    from dfedge.bundles.store import DEFAULT_MODEL
    from dfedge.detector import Detector

    return Detector(
        args.model or DEFAULT_MODEL,
        device=args.device,
        sampling=args.sampling,
        frames=args.frames,
        face_backend=args.faces,
        threads=args.threads,
        limits=media_limits(max_bytes=args.max_bytes, timeout=args.timeout),
        escalate=escalate,
    )


def _stdout_writer(args: argparse.Namespace) -> ResultWriter:
    from dfedge.cli.results import CsvWriter, JsonWriter, TextWriter

    if args.json:
        return JsonWriter(sys.stdout)
    if args.csv == "-":
        return CsvWriter(sys.stdout)
    return TextWriter(sys.stdout)


def _table_writer(table: io.StringIO | None) -> CsvWriter | None:
    from dfedge.cli.results import CsvWriter

    return CsvWriter(table) if table is not None else None


def _write_report(report: OutputFile, done: _Collected, *, quiet: bool) -> None:
    from dfedge.report import render_report

    report.write(render_report(done.analyses, done.failures))
    if not quiet:
        sys.stderr.write(f"Report: {report.path}\n")


def _is_flagged(labels: set[Label], fail_on: str | None) -> bool:
    from dfedge.verdict import Label

    if fail_on is None:
        return False
    wanted = {Label.FAKE} if fail_on == "fake" else {Label.FAKE, Label.UNCERTAIN}
    return bool(labels & wanted)


def _add_output_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("output")
    group.add_argument(
        "--json",
        action="store_true",
        help="one JSON object per input and line: dfedge.verdict/1, or dfedge.failure/1 for an "
        "input that could not be read",
    )
    report = group.add_argument(
        "--report", metavar="FILE", help="write an HTML report that needs nothing else"
    )
    names_a_file(report)
    group.add_argument(
        "--heatmaps",
        type=whole_number,
        default=0,
        metavar="N",
        help="show in the report what raises the score, in the N most suspicious frames of each "
        "input; each takes up to a second with the model that ships",
    )
    table = group.add_argument(
        "--csv",
        metavar="FILE",
        help="write a table, one row for each face in each frame; - is standard output",
    )
    names_a_file(table)
    group.add_argument(
        "--fail-on",
        choices=("fake", "uncertain"),
        metavar="LABEL",
        help="end with code 1 when an input is FAKE (fake), or FAKE or UNCERTAIN (uncertain)",
    )
    group.add_argument(
        "--quiet", action="store_true", help="no progress bar and no notes on stderr but errors"
    )


def _add_frame_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("frames")
    group.add_argument(
        "--sampling",
        choices=SAMPLINGS,
        default="even",
        metavar="HOW",
        help="even: frames evenly spaced over the video (default); scene: some of each scene; "
        "fast: bursts after keyframes, the quickest",
    )
    group.add_argument(
        "--frames",
        type=whole_number,
        metavar="N",
        help="frames to look at in a video (default: 20; 8 with --sampling fast; at least as "
        "many as the model takes at once)",
    )
    group.add_argument(
        "--as-frames",
        action="store_true",
        help="take each folder as the frames of one clip, in the order of their names",
    )


def _add_address_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("addresses")
    group.add_argument(
        "--max-bytes",
        type=size,
        metavar="SIZE",
        help="download at most this much, such as 500MB (default: 2GB)",
    )
    group.add_argument(
        "--timeout",
        type=positive_number,
        metavar="SECONDS",
        help="give up a download after this long (default: 300)",
    )

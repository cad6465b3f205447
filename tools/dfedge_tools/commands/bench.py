"""``dfedge bench``: measure how fast a model runs here."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from dfedge.cli.exits import Exit
from dfedge.cli.options import (
    DEVICES,
    HelpFormatter,
    Subparsers,
    add_general_options,
    names_a_file,
    positive_number,
    whole_number,
)
from dfedge_tools.commands.plots import plot_format, prepare_plot

if TYPE_CHECKING:
    from dfedge_tools.benching.bench import Bench
    from dfedge_tools.benching.results import Report

RUNTIMES = ("torch", "torch-compile", "ort", "openvino")
"""As :data:`dfedge_tools.benching.messages.RUNTIMES`; a test holds the two together."""

DEFAULT_RUNTIMES = ("torch", "ort", "openvino")

_DESCRIPTION = """\
Measure how fast models run on this machine: milliseconds and memory of each runtime,
by threads and batch, side by side.

MODEL is a bundle (name, folder or .zip), or torch:NAME, an architecture with random
weights, which is exported first for ort and openvino.
"""

_EPILOG = """\
Each row is measured in a process of its own; the rows take turns, so that their
ratios hold on a machine that others use too.

exit codes:
  0    done
  2    nothing was done: wrong usage, or a model or output file that cannot be used
  3    some rows could not be measured; they say why, the others are done
  70   a bug in dfedge; --debug shows where
  130  stopped by Ctrl-C; what was measured until then is printed, no file is written

examples:
  dfedge bench
  dfedge bench dfedge-b0 dfedge-b0-int8 --runtime torch,ort --threads 1,2
  dfedge bench ./my-bundle --batch 1,8 --out results.json --plot results.png
  dfedge bench torch:dfedge_convnext_atto --runs 50 --json
"""


def add_parser(subparsers: Subparsers) -> None:
    """Add the subcommand to the command line."""
    parser = subparsers.add_parser(
        "bench",
        help="measure how fast a model runs here",
        usage="dfedge bench [options] [MODEL ...]",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
    )
    models = parser.add_argument(
        "models",
        nargs="*",
        metavar="MODEL",
        help="what to measure (default: the bundle that ships)",
    )
    names_a_file(models)
    _add_measured(parser)
    _add_outputs(parser)
    add_general_options(parser)
    parser.set_defaults(handler=_run, extra="tools")


def _add_measured(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what is measured")
    group.add_argument(
        "--runtime",
        type=_runtimes,
        default=DEFAULT_RUNTIMES,
        metavar="LIST",
        help=f"of {', '.join(RUNTIMES)}, or all (default: {','.join(DEFAULT_RUNTIMES)}; "
        "torch-compile takes minutes to compile)",
    )
    group.add_argument(
        "--device",
        choices=DEVICES[1:],
        default="cpu",
        metavar="DEVICE",
        help=f"where they run: {', '.join(DEVICES[1:])} (default: cpu)",
    )
    group.add_argument(
        "--threads",
        type=_whole_numbers,
        metavar="LIST",
        help="threads of a run, such as 1,2 (default: 1, and what the SDK uses here)",
    )
    group.add_argument(
        "--batch",
        type=_whole_numbers,
        default=(1,),
        metavar="LIST",
        help="inputs a run, such as 1,8 (default: 1)",
    )
    length = group.add_mutually_exclusive_group()
    length.add_argument(
        "--seconds",
        type=positive_number,
        default=5.0,
        metavar="N",
        help="measure each row for so long (default: 5)",
    )
    length.add_argument(
        "--runs", type=whole_number, metavar="N", help="run each row so often instead, at least"
    )


def _add_outputs(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("output")
    group.add_argument(
        "--json", action="store_true", help="print one dfedge.bench/1 object instead of the table"
    )
    out = group.add_argument("--out", metavar="FILE", help="write that object to a file, too")
    plot = group.add_argument("--plot", metavar="FILE", help="draw it: a .png or .svg")
    names_a_file(out)
    names_a_file(plot)
    group.add_argument("--quiet", action="store_true", help="no progress bar on stderr")


def _run(args: argparse.Namespace) -> int:
    from dfedge.bundles.store import DEFAULT_MODEL
    from dfedge.cli.outputs import OutputFile
    from dfedge_tools.benching.bench import Bench, Request

    out = None if args.out is None else OutputFile.prepare("--out", args.out, args.models)
    plot = None if args.plot is None else prepare_plot(args.plot, args.models)
    bench = Bench(
        Request(
            models=args.models or [DEFAULT_MODEL],
            runtimes=args.runtime,
            device=args.device,
            threads=args.threads or _usual_threads(),
            batches=args.batch,
            seconds=None if args.runs else args.seconds,
            runs=args.runs,
        )
    )
    try:
        _measure(bench, quiet=args.quiet)
    except KeyboardInterrupt:
        _show(bench.report(), as_json=args.json)
        raise
    report = bench.report()
    _show(report, as_json=args.json)
    if out is not None:
        out.write(_json(report))
    if plot is not None:
        from dfedge_tools.benching.plot import render_plot

        plot.write_bytes(render_plot(report, plot_format(plot)))
    whole = all(
        model.problem is None and all(row.problem is None for row in model.rows)
        for model in report.models
    )
    return Exit.DONE if whole else Exit.UNREADABLE


def _measure(bench: Bench, *, quiet: bool) -> None:
    """Run it with a bar, where somebody looks."""
    from tqdm import tqdm

    tqdm.monitor_interval = 0  # a thread that watches for stalled bars would disturb the figures
    with tqdm(
        total=bench.steps,
        leave=False,
        dynamic_ncols=True,
        disable=quiet or None,
        bar_format="{desc} |{bar:30}| {elapsed}<{remaining}",
    ) as bar:

        def progress(name: str, steps: int) -> None:
            bar.set_description_str(name, refresh=False)
            bar.update(steps)
            bar.refresh()

        bench.run(progress)


def _show(report: Report, *, as_json: bool) -> None:
    from dfedge_tools.benching.table import render

    sys.stdout.write(_json(report) if as_json else render(report))


def _json(report: Report) -> str:
    import msgspec

    return msgspec.json.format(msgspec.json.encode(report), indent=2).decode() + "\n"


def _usual_threads() -> tuple[int, ...]:
    from dfedge.runtime import default_threads

    return tuple(sorted({1, default_threads()}))


def _runtimes(text: str) -> tuple[str, ...]:
    """Names from :data:`RUNTIMES`, in that order."""
    if text.strip() == "all":
        return RUNTIMES
    wanted = [name.strip() for name in text.split(",")]
    unknown = [name for name in wanted if name not in RUNTIMES]
    if unknown:
        raise argparse.ArgumentTypeError(
            f"there is no runtime {unknown[0]!r}; there are {', '.join(RUNTIMES)}"
        )
    return tuple(name for name in RUNTIMES if name in wanted)


def _whole_numbers(text: str) -> tuple[int, ...]:
    """Whole numbers from 1, separated by commas, each once, in the order given."""
    return tuple(dict.fromkeys(whole_number(part.strip()) for part in text.split(",")))

"""``dfedge calibrate``: from scores to a decision with a promise that is stated and checked."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dfedge.cli.exits import Exit
from dfedge.cli.options import (
    HelpFormatter,
    Subparsers,
    add_general_options,
    names_a_file,
    whole_number,
)
from dfedge.errors import UsageError

if TYPE_CHECKING:
    from dfedge_tools.deciding.job import Request

_DESCRIPTION = """\
Turn scores into a decision: temperature and bias of P(fake), the thresholds of FAKE and
REAL, and how unlike known faces a face may be. Each threshold comes with a promise, such
as at most 1% false alarms, which holds for new faces that are exchangeable with those it
was set on (split conformal prediction, for each class, each source, and by person); it is
checked on people left out, and both are written down beside it.

Without BUNDLE the decision is written as JSON, for dfedge export --decision. With it, it
is written into the card of a copy of the bundle.
"""

_EPILOG = """\
exit codes:
  0    done: all promises that were asked for are made, and the check bears them out
  1    done, but a promise had to be widened since the data are too few, or the check on
       people left out contradicts one; the output tells which
  2    nothing was written: wrong usage, or something that cannot be read
  70   a bug in dfedge; --debug shows where
  130  stopped by Ctrl-C; nothing was written

examples:
  dfedge calibrate --scores scores.csv --out decision.json --plot decision.png
  dfedge calibrate my-bundle --scores scores.csv --out calibrated/
  dfedge calibrate my-bundle --clips frames/ --stills portraits/ --out calibrated/
  dfedge calibrate my-bundle --scores scores.csv --reference frames/ --reference portraits/ \\
      --out calibrated/
"""

SHARES: dict[str, tuple[str, float]] = {
    "false_alarms": ("of genuine clips called FAKE", 0.01),
    "still_false_alarms": ("of genuine stills of all sources called FAKE", 0.01),
    "source_false_alarms": ("of the stills of any one source called FAKE", 0.04),
    "misses": ("of fake clips called REAL", 0.05),
}
"""The fields of :class:`dfedge_tools.deciding.promises.Limits`, in words and with their defaults; a
test holds the two together."""


def add_parser(subparsers: Subparsers) -> None:
    """Add the subcommand to the command line."""
    parser = subparsers.add_parser(
        "calibrate",
        help="set thresholds from scores, with a checked promise",
        usage="dfedge calibrate [BUNDLE] --scores FILE --out PATH [options]\n"
        "       dfedge calibrate BUNDLE --clips PLACE [--stills PLACE] --out FOLDER [options]\n"
        "       dfedge calibrate BUNDLE --reference PLACE --out FOLDER [options]",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
    )
    bundle = parser.add_argument(
        "bundle",
        nargs="?",
        metavar="BUNDLE",
        help="bundle whose copy gets the decision: a name, a folder or a .zip",
    )
    names_a_file(bundle)
    _add_scores(parser)
    _add_promises(parser)
    _add_reference(parser)
    _add_outputs(parser)
    add_general_options(parser)
    parser.set_defaults(handler=_run, extra="tools")


def _add_scores(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("scores")
    scores = group.add_argument(
        "--scores",
        metavar="FILE",
        help="table of scores, as dfedge evaluate and dfedge train write it; rows of split train "
        "are left out, those of split held are genuine stills",
    )
    clips = group.add_argument(
        "--clips",
        metavar="PLACE",
        help="instead of --scores: labelled clips that BUNDLE scores first (a folder with a "
        "manifest, with subfolders real and fake, or a store of crops)",
    )
    stills = group.add_argument(
        "--stills", metavar="PLACE", help="genuine stills beside --clips; those kept back count"
    )
    for option in (scores, clips, stills):
        names_a_file(option)
    group.add_argument("--split", metavar="NAME", help="split of --clips (default: val)")


def _add_promises(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "promises",
        "Largest shares, 0 to 1, of new faces like these. With n people no promise under "
        "1/(n+1) can be made: a smaller one is widened to that, and said so.",
    )
    for name, (meaning, default) in SHARES.items():
        group.add_argument(
            f"--{name.replace('_', '-')}",
            type=_share,
            default=default,
            metavar="X",
            help=f"{meaning} (default: %(default)s)",
        )
    group.add_argument(
        "--fit",
        choices=("likelihood", "brier"),
        default="likelihood",
        help="what temperature and bias make best: likelihood (default), or Brier's score, which "
        "minds a few clips that are far off less",
    )
    group.add_argument(
        "--fitted-on",
        metavar="TEXT",
        help="what the card says of the data (default: the name of the table or folder)",
    )


def _add_reference(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("out of distribution")
    reference = group.add_argument(
        "--reference",
        action="append",
        default=[],
        metavar="PLACE",
        help="faces the model knows (a folder with a manifest, or a store of crops): the graph "
        "gets an output that tells how unlike them a face is, fitted on those of split train, "
        "with a limit set on the others; may be repeated",
    )
    names_a_file(reference)
    group.add_argument(
        "--novel",
        type=_share,
        default=0.01,
        metavar="X",
        help="largest share of new faces like those kept back that is above the limit "
        "(default: %(default)s)",
    )
    group.add_argument(
        "--count",
        type=whole_number,
        default=2000,
        metavar="N",
        help="faces to fit on, and as many to set the limit on, at most (default: %(default)s)",
    )
    group.add_argument(
        "--layer",
        action="append",
        default=[],
        metavar="TENSOR",
        help="tensor of the graph whose distance is taken, a map or a vector; may be repeated "
        "(default: what the first three strided convolutions after the stem read)",
    )
    group.add_argument(
        "--set-quality",
        action="store_true",
        help="write the limits on size, blur and light that the scores propose into the card",
    )


def _add_outputs(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("output")
    out = group.add_argument(
        "--out",
        metavar="PATH",
        help="JSON file of the decision; with BUNDLE the folder of the new bundle",
    )
    group.add_argument("--name", help="name of the new bundle (default: that of BUNDLE)")
    metrics = group.add_argument(
        "--metrics", metavar="FILE", help="JSON of figures for the new card, of dfedge evaluate"
    )
    plot = group.add_argument(
        "--plot",
        metavar="FILE",
        help="draw reliability, scores with both thresholds, and the sweep: a .png or .svg",
    )
    for option in (out, metrics, plot):
        names_a_file(option)
    group.add_argument("--json", action="store_true", help="print one JSON object")
    group.add_argument("-q", "--quiet", action="store_true", help="show no progress")


def _run(args: argparse.Namespace) -> int:
    from dfedge_tools.deciding.job import decide_all

    done = decide_all(_request(args))
    sys.stdout.write(done.as_json() if args.json else done.as_text())
    return Exit.FAIL_ON if done.problems else Exit.DONE


def _request(args: argparse.Namespace) -> Request:
    from dfedge_tools.commands.plots import prepare_plot
    from dfedge_tools.deciding.job import Request
    from dfedge_tools.deciding.promises import Limits

    if args.out is None:
        raise UsageError("--out: is missing; give a file, or with BUNDLE a folder")
    inputs = [path for path in (args.scores, args.clips, args.stills, args.metrics) if path]
    return Request(
        bundle=args.bundle,
        scores=_path(args.scores),
        clips=_path(args.clips),
        stills=_path(args.stills),
        split=args.split,
        limits=Limits(**{name: getattr(args, name) for name in SHARES}),
        fit=args.fit,
        fitted_on=args.fitted_on,
        references=tuple(Path(place) for place in args.reference),
        novel=args.novel,
        count=args.count,
        layers=tuple(args.layer),
        set_quality=args.set_quality,
        out=args.out,
        name=args.name,
        metrics=_path(args.metrics),
        plot=None if args.plot is None else prepare_plot(args.plot, inputs),
        quiet=args.quiet,
    )


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)


def _share(text: str) -> float:
    """A share above 0 and under 1."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share above 0 and under 1")
    return number

"""``dfedge data manifest`` and ``layouts``: which files there are."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict, replace
from pathlib import Path

from dfedge.cli.exits import Exit
from dfedge.cli.options import HelpFormatter, Subparsers, names_a_file
from dfedge.cli.outputs import OutputFile
from dfedge_tools.commands.data_options import finish, print_result

_MANIFEST = """\
List the pictures and videos of a data set in a manifest: a CSV file with path, label
(1 fake, 0 real), method, people, clip and official split, as far as the layout tells.
"""
_MANIFEST_EPILOG = """\
exit codes:
  0    done
  2    nothing was written: wrong usage, or no data set of a known layout
  3    some files do not fit the layout and were left out; they are named
  70   a bug in dfedge; --debug shows where

examples:
  dfedge data manifest ffpp/ --out ffpp.csv
  dfedge data manifest photographs/ --layout listed --label 0 --out stills.csv
"""


def add_parsers(actions: Subparsers) -> None:
    """Add the subcommands to those of ``dfedge data``."""
    _add_manifest(actions)
    _add_layouts(actions)


def _add_manifest(actions: Subparsers) -> None:
    parser = actions.add_parser(
        "manifest",
        help="list the files of a data set",
        description=_MANIFEST,
        epilog=_MANIFEST_EPILOG,
        formatter_class=HelpFormatter,
    )
    folder = parser.add_argument("folder", type=Path, metavar="FOLDER", help="of the data set")
    names_a_file(folder)
    out = parser.add_argument("--out", required=True, metavar="FILE", help="manifest to write")
    names_a_file(out)
    parser.add_argument(
        "--layout",
        default="auto",
        metavar="NAME",
        help="how the data set lies there: a name of dfedge data layouts (default: auto, what is "
        "recognized)",
    )
    parser.add_argument(
        "--label",
        type=int,
        choices=(0, 1),
        help="of all rows of a list that tells none: 0 real, 1 fake",
    )
    parser.add_argument(
        "--source", metavar="NAME", help="name of the data set (default: as the layout names it)"
    )
    finish(parser, _run_manifest)


def _add_layouts(actions: Subparsers) -> None:
    parser = actions.add_parser(
        "layouts",
        help="tell which layouts of data sets are known",
        description="Tell which layouts of data sets are known, and what each expects.",
        formatter_class=HelpFormatter,
    )
    finish(parser, _run_layouts)


def _run_manifest(args: argparse.Namespace) -> int:
    from dfedge_tools.data.layouts import find_layout, read_layout
    from dfedge_tools.data.manifest import MANIFEST, Manifest, write_manifest
    from dfedge_tools.data.summary import counts, counts_text, left_out_text

    layout = find_layout(args.folder, args.layout)
    read = [str(args.folder / MANIFEST)] if layout.takes_label else []
    out = OutputFile.prepare("--out", args.out, read)
    samples, left_out = read_layout(args.folder, layout, label=args.label)
    if args.source is not None:
        samples = [replace(sample, source=args.source) for sample in samples]
    write_manifest(out.target, Manifest(args.folder, tuple(samples)))
    if left_out and not args.json:
        sys.stderr.write(left_out_text(left_out) + "\n")
    values = {
        "schema": "dfedge.manifest/1",
        "manifest": args.out,
        "layout": layout.name,
        "splits": counts(samples),
        "left_out": [asdict(item) for item in left_out],
    }
    done = f"{layout.title}: {len(samples):,} rows in {args.out}"
    print_result(args, values, f"{done}\n{counts_text(samples)}")
    return Exit.UNREADABLE if left_out else Exit.DONE


def _run_layouts(args: argparse.Namespace) -> int:
    from dfedge_tools.data.layouts import LAYOUTS
    from dfedge_tools.data.summary import layouts_text

    names = ("name", "title", "expects", "looks_for")
    values = [{name: getattr(layout, name) for name in names} for layout in LAYOUTS]
    print_result(args, values, layouts_text())
    return Exit.DONE

"""``dfedge data sheet``: the fakes that training makes of a store, on one picture."""

from __future__ import annotations

import argparse
from pathlib import Path

from dfedge.cli.exits import Exit
from dfedge.cli.options import HelpFormatter, Subparsers, names_a_file, whole_number
from dfedge.cli.outputs import OutputFile
from dfedge_tools.commands.data_options import finish, print_result

_DESCRIPTION = """\
Draw what training makes of the genuine pictures of a store on one picture, to look at
before hours are spent on it. Each row of a kind of fake shows, at difficulties 0, 0.5
and 1, the genuine twin, the fake, what differs (x4) and the mask. Below is one picture
after every degradation, weak, half and full.
"""

_EPILOG = """\
exit codes:
  0    drawn
  2    wrong usage, or no store with genuine pictures
  70   a bug in dfedge; --debug shows where

examples:
  dfedge data sheet store/ --out sheet.png
  dfedge data sheet store/ --out sheet.png --rows 6 --seed 2
"""


def add_parsers(actions: Subparsers) -> None:
    """Add the subcommand to those of ``dfedge data``."""
    parser = actions.add_parser(
        "sheet",
        help="draw the fakes that training makes of a store",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
    )
    store = parser.add_argument("store", type=Path, metavar="STORE", help="what pack made")
    names_a_file(store)
    out = parser.add_argument("--out", required=True, metavar="PNG", help="picture to write")
    names_a_file(out)
    for name, default, text in (
        ("--rows", 3, "genuine pictures for each kind of fake"),
        ("--seed", 1, "another number, other pictures and fakes"),
    ):
        parser.add_argument(
            name,
            type=whole_number,
            default=default,
            metavar="N",
            help=f"{text} (default: {default})",
        )
    finish(parser, _run)


def _run(args: argparse.Namespace) -> int:
    import cv2

    from dfedge_tools.data.store import CropStore
    from dfedge_tools.fakes.sheet import contact_sheet

    out = OutputFile.prepare("--out", args.out, [])
    sheet = contact_sheet(CropStore(args.store), rows=args.rows, seed=args.seed)
    _, data = cv2.imencode(".png", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))
    out.write_bytes(data.tobytes())
    height, width = sheet.shape[:2]
    text = f"{args.out}: {width} x {height} pixels"
    print_result(args, {"out": args.out, "width": width, "height": height}, text)
    return Exit.DONE

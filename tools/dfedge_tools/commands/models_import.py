"""``dfedge models import``: turn an official checkpoint into a bundle."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from dfedge.cli.exits import Exit
from dfedge.cli.options import HelpFormatter, Subparsers, names_a_file
from dfedge_tools.importing.cli import (
    EXIT_CODES,
    KNOWN_NAMES,
    add_import_options,
    add_name,
    notice,
    run_import,
)
from dfedge_tools.importing.names import canonical

_DESCRIPTION = """\
Turn a published checkpoint that you have into a bundle: its entries are compared with the
model's one by one, the exported graph with torch, and licence, origin and limits go into its
card. Nothing in the file is executed. `dfedge models pull` downloads the file first.
"""

_EPILOG = f"""\
{KNOWN_NAMES}
{EXIT_CODES}
examples:
  dfedge models import genconvit-ed --checkpoint genconvit_ed_inference.pth
  dfedge models import ms_eff_gcvit_b0/ff++ --checkpoint ms_eff_gcvit_b0_ff++.bin --out b0-ffpp
  dfedge models import genconvit-ed-onnx --checkpoint genconvit_ed_inference.onnx
"""


def add_parser(subparsers: Subparsers) -> None:
    """Add the subcommand to the command line."""
    parser = subparsers.add_parser(
        "import",
        help="turn an official checkpoint into a bundle",
        usage="dfedge models import NAME --checkpoint FILE [options]",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
    )
    add_name(parser)
    checkpoint = parser.add_argument(
        "--checkpoint",
        type=Path,
        required=True,
        metavar="FILE",
        help="the file as its publisher gives it: torch weights, .safetensors, or ONNX for names "
        "that end in -onnx",
    )
    names_a_file(checkpoint)
    add_import_options(parser)
    parser.set_defaults(handler=_run, extra="tools")


def _run(args: argparse.Namespace) -> int:
    canonical(args.name)  # a typing error is told before anything heavy is loaded
    from dfedge_tools.importing.catalogue import find

    entry = find(args.name)
    sys.stderr.write(notice(entry, source=str(args.checkpoint)))
    run_import(args, entry, args.checkpoint)
    return Exit.DONE

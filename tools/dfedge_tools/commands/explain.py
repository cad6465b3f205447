"""``dfedge explain``: show what in a face a model looked at."""

from __future__ import annotations

import argparse

from dfedge.cli.options import Subparsers
from dfedge.errors import UsageError


def add_parser(subparsers: Subparsers) -> None:
    """Add the subcommand to the command line."""
    parser = subparsers.add_parser("explain", help="show what in a face a model looked at")
    parser.set_defaults(handler=_run, extra="tools")


def _run(args: argparse.Namespace) -> int:
    raise UsageError("not built yet")

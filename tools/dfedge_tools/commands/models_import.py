"""``dfedge models import``: turn an official checkpoint into a bundle."""

from __future__ import annotations

import argparse

from dfedge.cli.options import Subparsers
from dfedge.errors import UsageError


def add_parser(subparsers: Subparsers) -> None:
    """Add the subcommand to the command line."""
    parser = subparsers.add_parser("import", help="turn an official checkpoint into a bundle")
    parser.set_defaults(handler=_run, extra="tools")


def _run(args: argparse.Namespace) -> int:
    raise UsageError("not built yet")

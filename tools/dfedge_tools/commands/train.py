"""``dfedge train``: being built."""

from __future__ import annotations

from dfedge.cli.options import Subparsers


def add_parser(subparsers: Subparsers) -> None:
    """Add the subcommand to the command line."""

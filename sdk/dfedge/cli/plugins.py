"""Subcommands that other packages bring, found by entry point.

A package names modules in the groups ``dfedge.commands`` and ``dfedge.commands.models``; each has
``add_parser(subparsers)`` like those of this package. So the SDK knows of no package that builds on
it, and one command serves them all.
"""

from __future__ import annotations

import argparse
from importlib.metadata import EntryPoint, entry_points

from dfedge.cli.options import Subparsers
from dfedge.errors import UsageError

COMMANDS = "dfedge.commands"
MODELS_COMMANDS = "dfedge.commands.models"


def add_parsers(group: str, subparsers: Subparsers) -> None:
    """Add the subcommands of a group, by name."""
    for entry in sorted(entry_points(group=group), key=lambda entry: entry.name):
        try:
            module = entry.load()
        except Exception as error:
            _add_broken(entry, subparsers, error)
        else:
            module.add_parser(subparsers)


def _add_broken(entry: EntryPoint, subparsers: Subparsers, error: Exception) -> None:
    """A broken package must not take the other commands with it; its own says what is wrong."""
    problem = f"{type(error).__name__}: {error}"

    def handler(args: argparse.Namespace) -> int:
        raise UsageError(
            f"dfedge {entry.name}: its module {entry.value} cannot be loaded ({problem}); "
            "install the package that brings it again"
        )

    parser = subparsers.add_parser(entry.name, help="cannot be loaded")
    parser.prefix_chars = "\0"  # so that every argument is taken, whatever it looks like
    parser.add_argument("rest", nargs="*", help=argparse.SUPPRESS)
    parser.set_defaults(handler=handler)

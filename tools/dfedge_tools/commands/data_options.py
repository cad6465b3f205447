"""Arguments and options that the subcommands of ``dfedge data`` share."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path

from dfedge.cli.options import add_general_options, names_a_file, whole_number
from dfedge.report.wording import printable


def add_manifest(parser: argparse.ArgumentParser) -> None:
    """The manifest to read."""
    _add(parser, "manifest", None)


def add_manifests(parser: argparse.ArgumentParser) -> None:
    """The manifests to read, one or more."""
    _add(parser, "manifests", "+")


def add_work_options(parser: argparse.ArgumentParser) -> None:
    """Options of what takes long."""
    parser.add_argument(
        "--workers",
        type=whole_number,
        default=os.cpu_count() or 1,
        metavar="N",
        help="how much is done at once (default: one a core)",
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="show no progress")


def finish(parser: argparse.ArgumentParser, handler: Callable[[argparse.Namespace], int]) -> None:
    """The options that come last, and what runs the subcommand."""
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_general_options(parser)
    parser.set_defaults(handler=handler, extra="tools")


def share(text: str) -> float:
    """A share from 0 to below 1."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share from 0 to below 1, such as 0.1")
    return number


def print_result(args: argparse.Namespace, values: object, text: str) -> None:
    """As JSON or as text, as the user wants it."""
    if args.json:
        print(json.dumps(values, indent=2, default=str))
    else:
        print("\n".join(printable(line) for line in text.splitlines()))


def _add(parser: argparse.ArgumentParser, name: str, nargs: str | None) -> None:
    action = parser.add_argument(
        name,
        type=Path,
        nargs=nargs,
        metavar="MANIFEST",
        help="a manifest, or a folder with a manifest.csv",
    )
    names_a_file(action)

"""The command ``dfedge``.

Each subcommand is a module with ``add_parser(subparsers)``, which sets ``handler``, a function of
the parsed arguments that returns an exit code. Such modules import argparse and words only; what is
heavy is imported by the handler, so that ``--help`` and mistakes answer at once. A subcommand that
needs an extra of the distribution also sets ``extra`` to its name: where a module is missing, the
user is told to install that extra. Other packages add subcommands by :mod:`dfedge.cli.plugins`.
"""

from __future__ import annotations

import argparse
import importlib
import io
import os
import sys
import traceback
from collections.abc import Sequence

from dfedge import __version__
from dfedge.cli import completion, plugins
from dfedge.cli.exits import Exit
from dfedge.cli.options import HelpFormatter
from dfedge.errors import DfedgeError, MediaError, MissingExtraError
from dfedge.report.wording import printable

__all__ = ["build_parser", "main"]

COMMANDS = ("dfedge.cli.detect", "dfedge.cli.watch", "dfedge.cli.models")
"""Modules with ``add_parser``, in the order of ``--help``."""

_DESCRIPTION = """\
Deepfake detection on your own machine: a verdict on the faces of a picture, a
video or a live stream.
"""

_EPILOG = """\
examples:
  dfedge detect clip.mp4                      a verdict
  dfedge detect clips/ --report report.html   a verdict each, with the evidence in one page
  dfedge watch 0                              the first webcam, live

dfedge COMMAND --help tells more.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; the arguments are the process's by default."""
    _let_output_encode()
    try:
        args = build_parser().parse_args(argv)
    except SystemExit as end:  # argparse ends the process itself for --help and wrong usage
        return int(end.code or 0)
    try:
        code = int(args.handler(args))
        sys.stdout.flush()
    except KeyboardInterrupt:
        _say("interrupted; what is printed above is complete, no output file was written")
        return Exit.INTERRUPTED
    except BrokenPipeError:
        _drop_output()
        return Exit.BROKEN_PIPE
    except ModuleNotFoundError as error:
        missing = MissingExtraError(f"This command (for {error.name})", args.extra)
        return _explain(missing if args.extra else error, debug=args.debug)
    except Exception as error:
        return _explain(error, debug=args.debug)
    return code


def build_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = argparse.ArgumentParser(
        prog="dfedge",
        usage="dfedge COMMAND [options]",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"dfedge {__version__}")
    parser.add_argument(
        "--debug", action="store_true", help="show the traceback of an error (before COMMAND)"
    )
    parser.set_defaults(extra=None)
    subparsers = parser.add_subparsers(
        title="commands", metavar="COMMAND [...]", required=True, prog=parser.prog
    )
    for module in COMMANDS:
        importlib.import_module(module).add_parser(subparsers)
    plugins.add_parsers(plugins.COMMANDS, subparsers)
    completion.make_add_parser(build_parser)(subparsers)
    return parser


def _explain(error: Exception, *, debug: bool) -> int:
    """Tell an error in one line, or with its traceback, and choose the exit code."""
    if debug:
        traceback.print_exception(error)
    if isinstance(error, DfedgeError):
        _say(str(error))
        return Exit.UNREADABLE if isinstance(error, MediaError) else Exit.USAGE
    if not debug:
        _say(
            f"a bug in dfedge {__version__}: {type(error).__name__}: {error}\n"
            "Please report it with the output of the same command after dfedge --debug."
        )
    return Exit.BUG


def _say(text: str) -> None:
    lines = [printable(line) for line in text.splitlines()]
    sys.stderr.write("dfedge: " + "\n".join(lines) + "\n")


def _let_output_encode() -> None:
    """Print what the terminal's encoding lacks as an escape; no file name may end the command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _drop_output() -> None:
    """Point stdout at nothing, so that the interpreter's last flush does not fail."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
    except (OSError, ValueError):
        pass  # stdout is no real file, so there is nothing to flush into a closed pipe

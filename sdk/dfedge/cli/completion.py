"""``dfedge completion``: shell completion, generated from the command line's own definition."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from dfedge.cli.exits import Exit
from dfedge.cli.options import HelpFormatter, Subparsers
from dfedge.errors import UsageError

SHELLS = ("bash", "zsh", "fish", "tcsh", "powershell")

_EPILOG = """\
to turn it on:
  bash        dfedge completion bash > ~/.local/share/bash-completion/completions/dfedge
  zsh         dfedge completion zsh > ~/.zfunc/_dfedge      (with ~/.zfunc in $fpath)
  fish        dfedge completion fish > ~/.config/fish/completions/dfedge.fish
  tcsh        dfedge completion tcsh > ~/.dfedge.tcsh       (and source it in ~/.tcshrc)
  powershell  dfedge completion powershell > dfedge.ps1     (and dot-source it in $PROFILE)
"""


def make_add_parser(build: Callable[[], argparse.ArgumentParser]) -> Callable[[Subparsers], None]:
    """``add_parser`` for this subcommand, which needs the whole parser to describe it."""

    def run(args: argparse.Namespace) -> int:
        import shtab

        if args.shell not in shtab.SUPPORTED_SHELLS:
            raise UsageError(
                f"the installed shtab {shtab.__version__} knows no {args.shell}: "
                "pip install --upgrade shtab"
            )
        sys.stdout.write(shtab.complete(build(), shell=args.shell) + "\n")
        return Exit.DONE

    def add_parser(subparsers: Subparsers) -> None:
        parser = subparsers.add_parser(
            "completion",
            help="print a completion script for your shell",
            usage="dfedge completion SHELL",
            description="Print a completion script for your shell.",
            epilog=_EPILOG,
            formatter_class=HelpFormatter,
        )
        parser.add_argument(
            "shell", choices=SHELLS, metavar="SHELL", help=f"one of {', '.join(SHELLS)}"
        )
        parser.set_defaults(handler=run)

    return add_parser

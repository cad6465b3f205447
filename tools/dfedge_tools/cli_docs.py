"""Keep the help texts in the documentation those of the command itself.

A page marks each text with a comment that names the command, and this tool fills in what that
command prints::

    <!-- help: dfedge detect -->
    <!-- end of help -->

``python -m dfedge_tools.cli_docs docs/cli.md`` rewrites the page; with ``--check`` it only says
whether the page is up to date (exit code 1 when not).
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

from dfedge.cli import main as run_dfedge

COLUMNS = 88
"""Width the help is wrapped to."""

_BLOCK = re.compile(
    r"<!-- help: dfedge(?P<words>[a-z ]*) -->\n.*?<!-- end of help -->", flags=re.DOTALL
)


def main(argv: Sequence[str] | None = None) -> int:
    """Rewrite or check the pages."""
    parser = argparse.ArgumentParser(prog="python -m dfedge_tools.cli_docs", description=__doc__)
    parser.add_argument("pages", nargs="+", type=Path, metavar="PAGE")
    parser.add_argument("--check", action="store_true", help="change nothing")
    args = parser.parse_args(argv)
    stale = 0
    for page in args.pages:
        text = page.read_text(encoding="utf-8")
        fresh = refresh(text)
        if fresh == text:
            continue
        stale += 1
        if args.check:
            print(f"{page}: out of date; run python -m dfedge_tools.cli_docs {page}")
        else:
            page.write_text(fresh, encoding="utf-8")
    return 1 if stale and args.check else 0


def refresh(text: str) -> str:
    """The page with each marked help text as the command prints it now."""
    return _BLOCK.sub(_fill, text)


def help_of(words: Sequence[str]) -> str:
    """What ``dfedge WORDS --help`` prints on a terminal of ``COLUMNS`` columns."""
    printed = io.StringIO()
    with (
        mock.patch.dict(os.environ, COLUMNS=str(COLUMNS), NO_COLOR="1"),
        contextlib.redirect_stdout(printed),
    ):
        code = run_dfedge([*words, "--help"])
    if code != 0:
        raise ValueError(f"dfedge {' '.join(words)} --help ended with code {code}")
    return printed.getvalue()


def _fill(match: re.Match[str]) -> str:
    words = match["words"].split()
    text = "\n".join(line.rstrip() for line in help_of(words).splitlines())
    head = " ".join(["<!-- help: dfedge", *words, "-->"])
    return f"{head}\n```text\n{text}\n```\n<!-- end of help -->"


if __name__ == "__main__":
    sys.exit(main())

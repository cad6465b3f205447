"""``dfedge models pull``: download an official checkpoint and import it."""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dfedge.cli.exits import Exit
from dfedge.cli.options import HelpFormatter, Subparsers
from dfedge.cli.terminal import is_terminal
from dfedge.errors import DfedgeError, UsageError
from dfedge_tools.importing.cli import (
    EXIT_CODES,
    KNOWN_NAMES,
    add_import_options,
    add_name,
    notice,
    run_import,
)
from dfedge_tools.importing.names import canonical

if TYPE_CHECKING:
    from dfedge_tools.importing.catalogue import Published

_DESCRIPTION = """\
Download a published checkpoint from its publisher and import it. Shows licence and size and
asks first. A download that was cut off, or stopped with Ctrl-C, goes on where it was when the
same command runs again.
"""

_EPILOG = f"""\
{KNOWN_NAMES}
{EXIT_CODES}
The file comes over HTTPS only; proxies are taken from the environment (https_proxy), no login
or token is ever sent.

examples:
  dfedge models pull genconvit-ed
  dfedge models pull ms-eff-gcvit-b5-kodf --yes --out b5-kodf
  dfedge models pull dfd-clip-l --url https://example.org/best_model.pt
"""


def add_parser(subparsers: Subparsers) -> None:
    """Add the subcommand to the command line."""
    parser = subparsers.add_parser(
        "pull",
        help="download an official checkpoint and import it",
        usage="dfedge models pull NAME [options]",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
    )
    add_name(parser)
    parser.add_argument(
        "--url",
        metavar="ADDRESS",
        help="of the file, where it has moved or no official address is known (HTTPS)",
    )
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask")
    parser.add_argument(
        "--keep", action="store_true", help="keep the downloaded file beside the bundles"
    )
    add_import_options(parser)
    parser.set_defaults(handler=_run, extra="tools")


def _run(args: argparse.Namespace) -> int:
    canonical(args.name)  # a typing error is told before anything heavy is loaded
    from dfedge_tools.importing.address import shown
    from dfedge_tools.importing.catalogue import find
    from dfedge_tools.importing.download import fetch

    entry = find(args.name)
    url = args.url or entry.url
    if url is None:
        raise UsageError(
            f"{entry.name}: no official address of its file could be verified. Look at "
            f"{entry.page}, then either give the address with --url, or download the file and run "
            f"dfedge models import {entry.name} --checkpoint FILE"
        )
    target = _target(entry, url)
    sys.stderr.write(notice(entry, source=shown(url)))
    if not target.exists():
        if not (args.yes or _agreed()):
            sys.stderr.write("nothing was downloaded\n")
            return Exit.USAGE
        try:
            fetch(url, target, quiet=args.quiet)
        except KeyboardInterrupt:
            sys.stderr.write(
                "\nstopped; what has arrived is kept, and the same command goes on from there\n"
            )
            return Exit.INTERRUPTED
    try:
        run_import(args, entry, target, source_url=shown(url))
    except DfedgeError:
        sys.stderr.write(f"the download is kept in {target}\n")
        raise
    if not args.keep:
        target.unlink()
        target.parent.rmdir()
    return Exit.DONE


def _target(entry: Published, url: str) -> Path:
    """Where the download lies until it is imported: one folder an address, the published name."""
    from dfedge.bundles.store import cache_folder
    from dfedge_tools.importing.address import shown

    address = hashlib.sha256(url.encode()).hexdigest()[:8]
    published = shown(url).rstrip("/").rpartition("/")[2]
    name = "".join(letter if letter.isalnum() or letter in ".+-_" else "_" for letter in published)
    folder = cache_folder().parent / "downloads" / f"{entry.name}-{address}"
    return folder / (name.lstrip(".") or "checkpoint")


def _agreed() -> bool:
    if not is_terminal(sys.stdin):
        raise UsageError(
            "nobody can be asked whether to download, since stdin is no terminal; add --yes"
        )
    sys.stderr.write("Download and use it under this licence? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")

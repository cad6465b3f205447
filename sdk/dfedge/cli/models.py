"""``dfedge models``: which bundles there are, what their cards say, and whether they are whole."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dfedge.cli import plugins
from dfedge.cli.exits import Exit
from dfedge.cli.options import HelpFormatter, Subparsers, add_general_options
from dfedge.errors import BundleError, RuntimeUnavailableError
from dfedge.report.wording import printable

if TYPE_CHECKING:
    from dfedge.bundles.store import BundleListing

_DESCRIPTION = """\
List, show, verify and install model bundles.
Bundles that ship with dfedge come first, then those in the cache: $DFEDGE_HOME/bundles, or the
user's cache folder.
"""

_EPILOG = """\
exit codes:
  0    done
  2    nothing was done: wrong usage, or a bundle that is not there or cannot be used
  3    verify: some bundles cannot be used; each says why
  70   a bug in dfedge; --debug shows where

examples:
  dfedge models list
  dfedge models show dfedge-b0
  dfedge models verify ./my-bundle.zip
  dfedge models install ./my-bundle.zip
"""


def add_parser(subparsers: Subparsers) -> None:
    """Add the subcommand to the command line."""
    parser = subparsers.add_parser(
        "models",
        help="list, show, verify and install model bundles",
        usage="dfedge models COMMAND [options]",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
    )
    add_general_options(parser)
    actions = parser.add_subparsers(
        title="commands", prog="dfedge models", metavar="COMMAND", required=True
    )
    _add_action(actions, "list", _list, "the bundles that are here")
    show = _add_action(actions, "show", _show, "what the card of a bundle says")
    show.add_argument("model", metavar="MODEL", help=_MODEL_HELP)
    verify = _add_action(
        actions, "verify", _verify, "check hashes, card and graphs, and run each graph once"
    )
    verify.add_argument(
        "models", nargs="*", metavar="MODEL", help=f"{_MODEL_HELP} (default: all of the list)"
    )
    install = _add_action(actions, "install", _install, "copy a bundle into the cache")
    install.add_argument("path", metavar="PATH", help="a bundle folder or .zip")
    plugins.add_parsers(plugins.MODELS_COMMANDS, actions)


_MODEL_HELP = "name, name@version, bundle folder or .zip"


def _add_action(
    actions: Any, name: str, handler: Callable[[argparse.Namespace], int], summary: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(
        name, help=summary, description=f"{summary[0].upper()}{summary[1:]}."
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_general_options(parser)
    parser.set_defaults(handler=handler)
    return parser


def _list(args: argparse.Namespace) -> int:
    from dfedge.bundles.store import list_bundles

    listings = list_bundles()
    if args.json:
        _print_json([_listing_values(listing) for listing in listings])
        return Exit.DONE
    if not listings:
        print("no bundles are here; dfedge models install PATH adds one")
        return Exit.DONE
    print(_table([_listing_cells(listing) for listing in listings]))
    for listing in listings:
        if listing.problem is not None:
            print(f"\nbroken: {printable(listing.problem)}")
    return Exit.DONE


def _show(args: argparse.Namespace) -> int:
    from dfedge.bundles.store import resolve
    from dfedge.cli.card_text import render_card

    bundle = resolve(args.model)
    if args.json:
        _print_json({"path": str(bundle.path), "card": json.loads(bundle.card_json)})
    else:
        print(render_card(bundle), end="")
    return Exit.DONE


def _verify(args: argparse.Namespace) -> int:
    from dfedge.bundles.store import list_bundles

    models = args.models or [str(listing.path) for listing in list_bundles()]
    results = [_verify_one(model) for model in models]
    if args.json:
        _print_json(results)
    elif not results:
        print("no bundles are here; dfedge models install PATH adds one")
    else:
        for result in results:
            print(_result_line(result))
    return Exit.DONE if all(result["ok"] for result in results) else Exit.UNREADABLE


def _install(args: argparse.Namespace) -> int:
    from dfedge.bundles.store import install

    bundle = install(args.path)
    card = bundle.card
    if args.json:
        _print_json({"name": card.name, "version": card.version, "path": str(bundle.path)})
    else:
        print(f"installed {card.name} {card.version} in {printable(str(bundle.path))}")
    return Exit.DONE


def _verify_one(model: str) -> dict[str, Any]:
    """What is found of one bundle: ``ok``, and the problem when it is not."""
    from dfedge.bundles.store import resolve
    from dfedge.selfcheck import check_runs

    result: dict[str, Any] = {"model": model, "ok": False, "name": None, "version": None}
    try:
        bundle = resolve(model)
        result |= {"name": bundle.card.name, "version": bundle.card.version}
        check_runs(bundle)
    except (BundleError, RuntimeUnavailableError) as error:
        return {**result, "problem": str(error)}
    size = sum(entry.size_bytes for entry in bundle.card.files)
    return {**result, "ok": True, "problem": None, "path": str(bundle.path), "size_bytes": size}


def _result_line(result: dict[str, Any]) -> str:
    if not result["ok"]:
        return f"BROKEN  {printable(result['problem'])}"
    size = _megabytes(result["size_bytes"])
    return f"ok      {result['name']} {result['version']} ({size}) {printable(result['path'])}"


def _listing_values(listing: BundleListing) -> dict[str, Any]:
    return {
        "name": listing.name,
        "version": listing.version,
        "kind": listing.kind,
        "summary": listing.summary,
        "origin": listing.origin,
        "path": str(listing.path),
        "size_bytes": listing.size_bytes,
        "ok": listing.problem is None,
        "problem": listing.problem,
        "default": _is_default(listing),
    }


def _listing_cells(listing: BundleListing) -> tuple[str, ...]:
    return (
        printable(listing.name) + (" *" if _is_default(listing) else ""),
        printable(listing.version or "?"),
        (listing.kind or "?").replace("_", " "),
        _megabytes(listing.size_bytes),
        listing.origin,
        "ok" if listing.problem is None else "BROKEN",
        printable(listing.summary),
    )


def _is_default(listing: BundleListing) -> bool:
    from dfedge.bundles.store import DEFAULT_MODEL

    return listing.name == DEFAULT_MODEL


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.1f} MB"


def _table(rows: list[tuple[str, ...]]) -> str:
    """Columns of equal width; the first line names them."""
    lines = [("NAME (* default)", "VERSION", "KIND", "SIZE", "ORIGIN", "STATE", "SUMMARY"), *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, indent=2) + "\n")

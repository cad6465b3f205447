"""``dfedge sign``: bundles that the browser extension takes from a server."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dfedge.cli.exits import Exit
from dfedge.cli.options import HelpFormatter, Subparsers, add_general_options, names_a_file

_DESCRIPTION = """\
Sign a bundle for the browser extension. The extension fetches it from the user's server,
and takes it only if it bears the signature of the key it was given, is newer than the
model it runs, and gives there what it gives here.
"""

_EPILOG = """\
exit codes:
  0    done
  2    nothing was done: wrong usage, a key or bundle that does not fit, or a place that is taken
  70   a bug in dfedge; --debug shows where

examples:
  dfedge sign keygen newsroom.key
  dfedge sign bundle ./my-bundle --key newsroom.key --out web-bundle
  DFEDGE_SERVER_WEB_BUNDLE=web-bundle dfedge serve
"""


def add_parser(subparsers: Subparsers) -> None:
    """Add the subcommand to the command line."""
    parser = subparsers.add_parser(
        "sign",
        help="sign a bundle for the browser extension",
        usage="dfedge sign COMMAND [options]",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
    )
    add_general_options(parser)
    actions = parser.add_subparsers(
        title="commands", prog="dfedge sign", metavar="COMMAND", required=True
    )
    keygen = _add_action(actions, "keygen", _keygen, "make a private key; print the public one")
    names_a_file(
        keygen.add_argument("file", type=Path, metavar="FILE", help="where the private key goes")
    )
    bundle = _add_action(actions, "bundle", _bundle, "sign a bundle for a server to hand out")
    names_a_file(bundle.add_argument("model", metavar="MODEL", help="a name, folder or .zip"))
    key = bundle.add_argument(
        "--key", type=Path, required=True, metavar="FILE", help="the private key"
    )
    names_a_file(key)
    out = bundle.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="where it goes; an older signed bundle there is replaced",
    )
    names_a_file(out)
    bundle.add_argument("--json", action="store_true", help="print the manifest and the public key")


def _add_action(
    actions: Any, name: str, handler: Callable[[argparse.Namespace], int], words: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(
        name,
        help=words,
        description=words[0].upper() + words[1:] + ".",
        formatter_class=HelpFormatter,
    )
    add_general_options(parser)
    parser.set_defaults(handler=handler, extra="tools")
    return parser


def _keygen(args: argparse.Namespace) -> int:
    from dfedge_tools.signing.keys import make_key, public_text

    sys.stdout.write(public_text(make_key(args.file)) + "\n")
    return Exit.DONE


def _bundle(args: argparse.Namespace) -> int:
    import msgspec

    from dfedge.bundles.store import resolve_detector
    from dfedge_tools.signing.keys import public_text, read_key
    from dfedge_tools.signing.web_bundle import sign_bundle

    key = read_key(args.key)
    manifest = sign_bundle(*resolve_detector(args.model), key, args.out)
    if args.json:
        told = {"manifest": msgspec.to_builtins(manifest), "public_key": public_text(key)}
        sys.stdout.write(json.dumps(told, indent=2) + "\n")
        return Exit.DONE
    size = sum(file.size_bytes for file in manifest.files)
    sys.stdout.write(
        f"{args.out}: {manifest.name} {manifest.version}, {size / 1e6:.1f} MB\n"
        f"self-test   logit {manifest.self_test.logit:.6g}\n"
        f"public key  {public_text(key)}\n"
    )
    return Exit.DONE

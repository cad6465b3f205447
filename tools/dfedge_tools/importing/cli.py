"""What ``dfedge models import`` and ``dfedge models pull`` share: options, import, result.

Imports nothing heavy until a command runs.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dfedge.cli.options import add_general_options, names_a_file
from dfedge.report.wording import printable
from dfedge_tools.importing.names import NAMES

if TYPE_CHECKING:
    from dfedge_tools.importing.catalogue import Published
    from dfedge_tools.importing.importer import Imported

EXIT_CODES = """\
exit codes:
  0    done
  2    nothing was done: wrong usage, or a file that is not there, not the expected one, or does
       not give the same numbers as ONNX as it does in torch
  70   a bug in dfedge; --debug shows where
  130  stopped by Ctrl-C
"""
STEPS = 6
"""Of the progress bar: hash, load, trace, simplify, compare, write."""
KNOWN_NAMES = "names:\n" + "\n".join(f"  {name}" for name in NAMES) + "\n"


def add_name(parser: argparse.ArgumentParser) -> None:
    """The checkpoint's name."""
    parser.add_argument(
        "name",
        metavar="NAME",
        help="a name of the list below; the publisher's spelling, such as ms_eff_gcvit_b0/ff++, "
        "counts too",
    )


def add_import_options(parser: argparse.ArgumentParser) -> None:
    """Options of the import itself, and the general ones."""
    out = parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="write the bundle there (default: install it in the cache, so that its name is "
        "enough)",
    )
    decision = parser.add_argument(
        "--decision",
        type=Path,
        metavar="FILE",
        help="calibration and thresholds measured by dfedge calibrate (default: the "
        "publisher's rule, fake from P(fake) = 0.5)",
    )
    names_a_file(out)
    names_a_file(decision)
    parser.add_argument(
        "--version",
        type=_version,
        metavar="X.Y.Z",
        help="version of the bundle (default: the publisher's); an installed version never changes",
    )
    parser.add_argument(
        "--accept-changed",
        action="store_true",
        help="take another file than the one first used under this name",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress bar")
    add_general_options(parser)


def notice(entry: Published, *, source: str) -> str:
    """What to know before weights are used: licence, data, origin, size."""
    licence = f"{entry.licence} ({entry.licence_note})" if entry.licence_note else entry.licence
    rows = {
        "licence": licence,
        "trained on": entry.training_data,
        "published at": entry.page,
        "size": f"about {entry.about_bytes / 1e6:,.0f} MB",
        "from": source,
    }
    lines = [f"{entry.name} {entry.version}: {entry.summary}"]
    return "\n".join(lines + [f"  {name:13} {text}" for name, text in rows.items()]) + "\n"


def run_import(
    args: argparse.Namespace, entry: Published, path: Path, *, source_url: str | None = None
) -> None:
    """Import a file as the options say, and print what came of it."""
    from tqdm import tqdm

    from dfedge_tools.exporting.bundle import DecisionNumbers, read_json
    from dfedge_tools.importing.catalogue import PUBLISHED_RULE
    from dfedge_tools.importing.importer import import_file

    decision = PUBLISHED_RULE
    if args.decision is not None:
        decision = read_json(args.decision, DecisionNumbers, option="--decision")
    form = "{desc:24}|{bar:20}| {elapsed}"
    with tqdm(total=STEPS, bar_format=form, leave=False, disable=args.quiet or None) as bar:

        def progress(step: str) -> None:
            bar.set_description_str(step, refresh=False)
            bar.update()
            bar.refresh()

        imported = import_file(
            entry,
            path,
            out=args.out,
            decision=decision,
            version=args.version,
            source_url=source_url,
            accept_changed=args.accept_changed,
            progress=progress,
        )
    if args.json:
        sys.stdout.write(json.dumps(_values(imported), indent=2) + "\n")
    else:
        sys.stdout.write(_text(imported))


def _values(imported: Imported) -> dict[str, Any]:
    bundle = imported.bundle
    return {
        "name": bundle.card.name,
        "version": bundle.card.version,
        "path": str(bundle.path),
        "installed": imported.installed,
        "licence": bundle.card.licence,
        "model_size_bytes": bundle.entry("model").size_bytes,
        "model_sha256": bundle.sha256,
        "source_sha256": imported.source_sha256,
        "check": imported.check,
    }


def _text(imported: Imported) -> str:
    bundle = imported.bundle
    card, path = bundle.card, printable(str(bundle.path))
    model = bundle.entry("model")
    done = "installed" if imported.installed else "wrote"
    name = card.name if imported.installed else path
    return (
        f"{done} {card.name} {card.version} in {path}\n"
        f"  {model.name}: {model.size_bytes / 1e6:.1f} MB, {imported.check}\n"
        f"  made of a file of sha256 {imported.source_sha256}\n"
        f"  licence: {card.licence}\n"
        f"what to know before trusting it: dfedge models show {name}\n"
    )


def _version(text: str) -> str:
    if not re.fullmatch(r"\d+\.\d+\.\d+", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a version such as 1.0.1")
    return text

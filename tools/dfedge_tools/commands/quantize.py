"""``dfedge quantize``: make a smaller form of a bundle, and measure what that costs."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dfedge.cli.exits import Exit
from dfedge.cli.options import (
    HelpFormatter,
    Subparsers,
    add_general_options,
    names_a_file,
    whole_number,
)
from dfedge.cli.outputs import OutputFile
from dfedge.errors import FidelityError, UsageError
from dfedge.report.wording import printable
from dfedge_tools.commands.limits import add_limit_options, given_limits

if TYPE_CHECKING:
    from dfedge_tools.fidelity import Limits
    from dfedge_tools.quantizing.job import Request

_DESCRIPTION = """\
Make a smaller form of a float32 bundle by a recipe, measure how well it agrees with the
bundle on your own faces, and write it if it keeps the limits.

A recipe says which layers become int8 and how the rest is stored; --list tells what each
buys. With --search the layers that do most harm are left out, until the file is the
smallest that keeps the limits.
"""

_EPILOG = """\
exit codes:
  0    done: written, and within the limits
  1    outside the limits: not written, or written by --force
  2    nothing was done: wrong usage, or a bundle, recipe or folder that cannot be used
  70   a bug in dfedge; --debug shows where
  130  stopped by Ctrl-C; nothing was written

examples:
  dfedge quantize --list
  dfedge quantize dfedge-b0 --out small/ --faces faces/ --split val
  dfedge quantize dfedge-b0 --out least/ --search --faces faces/ --save-recipe least.json
  dfedge quantize dfedge-b0 --out again/ --recipe least.json --faces faces/
  dfedge quantize dfedge-b0 --compare --faces faces/
"""


def add_parser(subparsers: Subparsers) -> None:
    """Add the subcommand to the command line."""
    parser = subparsers.add_parser(
        "quantize",
        help="make a smaller form of a bundle",
        usage="dfedge quantize MODEL --out FOLDER [options]\n"
        "       dfedge quantize MODEL --compare [options]\n"
        "       dfedge quantize --list | --show RECIPE",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
    )
    model = parser.add_argument(
        "model",
        nargs="?",
        metavar="MODEL",
        help="the float32 bundle: a name, a folder or a .zip (see dfedge models list)",
    )
    names_a_file(model)
    _add_recipe(parser)
    _add_faces(parser)
    _add_limits(parser)
    _add_outputs(parser)
    add_general_options(parser)
    parser.set_defaults(handler=_run, extra="tools")


def _add_recipe(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("recipe")
    group.add_argument("--list", action="store_true", help="tell what recipes there are, and end")
    group.add_argument(
        "--show", metavar="RECIPE", help="print a recipe as JSON, a start for your own, and end"
    )
    recipe = group.add_argument(
        "--recipe",
        metavar="RECIPE",
        help="a name of --list, or a .json file (default: small; for --search weights-int8 with "
        "no layer left out)",
    )
    names_a_file(recipe)
    group.add_argument(
        "--exclude",
        action="append",
        default=[],
        metavar="PATTERN",
        help="leave out the layers with such a name, such as '*.se.*', too; may be repeated",
    )
    group.add_argument(
        "--search",
        action="store_true",
        help="find which layers to leave out for the smallest file that keeps the limits; needs "
        "--faces",
    )
    group.add_argument(
        "--probes",
        type=whole_number,
        default=16,
        metavar="N",
        help="faces on which --search ranks the layers (default: %(default)s); all else is "
        "measured on all faces",
    )
    group.add_argument(
        "--compare",
        action="store_true",
        help="measure every recipe side by side, with its speed on this machine; write nothing",
    )


def _add_faces(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("faces")
    faces = group.add_argument(
        "--faces",
        metavar="FOLDER",
        help="pictures of faces to measure and calibrate on: with a manifest.csv (path, label, "
        "split), with subfolders real and fake, or any (default: seeded noise, which tests the "
        "arithmetic only)",
    )
    names_a_file(faces)
    group.add_argument("--split", metavar="NAME", help="only this split of the manifest")
    group.add_argument(
        "--count", type=whole_number, metavar="N", help="at most N pictures, spread evenly"
    )
    group.add_argument(
        "--calibration-split",
        metavar="NAME",
        help="split whose faces set the ranges of recipes that fix them (default: the faces "
        "measured on, which flatters the result)",
    )


def _add_limits(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "limits", "What the smaller form must keep; 'none' takes a limit away."
    )
    add_limit_options(group, show_defaults=True)
    group.add_argument(
        "--force",
        action="store_true",
        help="write it though it breaks limits; its card says by its figures how much it differs",
    )


def _add_outputs(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("output")
    out = group.add_argument("--out", metavar="FOLDER", help="folder of the smaller form's bundle")
    names_a_file(out)
    group.add_argument(
        "--name", help="name of the smaller form (default: the bundle's and the recipe's)"
    )
    metrics = group.add_argument(
        "--metrics",
        metavar="FILE",
        help="JSON of figures measured on the smaller form, for its card; the large form's are "
        "not taken over",
    )
    names_a_file(metrics)
    saved = group.add_argument(
        "--save-recipe",
        metavar="FILE",
        help="write the recipe with all that is left out to a .json file, which makes the same "
        "bytes again",
    )
    names_a_file(saved)
    group.add_argument(
        "--threads",
        type=whole_number,
        metavar="N",
        help="threads of each model (default: one a core, at most 4)",
    )
    group.add_argument("--json", action="store_true", help="print JSON")
    group.add_argument("-q", "--quiet", action="store_true", help="show no progress")


def _run(args: argparse.Namespace) -> int:
    if args.list or args.show is not None:
        return _show(args)
    from dfedge_tools.quantizing import compare, job, report

    request = _request(args)
    if args.compare:
        found = compare.compare(request)
        _print(args, report.comparison_json(found), report.comparison_text(found))
        return Exit.DONE
    try:
        made = job.make(request)
    except FidelityError as error:
        sys.stderr.write(f"dfedge: {printable(str(error))}\n")
        return Exit.FAIL_ON
    _print(args, report.made_json(made), report.made_text(made))
    return Exit.FAIL_ON if made.problems else Exit.DONE


def _show(args: argparse.Namespace) -> int:
    from dfedge_tools.quantizing import recipes

    if args.show is not None:
        print(recipes.recipe_json(recipes.find_recipe(args.show)), end="")
    else:
        values = [recipes.as_values(recipe) for recipe in recipes.RECIPES]
        _print(args, values, recipes.list_text())
    return Exit.DONE


def _request(args: argparse.Namespace) -> Request:
    from dfedge_tools.quantizing.job import Request

    saved = None
    if args.save_recipe is not None:
        saved = OutputFile.prepare("--save-recipe", args.save_recipe, [])
    if args.model is None:
        raise UsageError("MODEL: is missing; give the name or folder of a float32 bundle")
    return Request(
        model=args.model,
        faces=_path(args.faces),
        split=args.split,
        limit=args.count,
        calibration_split=args.calibration_split,
        recipe=args.recipe,
        exclude=tuple(args.exclude),
        search=args.search,
        probes=args.probes,
        limits=_limits(args),
        force=args.force,
        out=_path(args.out),
        name=args.name,
        metrics=_path(args.metrics),
        save_recipe=saved,
        threads=args.threads,
        quiet=args.quiet,
    )


def _limits(args: argparse.Namespace) -> Limits:
    """The usual limits with those that were given in their place."""
    from dataclasses import replace

    from dfedge_tools.fidelity import Limits

    return replace(Limits(), **given_limits(args))


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)


def _print(args: argparse.Namespace, values: object, text: str) -> None:
    print(json.dumps(values, indent=2) if args.json else text)

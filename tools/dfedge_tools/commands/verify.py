"""``dfedge verify``: check that two forms of a model agree."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dfedge.cli.exits import Exit
from dfedge.cli.options import (
    DEVICES,
    HelpFormatter,
    Subparsers,
    add_general_options,
    names_a_file,
    whole_number,
)
from dfedge_tools.commands.limits import add_limit_options, given_limits
from dfedge_tools.commands.plots import plot_format, prepare_plot

if TYPE_CHECKING:
    from dfedge_tools.faceset import FacePicture
    from dfedge_tools.fidelity import Limits

_DESCRIPTION = """\
Check that two forms of a model agree, from the logit to the verdict: an export and its
checkpoint, a small bundle and the large one. A is the reference, B the candidate.

A and B are each a bundle (name, folder or .zip), torch: and a bundle for its weights in
torch, or a file of weights of the same architecture (.pt, .pth, .bin, .ckpt,
.safetensors).
"""

_EPILOG = """\
presets:
  same   two forms in float32 that differ by rounding: an export and its checkpoint
  small  a smaller form that changes no verdict that matters (default)
  An option takes the place of one limit of the preset; with none, anything passes.

exit codes:
  0    B agrees with A
  1    B does not agree with A: a limit is not kept, or they look at other crops
  2    nothing was compared: wrong usage, or something that cannot be read or compared
  70   a bug in dfedge; --debug shows where
  130  stopped by Ctrl-C

examples:
  dfedge verify dfedge-b0 dfedge-b0-int8
  dfedge verify dfedge-b0 dfedge-b0-int8 --faces faces/ --split val --plot change.png
  dfedge verify trained.pt ./my-bundle --limits same
  dfedge verify dfedge-b0 torch:dfedge-b0 --limits same --json
"""


def add_parser(subparsers: Subparsers) -> None:
    """Add the subcommand to the command line."""
    parser = subparsers.add_parser(
        "verify",
        help="check that two forms of a model agree",
        usage="dfedge verify [options] A B",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
    )
    names_a_file(parser.add_argument("reference", metavar="A", help="the reference"))
    names_a_file(parser.add_argument("candidate", metavar="B", help="the candidate"))
    _add_data(parser)
    _add_limits(parser)
    _add_outputs(parser)
    _add_runtime(parser)
    add_general_options(parser)
    parser.set_defaults(handler=_run, extra="tools")


def _add_data(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("faces")
    faces = group.add_argument(
        "--faces",
        type=Path,
        metavar="FOLDER",
        help="pictures of faces: with a manifest.csv (path, label 1 for fake, and perhaps "
        "video_id and split), in folders real and fake, or without labels (default: none, "
        "only the arithmetic is compared, on seeded noise)",
    )
    names_a_file(faces)
    group.add_argument("--split", metavar="NAME", help="only this split of manifest.csv")
    group.add_argument(
        "--count",
        type=whole_number,
        metavar="N",
        help="inputs at most, spread evenly over the set (default: 2000; 64 of noise, "
        "2 for a model of clips)",
    )


def _add_limits(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("limits")
    group.add_argument(
        "--limits",
        choices=("same", "small"),
        default="small",
        metavar="PRESET",
        help="same or small, see below (default: small)",
    )
    add_limit_options(group, show_defaults=False)
    group.add_argument(
        "--allow-different-input",
        action="store_true",
        help="let A and B cut or resize faces differently",
    )


def _add_outputs(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("output")
    group.add_argument("--json", action="store_true", help="print one dfedge.verification/1 object")
    plot = group.add_argument(
        "--plot",
        metavar="FILE",
        help="draw both probabilities of each face, the errors and the faces that change most: a "
        ".png or .svg",
    )
    names_a_file(plot)
    group.add_argument(
        "--worst",
        type=_up_to_16,
        default=8,
        metavar="N",
        help="faces in the picture, up to 16 (default: 8)",
    )
    group.add_argument("--quiet", action="store_true", help="no progress bar on stderr")


def _add_runtime(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("runtime")
    group.add_argument(
        "--device",
        choices=DEVICES,
        default="cpu",
        metavar="DEVICE",
        help=f"where bundles run: {', '.join(DEVICES)} (default: cpu); torch runs on the cpu",
    )
    group.add_argument(
        "--threads",
        type=whole_number,
        metavar="N",
        help="threads of each model (default: the runtime chooses)",
    )


def _run(args: argparse.Namespace) -> int:
    from dfedge_tools.verifying.sides import open_sides
    from dfedge_tools.verifying.table import render
    from dfedge_tools.verifying.verification import verify

    plot = None if args.plot is None else prepare_plot(args.plot, [args.reference, args.candidate])
    limits = _limits(args)
    pictures = _pictures(args)
    with open_sides(args.reference, args.candidate, device=args.device, threads=args.threads) as (
        reference,
        candidate,
    ):
        frames = reference.card.input.frames
        found = verify(
            reference,
            candidate,
            pictures,
            limits,
            noise=args.count or (64 if frames == 1 else 2),
            allow_different_input=args.allow_different_input,
            quiet=args.quiet,
        )
    if plot is not None:
        from dfedge_tools.verifying.picture import draw

        plot.write_bytes(draw(found, plot_format(plot), faces=args.worst))
    if args.json:
        sys.stdout.write(json.dumps(found.as_json(), indent=2) + "\n")
    else:
        sys.stdout.write(render(found))
    return Exit.DONE if found.passed else Exit.FAIL_ON


def _limits(args: argparse.Namespace) -> Limits:
    from dataclasses import replace

    from dfedge_tools.fidelity import EXACT, Limits

    return replace(EXACT if args.limits == "same" else Limits(), **given_limits(args))


def _pictures(args: argparse.Namespace) -> list[FacePicture] | None:
    from dfedge.errors import UsageError
    from dfedge_tools.faceset import read_pictures

    if args.faces is None:
        if args.split is not None:
            raise UsageError("--split: is of --faces, which was not given")
        return None
    return read_pictures(args.faces, split=args.split, limit=args.count or 2000)


def _up_to_16(text: str) -> int:
    number = whole_number(text)
    if number > 16:
        raise argparse.ArgumentTypeError(f"{text!r} is over 16")
    return number

"""Argument types and options that several subcommands share."""

from __future__ import annotations

import argparse
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from dfedge.media import MediaLimits


class Subparsers(Protocol):
    """What ``add_parser`` functions are given: argparse's list of subcommands."""

    def add_parser(
        self,
        name: str,
        *,
        help: str,  # noqa: A002 - argparse's own name
        description: str = ...,
        usage: str = ...,
        epilog: str = ...,
        formatter_class: type[argparse.HelpFormatter] = ...,
    ) -> argparse.ArgumentParser:
        """Add a subcommand and return its parser."""


SAMPLINGS = ("even", "scene", "fast")
DEVICES = ("auto", "cpu", "cuda", "tensorrt", "openvino", "coreml")
FACE_BACKENDS = ("blazeface", "mediapipe")

_COMPLETE_FILES = {
    "bash": "_shtab_compgen_files",
    "zsh": "_files",
    "fish": "(__fish_complete_path (commandline -ct))",
    "tcsh": "f",
    "powershell": "_shtab_powershell_compgen_files",
}
"""``shtab.FILE``, written out so that building the parser does not import shtab."""

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)
_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Keeps the line breaks of descriptions and leaves room for long option names."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28)


def whole_number(text: str) -> int:
    """A whole number from 1."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return number


def positive_number(text: str) -> float:
    """A finite number greater than 0."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number greater than 0")
    return number


def size(text: str) -> int:
    """Bytes: ``500MB``, ``2g`` or a plain number; units are powers of 1024."""
    match = _SIZE.fullmatch(text.strip())
    number = int(float(match[1]) * _UNITS[match[2].lower()]) if match else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 500MB or 2GB")
    return number


def names_a_file(action: argparse.Action) -> None:
    """Let the shell complete file names for this argument."""
    action.complete = _COMPLETE_FILES  # type: ignore[attr-defined]


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Which model, on what device, with which face detector."""
    group = parser.add_argument_group("model")
    model = group.add_argument(
        "--model",
        metavar="NAME",
        help="name of a bundle, a bundle folder or a .zip (default: the one that ships; "
        "see dfedge models list)",
    )
    names_a_file(model)
    group.add_argument(
        "--device",
        choices=DEVICES,
        default="auto",
        metavar="DEVICE",
        help=f"where the model runs: {', '.join(DEVICES)} (default: auto, the best that loads)",
    )
    group.add_argument(
        "--faces",
        choices=FACE_BACKENDS,
        default="blazeface",
        metavar="FINDER",
        help="who finds faces: blazeface (default), or mediapipe, which needs the extra "
        "dfedge[mediapipe]",
    )
    group.add_argument(
        "--threads",
        type=whole_number,
        metavar="N",
        help="threads of each model (default: the runtime chooses)",
    )


def add_general_options(parser: argparse.ArgumentParser) -> None:
    """Options that do not change what is computed."""
    parser.add_argument(
        "--debug",
        action="store_true",
        default=argparse.SUPPRESS,
        help="show the traceback of an error",
    )


def media_limits(*, max_bytes: int | None = None, timeout: float | None = None) -> MediaLimits:
    """The usual limits with those the user gave in their place."""
    from dfedge.media import MediaLimits

    limits = MediaLimits()
    if max_bytes is not None:
        limits = replace(limits, max_bytes=max_bytes)
    if timeout is not None:
        limits = replace(limits, max_seconds=timeout)
    return limits

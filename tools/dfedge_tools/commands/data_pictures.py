"""``dfedge data extract``, ``crops`` and ``pack``: what makes pictures of pictures, and resumes."""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from dfedge.cli.exits import Exit
from dfedge.cli.options import (
    HelpFormatter,
    Subparsers,
    names_a_file,
    whole_number,
)
from dfedge.report.wording import printable
from dfedge_tools.commands.data_options import (
    add_manifest,
    add_manifests,
    add_work_options,
    finish,
    print_result,
    share,
)

KINDS = ("tight", "expanded", "scene")
FORMATS = ("png", "jpg")

_SHOWN = 10

_EXTRACT = """\
Take frames of all videos of a manifest, up to six of each scene (cuts are found by HSV
histograms), into a folder with a manifest of its own. A picture counts as a video of one
frame. A run that was stopped or killed goes on by the same command and leaves the same
files.
"""

_CROPS = """\
Find the face in each picture of a manifest, the same person through a clip, and cut
squares around it: tight 1.1, expanded 1.5 and scene 2.0 times the face box. Each kind
gets a folder and a manifest of its own. Goes on after a stop as extract does.
"""

_PACK = """\
Decode the pictures of all manifests once, find their faces, lay each fake over the
genuine frame it was made from, and pack all into one store of Zarr shards for dfedge
train. Goes on after a stop as extract does.
"""

_EXIT_CODES = """\
exit codes:
  0    done
  2    nothing was done: wrong usage, a manifest or folder that cannot be used, a full disk
  3    done, but some files could not be used; they are named, and listed in failures.csv
  70   a bug in dfedge; --debug shows where
  130  stopped by Ctrl-C; the same command goes on from there
"""


class Report(Protocol):
    """What the three have in common."""

    @property
    def done(self) -> int:
        """Made by this run."""

    @property
    def reused(self) -> int:
        """There already."""

    @property
    def failed(self) -> int:
        """Could not be made."""

    @property
    def failures(self) -> Path:
        """CSV file of path and reason."""


def add_parsers(actions: Subparsers) -> None:
    """Add the subcommands to those of ``dfedge data``."""
    _add_extract(actions)
    _add_crops(actions)
    _add_pack(actions)


def _add_extract(actions: Subparsers) -> None:
    parser = actions.add_parser(
        "extract",
        help="take frames of videos, scene by scene",
        description=_EXTRACT,
        epilog=_EXIT_CODES + "\nexamples:\n  dfedge data extract divided.csv --out frames/\n",
        formatter_class=HelpFormatter,
    )
    add_manifest(parser)
    _add_out(parser, "frames/, manifest.csv and failures.csv")
    parser.add_argument(
        "--per-scene",
        type=whole_number,
        default=6,
        metavar="N",
        help="frames of a scene at most, evenly spaced (default: %(default)s)",
    )
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default="png",
        metavar="FORMAT",
        help="of the frames: png, which loses nothing (default), or jpg of quality 95",
    )
    add_work_options(parser)
    finish(parser, _run_extract)


def _add_crops(actions: Subparsers) -> None:
    parser = actions.add_parser(
        "crops",
        help="cut the faces out of pictures",
        description=_CROPS,
        epilog=_EXIT_CODES
        + "\nexamples:\n  dfedge data crops frames/ --out crops/ --kinds scene\n",
        formatter_class=HelpFormatter,
    )
    add_manifest(parser)
    _add_out(parser, "a folder a kind, each with a manifest.csv")
    parser.add_argument(
        "--kinds",
        nargs="+",
        choices=KINDS,
        default=list(KINDS),
        metavar="KIND",
        help="which crops: tight, expanded, scene (default: all)",
    )
    add_work_options(parser)
    finish(parser, _run_crops)


def _add_pack(actions: Subparsers) -> None:
    parser = actions.add_parser(
        "pack",
        help="pack pictures of faces for training",
        description=_PACK,
        epilog=_EXIT_CODES
        + "\nexamples:\n  dfedge data pack crops/scene/ stills.csv --out store/\n",
        formatter_class=HelpFormatter,
    )
    add_manifests(parser)
    _add_out(parser, "the store")
    parser.add_argument(
        "--align",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="look for the genuine frame behind each fake, for masks of what was changed "
        "(default: --align)",
    )
    parser.add_argument(
        "--hold-back",
        type=share,
        default=0.1,
        metavar="SHARE",
        help="share of the genuine stills without a split that is never trained on (default: 0.1)",
    )
    add_work_options(parser)
    finish(parser, _run_pack)


def _add_out(parser: argparse.ArgumentParser, what: str) -> None:
    out = parser.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help=f"folder to fill: {what}"
    )
    names_a_file(out)


def _run_extract(args: argparse.Namespace) -> int:
    from dfedge_tools.data.frames import extract_frames

    def work() -> tuple[Report, dict[str, object]]:
        report = extract_frames(
            args.manifest,
            args.out,
            per_scene=args.per_scene,
            image_format=args.format,
            workers=args.workers,
            progress=not args.quiet,
        )
        return report, {"frames": report.frames, "manifest": report.manifest}

    return _run(args, work, "videos extracted")


def _run_crops(args: argparse.Namespace) -> int:
    from dfedge_tools.data.crops import crop_faces

    def work() -> tuple[Report, dict[str, object]]:
        report = crop_faces(
            args.manifest,
            args.out,
            kinds=args.kinds,
            workers=args.workers,
            progress=not args.quiet,
        )
        return report, {"manifests": [str(path) for path in report.manifests]}

    return _run(args, work, "pictures cropped")


def _run_pack(args: argparse.Namespace) -> int:
    from dfedge_tools.data.pack import pack_manifests

    def work() -> tuple[Report, dict[str, object]]:
        report = pack_manifests(
            args.manifests,
            args.out,
            align=args.align,
            held_fraction=args.hold_back,
            workers=args.workers,
            progress=not args.quiet,
        )
        return report, {"store": args.out, "aligned": report.aligned}

    return _run(args, work, "pictures packed")


def _run(
    args: argparse.Namespace, work: Callable[[], tuple[Report, dict[str, object]]], what: str
) -> int:
    """Do the work, and tell what came of it."""
    try:
        report, more = work()
    except KeyboardInterrupt:
        sys.stderr.write("dfedge: stopped; run the same command again, and it goes on from here\n")
        return Exit.INTERRUPTED
    failures = _failures(report.failures)
    values = {
        "done": report.done,
        "reused": report.reused,
        "failed": report.failed,
        **more,
        "failures": [{"path": path, "reason": reason} for path, reason in failures],
    }
    text = [f"{report.done:,} {what}, {report.reused:,} there already, {report.failed:,} failed"]
    for name, value in more.items():
        listed = value if isinstance(value, list) else [value]
        text.append(f"{name}: {', '.join(str(item) for item in listed)}")
    print_result(args, values, "\n".join(text))
    if not failures:
        return Exit.DONE
    for path, reason in failures[:_SHOWN]:
        sys.stderr.write(f"dfedge: {printable(path)}: {printable(reason)}\n")
    sys.stderr.write(f"dfedge: problems: {len(failures):,}, listed in {report.failures}\n")
    return Exit.UNREADABLE


def _failures(path: Path) -> list[tuple[str, str]]:
    """Also of files of which only a part could be used."""
    with path.open(newline="", encoding="utf-8") as file:
        return [(row["path"], row["reason"]) for row in csv.DictReader(file)]

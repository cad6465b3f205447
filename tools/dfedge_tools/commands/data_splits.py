"""``dfedge data split`` and ``check``: what may be trained on, and what leaks."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from dfedge.cli.exits import Exit
from dfedge.cli.options import HelpFormatter, Subparsers, names_a_file
from dfedge.cli.outputs import OutputFile
from dfedge.errors import UsageError
from dfedge_tools.commands.data_options import (
    add_manifest,
    add_manifests,
    add_work_options,
    finish,
    print_result,
    share,
)

_SPLIT = """\
Divide a manifest into train, val and test so that no person and no source video is on two
sides: what shares a target, a source, a clip or an original stays together. Rows that have
a split keep it. A hash of the names decides, so that data added later move nothing.
"""
_SPLIT_EPILOG = """\
exit codes:
  0    done
  1    written, but the split that was given has people or clips on several sides
  2    nothing was written: wrong usage, or a manifest that cannot be used
  70   a bug in dfedge; --debug shows where

examples:
  dfedge data split ffpp.csv --out divided.csv
  dfedge data split stills.csv --out divided.csv --shares 100 0 0 --hold-back 0.1
  dfedge data split celebdf.csv --out divided.csv --ignore-official --drop-crossing
"""

_CHECK = """\
Look for what two splits share and must not: people, clips and originals, equal files
(sha256), and pictures that look alike (perceptual hash). Several manifests are checked as
one, such as those of training and of an evaluation on other data.
"""
_CHECK_EPILOG = """\
exit codes:
  0    no leaks
  1    leaks were found; they are named
  2    nothing was checked: wrong usage, or a manifest that cannot be used
  3    no leaks, but some files could not be read; they are named
  70   a bug in dfedge; --debug shows where
  130  stopped by Ctrl-C

examples:
  dfedge data check divided.csv
  dfedge data check train.csv other-data.csv --json
"""


def add_parsers(actions: Subparsers) -> None:
    """Add the subcommands to those of ``dfedge data``."""
    _add_split(actions)
    _add_check(actions)


def _add_split(actions: Subparsers) -> None:
    parser = actions.add_parser(
        "split",
        help="divide a manifest by person and source video",
        description=_SPLIT,
        epilog=_SPLIT_EPILOG,
        formatter_class=HelpFormatter,
    )
    add_manifest(parser)
    out = parser.add_argument("--out", required=True, metavar="FILE", help="manifest to write")
    names_a_file(out)
    parser.add_argument(
        "--shares",
        nargs=3,
        type=float,
        default=(80, 10, 10),
        metavar=("TRAIN", "VAL", "TEST"),
        help="how the rest is shared out; only the ratio counts (default: 80 10 10)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="another division (default: %(default)s)"
    )
    parser.add_argument(
        "--hold-back",
        type=share,
        default=0.0,
        metavar="SHARE",
        help="share of the genuine stills of each source that nothing is ever trained on, to "
        "measure false alarms (default: 0)",
    )
    parser.add_argument(
        "--balanced",
        action="store_true",
        help="keep the shares for every source, method and compression as well as can be; for few "
        "people, where a hash alone is uneven. Data added later may move others, unless --keep",
    )
    keep = parser.add_argument(
        "--keep",
        type=Path,
        metavar="MANIFEST",
        help="an earlier division: what it lists stays where it put it",
    )
    names_a_file(keep)
    parser.add_argument(
        "--ignore-official", action="store_true", help="divide anew what has a split already"
    )
    parser.add_argument(
        "--drop-crossing",
        action="store_true",
        help="divide the targets alone and leave out fakes whose source is on another side; for "
        "data sets where everybody's face is on everybody",
    )
    finish(parser, _run_split)


def _add_check(actions: Subparsers) -> None:
    parser = actions.add_parser(
        "check",
        help="look for leaks between splits",
        description=_CHECK,
        epilog=_CHECK_EPILOG,
        formatter_class=HelpFormatter,
    )
    add_manifests(parser)
    parser.add_argument(
        "--names-only",
        action="store_true",
        help="compare what the manifests tell, and read no file",
    )
    parser.add_argument(
        "--max-distance",
        type=_bits,
        metavar="BITS",
        help="of 256, in which pictures that look alike differ at most (default: 40)",
    )
    add_work_options(parser)
    finish(parser, _run_check)


def _run_split(args: argparse.Namespace) -> int:
    from dfedge_tools.data.leaks import find_leaks
    from dfedge_tools.data.manifest import Manifest, read_manifest, write_manifest
    from dfedge_tools.data.split import divide
    from dfedge_tools.data.summary import counts, counts_text

    out = OutputFile.prepare("--out", args.out, [str(args.manifest)])
    manifest = read_manifest(args.manifest)
    samples = manifest.samples
    if args.ignore_official:
        samples = tuple(replace(sample, split="") for sample in samples)
    if args.keep is not None:
        before = {sample.path: sample.split for sample in read_manifest(args.keep).samples}
        samples = tuple(replace(s, split=before.get(s.path) or s.split) for s in samples)
    division = divide(
        samples,
        shares=args.shares,
        seed=args.seed,
        held=args.hold_back,
        balanced=args.balanced,
        drop_crossing=args.drop_crossing,
    )
    divided = Manifest(manifest.root, division.samples)
    leaks = find_leaks([divided], read_files=False)
    write_manifest(out.target, divided)
    values = {
        "schema": "dfedge.split/1",
        "manifest": args.out,
        "splits": counts(division.samples),
        "components": division.components,
        "largest": division.largest,
        "left_out": [sample.path for sample in division.left_out],
        "leaks": leaks.count,
    }
    text = [
        f"{len(samples):,} rows in {division.components:,} groups, {division.largest:,} in one",
        counts_text(division.samples),
    ]
    if division.left_out:
        text.append(f"left out, as they belong to several sides: {len(division.left_out):,} rows")
    if leaks.count:
        people, clips = len(leaks.identities), len(leaks.clips)
        text.append(
            f"the split that was given has {people:,} people and {clips:,} clips on several sides "
            "(dfedge data check names them); --ignore-official divides anew"
        )
    print_result(args, values, "\n".join(text))
    return Exit.FAIL_ON if leaks.count else Exit.DONE


def _run_check(args: argparse.Namespace) -> int:
    from dfedge_tools.data.leaks import find_leaks
    from dfedge_tools.data.looks import MAX_DISTANCE
    from dfedge_tools.data.manifest import read_manifest
    from dfedge_tools.data.summary import leaks_text

    manifests = [read_manifest(path) for path in args.manifests]
    if len({s.split for m in manifests for s in m.samples} - {""}) == 0:
        raise UsageError(f"{args.manifests[0]}: no row has a split; dfedge data split gives one")
    leaks = find_leaks(
        manifests,
        read_files=not args.names_only,
        max_distance=MAX_DISTANCE if args.max_distance is None else args.max_distance,
        workers=args.workers,
        progress=not args.quiet,
    )
    print_result(args, leaks.as_json(), leaks_text(leaks))
    if leaks.count:
        return Exit.FAIL_ON
    return Exit.UNREADABLE if leaks.unreadable else Exit.DONE


def _bits(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= 256):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to 256")
    return int(text)

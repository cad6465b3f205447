"""``dfedge explain``: show what in a face a model looked at."""

from __future__ import annotations

import argparse
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

if TYPE_CHECKING:
    from dfedge.bundles.bundle import Bundle
    from dfedge.bundles.card import DetectorCard
    from dfedge_models import DetectorModel
    from dfedge_tools.explaining.results import Explanations, SourceResult
    from dfedge_tools.scorers import OnnxScorer

METHODS = (
    "hirescam",
    "gradcam-elementwise",
    "layercam",
    "eigengradcam",
    "gradcam++",
    "xgradcam",
    "occlusion",
)
"""As the explainer knows them; a test holds the two together."""
DEFAULT_FRAMES = 4

_DESCRIPTION = """\
Show what in a face raised a model's score: maps by several methods and layers, side
by side with how faithful each is to the model, and a short video of each clip.

MODEL is a bundle (name, folder or .zip). SOURCE is a picture, a clip, a folder or an
address. Of several people the most suspicious is explained. Maps show what moved the
score. They are no proof of a forgery, and do not show where one is.
"""

_EPILOG = """\
All but occlusion need gradients, so torch weights: those of the bundle are recovered
(about half a minute), or read from --checkpoint. Where that cannot be done,
--methods occlusion needs none.

exit codes:
  0    done
  2    nothing was done: wrong usage, or a model, weights or folder that cannot be used
  3    some sources could not be explained (unreadable, or no face); each says why
  70   a bug in dfedge; --debug shows where
  130  stopped by Ctrl-C; nothing is written

examples:
  dfedge explain dfedge-b0 clip.mp4 --out why
  dfedge explain dfedge-b0-int8 photos/ --out why --methods occlusion
  dfedge explain my-bundle clip.mp4 --checkpoint weights.pt --out why --save-maps
"""


def add_parser(subparsers: Subparsers) -> None:
    """Add the subcommand to the command line."""
    parser = subparsers.add_parser(
        "explain",
        help="show what in a face a model looked at",
        usage="dfedge explain [options] MODEL SOURCE [SOURCE ...] --out DIR",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
    )
    add = parser.add_argument
    names_a_file(add("model", metavar="MODEL", help="whose scores are explained"))
    names_a_file(add("sources", nargs="+", metavar="SOURCE", help="what to look at"))
    names_a_file(add("--out", required=True, metavar="DIR", help="new folder to write"))
    checkpoint = add("--checkpoint", metavar="FILE", help="torch weights of the bundle")
    names_a_file(checkpoint)
    _add_map_options(parser)
    _add_other_options(parser)
    add_general_options(parser)
    parser.set_defaults(handler=_run, extra="tools")


def _add_map_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("maps").add_argument
    add(
        "--methods",
        type=_methods,
        metavar="LIST",
        help=f"of {', '.join(METHODS)}, on every layer (default: the first three on low layers, "
        "the next three on middle and high ones, and occlusion)",
    )
    add(
        "--target",
        choices=("fake", "real"),
        default="fake",
        metavar="TARGET",
        help="what coloured places speak for: fake (default) or real",
    )
    add(
        "--frames",
        type=whole_number,
        default=DEFAULT_FRAMES,
        metavar="N",
        help=f"frames of a clip to explain (default: {DEFAULT_FRAMES})",
    )
    add(
        "--track",
        type=_track,
        metavar="N",
        help="track_id of the person to explain, from 0 (default: the most suspicious)",
    )
    add(
        "--one-view",
        action="store_true",
        help="do not average maps over ten moved and mirrored views: quicker and coarser",
    )
    add("--no-scores", action="store_true", help="do not judge how faithful the maps are")
    add("--no-video", action="store_true", help="no video of clips")
    add("--save-maps", action="store_true", help="also write each map as a .npy of float32")


def _add_other_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--threads", type=whole_number, metavar="N", help="of the model (default: 1)", default=1)
    add("--json", action="store_true", help="print explanations.json instead of a summary")
    add("--quiet", action="store_true", help="no progress bar and no notes on stderr but errors")


def _run(args: argparse.Namespace) -> int:
    import torch

    from dfedge.bundles.store import resolve_detector
    from dfedge.media import expand_inputs
    from dfedge_tools.explaining.explainer import Explainer
    from dfedge_tools.explaining.run import Options, explain_all, output_folder
    from dfedge_tools.scorers import OnnxScorer

    torch.set_num_threads(args.threads)  # more would spin and wait for each other on small maps
    bundle, card = resolve_detector(args.model)
    _refuse_clip_models(card)
    sources = expand_inputs(args.sources)
    options = Options(
        frames=args.frames,
        track=args.track,
        scores=not args.no_scores,
        video=not args.no_video,
        save_maps=args.save_maps,
        quiet=args.quiet,
    )
    with (
        output_folder(Path(args.out)) as folder,
        OnnxScorer(bundle, card, threads=args.threads) as scorer,
    ):
        explainer = Explainer(
            card=card,
            scorer=scorer,
            model=_weights(args, bundle, card, scorer),
            methods=args.methods,
            target=args.target,
            one_view=args.one_view,
        )
        results = explain_all(sources, folder, bundle, explainer, options, tell=_say)
    _report(results, args)
    return Exit.UNREADABLE if results.failures else Exit.DONE


def _refuse_clip_models(card: DetectorCard) -> None:
    from dfedge.errors import UsageError

    if card.input.frames != 1:
        raise UsageError(
            f"{card.name} scores {card.input.frames} frames at once; only models of single "
            "pictures can be explained"
        )


def _weights(
    args: argparse.Namespace, bundle: Bundle, card: DetectorCard, scorer: OnnxScorer
) -> DetectorModel | None:
    """The torch model, or None where occlusion is all that is wanted or all that can be had."""
    from dfedge.errors import UsageError
    from dfedge_tools.explaining.weights import check_weights, open_weights

    if args.methods == ("occlusion",):
        return None
    checkpoint = Path(args.checkpoint) if args.checkpoint else None
    if checkpoint is None and not args.quiet:
        _say("recovering the bundle's weights (about half a minute; --checkpoint FILE reads them)")
    try:
        model = open_weights(bundle, card, checkpoint)
    except UsageError as error:
        if checkpoint is not None or args.methods is not None:
            raise
        _say(f"{error}. Going on with occlusion alone")
        return None
    check_weights(model, scorer, card)
    return model


def _report(results: Explanations, args: argparse.Namespace) -> None:
    from dfedge_tools.explaining.results import PAGE_NAME, as_json

    if args.json:
        sys.stdout.write(as_json(results) + "\n")
        return
    for source in results.sources:
        print(_summary(source))
    if results.sources:
        print(f"see {Path(args.out) / PAGE_NAME}")


def _summary(source: SourceResult) -> str:
    """One line a source, and the map that is most faithful over its faces."""
    from dfedge.report.wording import count, percent, person, printable

    head = (
        f"{printable(source.name)}: {person(source.track_id)}, {source.label.value}, "
        f"P(fake) {percent(source.fake_probability)}, {count(len(source.faces), 'face')} explained"
    )
    scores: dict[str, float] = {}
    for face in source.faces:
        for each in face.maps:
            if each.faithfulness is not None:
                scores[each.name] = scores.get(each.name, 0.0) + each.faithfulness.road
    if not scores:
        return head
    best = max(scores, key=lambda name: scores[name])
    random = sum(face.random.road for face in source.faces if face.random is not None)
    faces = len(source.faces)
    return (
        f"{head}\n  most faithful: {best}, ROAD {scores[best] / faces:+.3f} "
        f"(a random map {random / faces:+.3f})"
    )


def _methods(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    unknown = [name for name in names if name not in METHODS]
    if unknown or not names:
        raise argparse.ArgumentTypeError(
            f"{text!r}: there is no method {unknown[0] if unknown else ''!r}; choose of "
            f"{', '.join(METHODS)}"
        )
    return names


def _track(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a track_id: a whole number from 0")
    return int(text)


def _say(text: str) -> None:
    from dfedge.report.wording import printable

    sys.stderr.write(f"dfedge: {printable(text)}\n")

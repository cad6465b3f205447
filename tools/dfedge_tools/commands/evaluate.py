"""``dfedge evaluate``: how good a detector is, on which pictures, and how sure that is."""

from __future__ import annotations

import argparse
import shlex
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
from dfedge.cli.outputs import OutputFile
from dfedge.errors import UsageError

if TYPE_CHECKING:
    from dfedge_tools.evaluating.job import Request

_DESCRIPTION = """\
Measure a detector on labelled clips and pictures, scored exactly as the SDK scores them:
at the level of frames, videos and identities, each figure with its 95% interval over
identities; by method, compression, source, face size, sharpness and light; false alarms
on genuine stills; and, with --robustness, under compression, blur, noise and bad crops.

Scores of an earlier run (--scores) and other people's prediction files (--predictions) are
measured in the same way. What the data cannot tell is "not defined", never a number.
"""

_EPILOG = """\
exit codes:
  0    done, and within --max-false-alarms and --max-group-false-alarms if given
  1    done, but there were more false alarms than those allow
  2    nothing was done: wrong usage, or a bundle or input that cannot be used
  3    done, but some pictures or videos could not be read; they are listed on stderr
  70   a bug in dfedge; --debug shows where
  130  stopped by Ctrl-C; nothing was written
When 1 and 3 both hold the code is 1.

examples:
  dfedge evaluate dfedge-b0-int8 --data frames/ --split val --stills stills/ --out results/
  dfedge evaluate my-bundle/ --data videos/ --robustness --sample 40 --out results/
  dfedge evaluate dfedge-b0 --scores results/scores.csv --max-false-alarms 0.02
  dfedge evaluate --predictions result_dfdc.json result_celeb.json --out others/
"""


def add_parser(subparsers: Subparsers) -> None:
    """Add the subcommand to the command line."""
    parser = subparsers.add_parser(
        "evaluate",
        help="measure a detector on labelled clips, or scores that are there already",
        usage="dfedge evaluate MODEL --data PLACE [options]\n"
        "       dfedge evaluate [MODEL] --scores FILE [options]\n"
        "       dfedge evaluate --predictions FILE [FILE ...] [options]",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
    )
    model = parser.add_argument(
        "model",
        nargs="?",
        metavar="MODEL",
        help="a bundle: name, folder or .zip; with --scores its calibration and thresholds",
    )
    names_a_file(model)
    _add_inputs(parser)
    _add_what(parser)
    _add_limits(parser)
    _add_outputs(parser)
    _add_runtime(parser)
    add_general_options(parser)
    parser.set_defaults(handler=_run, extra="tools")


def _add_inputs(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("input")
    data = group.add_argument(
        "--data",
        type=Path,
        metavar="PLACE",
        help="labelled clips or pictures: a manifest.csv or its folder, a store of crops, or a "
        "folder with real and fake (pictures, folders of frames, videos)",
    )
    names_a_file(data)
    group.add_argument(
        "--split",
        metavar="NAME",
        help="of --data, where it has splits (default: val; all: everything)",
    )
    stills = group.add_argument(
        "--stills",
        type=Path,
        metavar="PLACE",
        help="genuine stills, for false alarms: their split held, or the tenth of each source "
        "that training keeps back",
    )
    names_a_file(stills)
    scores = group.add_argument(
        "--scores", type=Path, metavar="FILE", help="scores.csv of an earlier run, or of training"
    )
    names_a_file(scores)
    predictions = group.add_argument(
        "--predictions",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="GenConViT's result JSON, or CSV or JSON with name, label and score; a data set each",
    )
    names_a_file(predictions)
    group.add_argument(
        "--score-is",
        choices=("auto", "fake", "label", "logit"),
        default="auto",
        metavar="WHAT",
        help="of --predictions: fake for P(fake), label for the probability of the stated label, "
        "logit for a logit or margin (default: auto, and the report says what was taken)",
    )


def _add_what(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what is measured")
    group.add_argument(
        "--robustness",
        action="store_true",
        help="score again under JPEG, H.264, resizing, blur, noise and crops that are off",
    )
    group.add_argument(
        "--sample",
        type=whole_number,
        metavar="N",
        help="clips for --robustness, the same every time, spread over labels, methods and "
        "compressions (default: 40)",
    )
    group.add_argument(
        "--frames",
        type=whole_number,
        metavar="N",
        help="frames looked at in a video (default: as dfedge detect)",
    )
    group.add_argument(
        "--least",
        type=whole_number,
        default=3,
        metavar="N",
        help="fakes, or genuine ones, below which a figure that needs them is not defined "
        "(default: %(default)s)",
    )


def _add_limits(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("limits")
    group.add_argument(
        "--max-false-alarms",
        type=_share,
        metavar="X",
        help="largest share called FAKE of the genuine stills (without --stills: of all that is "
        "genuine), such as 0.02",
    )
    group.add_argument(
        "--max-group-false-alarms",
        type=_share,
        metavar="X",
        help="the same of each source, such as 0.04",
    )


def _add_outputs(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("output")
    out = group.add_argument(
        "--out",
        metavar="FOLDER",
        help="write report.html, metrics.json and scores.csv here",
    )
    names_a_file(out)
    group.add_argument(
        "--no-pictures",
        action="store_true",
        help="keep pictures out of the report: for data that may not be copied",
    )
    group.add_argument(
        "--worst",
        type=whole_number,
        default=24,
        metavar="N",
        help="mistakes shown in the report (default: %(default)s)",
    )
    metrics = group.add_argument(
        "--metrics", metavar="FILE", help="write the figures as dfedge export --metrics takes them"
    )
    names_a_file(metrics)
    group.add_argument("--json", action="store_true", help="print one dfedge.evaluation/1 object")
    group.add_argument("--quiet", action="store_true", help="no progress bar on stderr")


def _add_runtime(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("runtime")
    group.add_argument(
        "--device",
        choices=DEVICES,
        default="cpu",
        metavar="DEVICE",
        help=f"where the model runs: {', '.join(DEVICES)} (default: cpu)",
    )
    group.add_argument(
        "--threads",
        type=whole_number,
        metavar="N",
        help="threads of each model (default: the runtime chooses)",
    )


def _run(args: argparse.Namespace) -> int:
    _check(args)
    outputs = _outputs(args)
    from dfedge_tools.evaluating.job import run
    from dfedge_tools.evaluating.text import render

    done = run(_request(args))
    for name, output in outputs.items():
        output.write_bytes(done.files[name]())
    if args.json:
        sys.stdout.write(done.files["metrics.json"]().decode())
    else:
        sys.stdout.write(render(done.found))
    for problem in done.found.unreadable:
        print(f"error: {problem}", file=sys.stderr)
    if done.found.exceeded:
        return Exit.FAIL_ON
    return Exit.UNREADABLE if done.found.unreadable else Exit.DONE


def _check(args: argparse.Namespace) -> None:
    """One kind of input, and only the options that belong to it."""
    given = [n for n in ("data", "scores", "predictions") if getattr(args, n) is not None]
    if not given and args.stills is not None:
        given = ["data"]
    if len(given) != 1:
        raise UsageError("give one of --data, --scores and --predictions, to say what to evaluate")
    (kind,) = given
    if kind == "data" and args.model is None:
        raise UsageError("--data: name the MODEL that is to score it, such as dfedge-b0-int8")
    if kind == "predictions" and args.model is not None:
        raise UsageError(f"--predictions: has scores of its own; leave out {args.model}")
    if kind != "data":
        for name in ("split", "stills", "frames", "robustness"):
            if getattr(args, name):
                raise UsageError(f"--{name}: is of --data, which was not given")
    if args.sample is not None and not args.robustness:
        raise UsageError("--sample: is of --robustness, which was not given")
    if args.split is not None and args.data is None:
        raise UsageError("--split: is of --data, which was not given")


def _outputs(args: argparse.Namespace) -> dict[str, OutputFile]:
    """Each file to write, proved writable."""
    inputs = [str(p) for p in (args.scores, *(args.predictions or ())) if p is not None]
    outputs = {}
    if args.out is not None:
        folder = Path(args.out)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"--out {args.out}: {error.strerror}; choose another place") from error
        for name in ("report.html", "metrics.json", "scores.csv"):
            outputs[name] = OutputFile.prepare("--out", str(folder / name), inputs)
    if args.metrics is not None:
        outputs["card"] = OutputFile.prepare("--metrics", args.metrics, inputs)
    return outputs


def _request(args: argparse.Namespace) -> Request:
    from dfedge_tools.evaluating.job import Request
    from dfedge_tools.evaluating.robustness import SAMPLE

    return Request(
        model=args.model,
        data=args.data,
        split=args.split,
        stills=args.stills,
        scores=args.scores,
        predictions=tuple(args.predictions or ()),
        score_is=args.score_is,
        sample=(args.sample or SAMPLE) if args.robustness else 0,
        frames=args.frames,
        least=args.least,
        max_false_alarms=args.max_false_alarms,
        max_group_false_alarms=args.max_group_false_alarms,
        pictures=args.out is not None and not args.no_pictures,
        worst=args.worst,
        device=args.device,
        threads=args.threads,
        quiet=args.quiet,
        command=_command(args),
    )


def _command(args: argparse.Namespace) -> str:
    """The command as it would be typed again, without where its output goes."""
    words = ["dfedge", "evaluate"]
    words += [args.model] if args.model else []
    for name in ("data", "split", "stills", "scores", "sample", "frames"):
        value = getattr(args, name)
        words += [f"--{name}", str(value)] if value is not None else []
    words += ["--predictions", *map(str, args.predictions)] if args.predictions else []
    words += ["--score-is", args.score_is] if args.score_is != "auto" else []
    words += ["--robustness"] if args.robustness else []
    words += ["--least", str(args.least)] if args.least != 3 else []
    for name in ("max_false_alarms", "max_group_false_alarms"):
        value = getattr(args, name)
        words += [f"--{name.replace('_', '-')}", f"{value:g}"] if value is not None else []
    return shlex.join(words)


def _share(text: str) -> float:
    """A number from 0 to 1."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share from 0 to 1")
    return number

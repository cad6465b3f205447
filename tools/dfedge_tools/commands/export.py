"""``dfedge export``: turn trained weights into a bundle for a target."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dfedge.cli.exits import Exit
from dfedge.cli.options import (
    HelpFormatter,
    Subparsers,
    add_general_options,
    names_a_file,
    whole_number,
)
from dfedge.cli.terminal import is_terminal
from dfedge.errors import UsageError

if TYPE_CHECKING:
    from dfedge.bundles.card import Metric
    from dfedge_tools.exporting.exporter import Exported, Source
    from dfedge_tools.exporting.graph import Progress
    from dfedge_tools.exporting.operators import OperatorCheck
    from dfedge_tools.exporting.targets import Target

_DESCRIPTION = """\
Turn trained weights, or a float32 bundle, into a bundle for a target: cpu, web (ONNX Runtime
Web), mobile (ORT format) or jetson (TensorRT). The graph is compared with torch and with every
form it is brought into, and its operators with those of the target; a graph that gives other
numbers is not written.
"""

_EPILOG = """\
exit codes:
  0    done
  1    done, but the bundle is outside the target's limits: too large, or an operator is missing
  2    nothing was done: wrong usage, weights that do not fit, or a graph with other numbers
  70   a bug in dfedge; --debug shows where
  130  stopped by Ctrl-C; nothing was written

examples:
  dfedge export --arch ms_eff_gcvit_b0 --checkpoint b0.pt --out bundles/b0
  dfedge export --bundle dfedge-b0 --target web --out bundles/b0-web
  dfedge export --bundle dfedge-b0 --target jetson --out b0-jetson \\
      --set 'batch={"smallest": 1, "usual": 4, "largest": 16}'
  dfedge export --show-target web > my-web.json
"""

_OPSETS = (18, 23)
_STEPS = 6
"""Of the progress bar, about."""
_NAMED_NODES = 3
"""Nodes that are named for each missing operator; --json has all."""


def add_parser(subparsers: Subparsers) -> None:
    """Add the subcommand to the command line."""
    parser = subparsers.add_parser(
        "export",
        help="turn trained weights into a bundle for a target",
        usage="dfedge export (--arch NAME --checkpoint FILE | --bundle NAME) --out DIR [options]",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
    )
    _add_source_options(parser)
    _add_target_options(parser)
    group = parser.add_argument_group("output")
    out = group.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder of the bundle; an older bundle of the same name in it is replaced",
    )
    names_a_file(out)
    group.add_argument("--json", action="store_true", help="print JSON")
    group.add_argument("--quiet", action="store_true", help="no progress bar")
    add_general_options(parser)
    parser.set_defaults(handler=_run, extra="tools")


def _add_source_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("source")
    group.add_argument(
        "--arch", metavar="NAME", help="architecture of the weights; a wrong name lists them all"
    )
    files = [
        group.add_argument(
            "--checkpoint", type=Path, metavar="FILE", help="the weights: a torch state dict"
        )
    ]
    group.add_argument(
        "--bundle",
        metavar="NAME",
        help="a float32 bundle in place of weights: its name, folder or .zip",
    )
    files.append(
        group.add_argument(
            "--description",
            type=Path,
            metavar="FILE",
            help="JSON with name, version, summary, licence, provenance, limits, quality and "
            "min_usable_frames, and, if wanted, metrics and crop; without it the card says that "
            "nothing is known",
        )
    )
    files.append(
        group.add_argument(
            "--decision",
            type=Path,
            metavar="FILE",
            help="decision.json of dfedge calibrate; without it the model always says UNCERTAIN",
        )
    )
    files.append(
        group.add_argument(
            "--metrics",
            type=Path,
            metavar="FILE",
            help="figures of the new bundle for its card, by dfedge evaluate --metrics",
        )
    )
    group.add_argument(
        "--img-size",
        type=whole_number,
        metavar="PIXELS",
        help="side of the input, if not the architecture's own",
    )
    group.add_argument(
        "--name",
        help="of the new bundle (default: the description's; of a bundle, its name and the target)",
    )
    for action in files:
        names_a_file(action)


def _add_target_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("target")
    target = group.add_argument(
        "--target",
        default="cpu",
        metavar="TARGET",
        help="cpu (default), web, mobile, jetson, or a JSON file as --show-target prints it",
    )
    names_a_file(target)
    group.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change a field of the target, such as weights=fp16 or max_megabytes=5; repeatable",
    )
    group.add_argument(
        "--opset",
        type=int,
        choices=range(_OPSETS[0], _OPSETS[1] + 1),
        metavar="N",
        help=f"ONNX opset, {_OPSETS[0]} to {_OPSETS[1]} (default: the target's, 20)",
    )
    group.add_argument(
        "--show-target",
        metavar="TARGET",
        help="print a target as JSON, with what --set changes, and do nothing else",
    )


def _run(args: argparse.Namespace) -> int:
    from dfedge_tools.exporting.exporter import write_for_target
    from dfedge_tools.exporting.targets import find_target, override, show

    if args.opset is not None and args.bundle is not None:
        raise UsageError("--opset: a bundle's graph keeps its opset; export from the checkpoint")
    settings = [*args.set, *([f"opset={args.opset}"] if args.opset is not None else [])]
    target = override(find_target(args.show_target or args.target), settings)
    if args.show_target is not None:
        print(show(target))
        return Exit.DONE
    if args.out is None:
        raise UsageError("--out: is missing; give the folder of the new bundle")
    with _progress(quiet=args.quiet) as progress:
        source = _source(args, target, progress)
        exported = write_for_target(source, args.out, target, progress=progress)
    if args.json:
        sys.stdout.write(json.dumps(_values(args.out, exported), indent=2) + "\n")
    else:
        print("\n".join(_lines(args.out, exported)))
    for problem in exported.problems:
        sys.stderr.write(f"dfedge: outside the limits of {target.target}: {problem}\n")
    return Exit.FAIL_ON if exported.problems else Exit.DONE


def _source(args: argparse.Namespace, target: Target, progress: Progress) -> Source:
    """What the options name, read and checked."""
    if args.bundle is not None:
        return _bundle_source(args, target)
    for option, value in (("--arch", args.arch), ("--checkpoint", args.checkpoint)):
        if value is None:
            raise UsageError(f"{option}: is missing; give --arch and --checkpoint, or --bundle")
    return _checkpoint_source(args, target, progress)


def _bundle_source(args: argparse.Namespace, target: Target) -> Source:
    from dfedge.bundles.store import resolve_detector
    from dfedge_tools.exporting.exporter import from_bundle

    for name in ("arch", "checkpoint", "description", "decision", "img_size"):
        if getattr(args, name) is not None:
            option = name.replace("_", "-")
            raise UsageError(f"--{option}: does not go with --bundle, whose card says it already")
    bundle, card = resolve_detector(args.bundle)
    name = args.name or f"{card.name}-{target.target}"
    return from_bundle(bundle, card, name=name, target=target, metrics=_metrics(args))


def _checkpoint_source(args: argparse.Namespace, target: Target, progress: Progress) -> Source:
    import msgspec

    import dfedge_models
    from dfedge_tools.exporting.bundle import (
        UNCALIBRATED,
        DecisionNumbers,
        Description,
        plain_description,
        read_json,
    )
    from dfedge_tools.exporting.checkpoint import load_checkpoint
    from dfedge_tools.exporting.exporter import from_model

    if args.arch not in dfedge_models.names():
        raise UsageError(f"--arch {args.arch}: is none of {', '.join(dfedge_models.names())}")
    progress("loading the weights")
    try:
        size = {} if args.img_size is None else {"img_size": args.img_size}
        model = dfedge_models.create(args.arch, **size)
    except ValueError as error:
        raise UsageError(f"--img-size: {error}") from error
    load_checkpoint(model, args.checkpoint)
    if args.description is None:
        description = plain_description(args.arch, args.checkpoint)
    else:
        description = read_json(args.description, Description, option="--description")
    if args.metrics is not None:
        description = msgspec.structs.replace(description, metrics=_metrics(args))
    if args.name is not None:
        description = msgspec.structs.replace(description, name=args.name)
    decision = UNCALIBRATED
    if args.decision is not None:
        decision = read_json(args.decision, DecisionNumbers, option="--decision")
    return from_model(
        model,
        architecture=args.arch,
        description=description,
        decision=decision,
        target=target,
        progress=progress,
    )


def _metrics(args: argparse.Namespace) -> tuple[Metric, ...]:
    """Figures for the card; none without the option."""
    from dfedge.bundles.card import Metric
    from dfedge_tools.exporting.bundle import read_json

    if args.metrics is None:
        return ()
    return read_json(args.metrics, tuple[Metric, ...], option="--metrics")


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Progress]:
    """A bar of steps while somebody is looking."""
    if quiet or not is_terminal(sys.stderr):
        yield lambda step: None
        return
    from tqdm import tqdm

    with tqdm(
        total=_STEPS,
        file=sys.stderr,
        leave=False,
        dynamic_ncols=True,
        bar_format="{desc:28}|{bar:30}| {elapsed}",
    ) as bar:

        def step(name: str) -> None:
            bar.set_description_str(name, refresh=False)
            bar.update()

        yield step


def _lines(out: Path, exported: Exported) -> Iterator[str]:
    """The report for people."""
    from dfedge_tools.exporting.exporter import trtexec_command

    card, report, found = exported.card, exported.report, exported.agreement
    assert card.deployment is not None
    size = exported.model_bytes / 1e6
    yield f"{out}: {card.name} {card.version} for {card.deployment.target}, {size:.1f} MB"
    if report is None:
        yield f"graph      {exported.nodes} nodes, opset {card.opset}, of the bundle"
    else:
        yield f"graph      {exported.nodes} nodes, opset {card.opset}, {report.simplified}"
        batches = ", ".join(map(str, report.batch_sizes))
        yield (
            f"torch      largest difference of a logit {report.max_difference:.2g} "
            f"(batches of {batches})"
        )
    if card.quantization is not None:
        yield f"recipe     {card.quantization.recipe}"
    if found is not None:
        yield (
            f"form       largest difference of a logit {found.max_logit_error:.2g}, of P(fake) "
            f"{found.max_probability_change:.2g} ({found.data})"
        )
    for check in exported.operators:
        yield from _operator_lines(check)
    for usability in exported.usability:
        yield f"phone      {usability}"
    if card.deployment.target == "jetson" and card.deployment.batch is not None:
        yield f"engine     {trtexec_command(card)}"


def _operator_lines(check: OperatorCheck) -> Iterator[str]:
    if not check.missing:
        yield f"operators  {check.name}: has all"
    for entry in check.missing:
        names = ", ".join(entry.nodes[:_NAMED_NODES])
        more = len(entry.nodes) - _NAMED_NODES
        yield (
            f"operators  {check.name}: lacks {entry.operator} of opset {entry.since} "
            f"({names}{f' and {more} more' if more > 0 else ''}), "
            f"{check.fallback or 'so the model does not run'}"
        )


def _values(out: Path, exported: Exported) -> dict[str, Any]:
    """The report as JSON has it."""
    from dataclasses import asdict

    import msgspec

    card = exported.card
    return {
        "path": str(out),
        "name": card.name,
        "version": card.version,
        "deployment": msgspec.to_builtins(card.deployment),
        "size_bytes": exported.model_bytes,
        "nodes": exported.nodes,
        "opset": card.opset,
        "torch": None if exported.report is None else asdict(exported.report),
        "recipe": None if card.quantization is None else card.quantization.recipe,
        "form": None if exported.agreement is None else exported.agreement.as_json(),
        "operators": [asdict(check) | {"runs": check.runs} for check in exported.operators],
        "phone": [asdict(usability) for usability in exported.usability],
        "problems": list(exported.problems),
    }

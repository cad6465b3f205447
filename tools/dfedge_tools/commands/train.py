"""``dfedge train``: train a detector from packed crops by a recipe."""

from __future__ import annotations

import argparse
import json
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from dfedge.cli.exits import Exit
from dfedge.cli.options import (
    HelpFormatter,
    Subparsers,
    add_general_options,
    names_a_file,
    positive_number,
    whole_number,
)
from dfedge.errors import UsageError
from dfedge.report.wording import printable

if TYPE_CHECKING:
    from dfedge_tools.training.config import Recipe
    from dfedge_tools.training.run import Outcome, RunPlan

_DESCRIPTION = """\
Train a detector from packed crops (see dfedge data pack) by a recipe in code, stage by
stage, to plain weights, scores and figures.

A run that was stopped or killed goes on by the same command, and ends with the weights of
one that was not: bit for bit on a CPU. --list tells the recipes, --show the settings of
one, --set changes them.
"""

_EPILOG = """\
exit codes:
  0    done: weights, scores and figures are written
  1    stopped (Ctrl-C, --stop-after), and the same command goes on; or the loss is no
       finite number any more, and the last good checkpoint was kept
  2    nothing was done: wrong usage, data, recipe or folder; or the disk is full
  70   a bug in dfedge; --debug shows where
  130  stopped by a second Ctrl-C; the last checkpoint is whole

examples:
  dfedge train --list
  dfedge train b0 --show
  dfedge train b0 --data store/ --out runs/b0 --processes 2
  dfedge train convnext-atto --data store/ --out runs/atto --set loop.steps=2000
  torchrun --standalone --nproc-per-node 4 -m dfedge_tools.training b0 --data store/ --out runs/b0
"""


def add_parser(subparsers: Subparsers) -> None:
    """Add the subcommand to the command line."""
    parser = subparsers.add_parser(
        "train",
        help="train a detector from packed crops",
        usage="dfedge train RECIPE --data STORE [STORE ...] --out FOLDER [options]\n"
        "       dfedge train RECIPE --show [--set KEY=VALUE]\n"
        "       dfedge train --list",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
    )
    parser.add_argument("recipe", nargs="?", metavar="RECIPE", help="a name of --list")
    _add_recipe(parser)
    _add_run(parser)
    _add_machine(parser)
    _add_outputs(parser)
    add_general_options(parser)
    parser.set_defaults(handler=_run, extra="tools")


def _add_recipe(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("recipe")
    group.add_argument(
        "--list", action="store_true", help="tell what recipes there are, what each costs and gives"
    )
    group.add_argument(
        "--show", action="store_true", help="print the settings of RECIPE as JSON, and end"
    )
    group.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change a setting, such as loop.steps=2000 (every stage that has it) or "
        "detector-160.side=224 (one stage); may be repeated",
    )
    group.add_argument(
        "--stage",
        metavar="NAME",
        help="carry out this stage alone; it starts from the one before in --out, or from "
        "--set NAME.initial=FILE",
    )


def _add_run(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("run")
    data = group.add_argument(
        "--data", nargs="+", default=[], metavar="STORE", help="packed stores, opened as one"
    )
    names_a_file(data)
    out = group.add_argument(
        "--out", metavar="FOLDER", help="folder of the run; one that was begun is gone on with"
    )
    names_a_file(out)
    group.add_argument(
        "--validate-every",
        type=whole_number,
        default=300,
        metavar="N",
        help="steps between two validations (default: %(default)s)",
    )
    group.add_argument(
        "--save-every",
        type=positive_number,
        default=120.0,
        metavar="SECONDS",
        help="time between two checkpoints, which is what a kill loses (default: 120)",
    )
    group.add_argument(
        "--stop-after", type=whole_number, metavar="N", help="stop, resumably, after N steps"
    )


def _add_machine(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("machine")
    group.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        metavar="DEVICE",
        help="auto, cpu or cuda (default: auto, a GPU where torch finds one)",
    )
    group.add_argument(
        "--processes",
        type=whole_number,
        default=1,
        metavar="N",
        help="processes that share each step, each with batches of its own, and on cuda a GPU of "
        "its own; changes the result (default: %(default)s)",
    )
    group.add_argument(
        "--threads",
        type=whole_number,
        metavar="N",
        help="threads of each process (default: the cores divided by --processes)",
    )
    group.add_argument(
        "--workers",
        type=int,
        default=1,
        metavar="N",
        help="processes that make batches, for each process; 0 makes them in it; does not change "
        "the result (default: %(default)s)",
    )


def _add_outputs(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("output")
    group.add_argument("--json", action="store_true", help="print JSON")
    group.add_argument("-q", "--quiet", action="store_true", help="show no progress")


def _run(args: argparse.Namespace) -> int:
    from dfedge_tools.training import recipes

    if args.list:
        print(_list_json(recipes.RECIPES) if args.json else _list_text(recipes.RECIPES))
        return Exit.DONE
    if args.recipe is None:
        raise UsageError("RECIPE: is missing; dfedge train --list tells the names")
    from dfedge_tools.training.overrides import apply_overrides

    recipe = apply_overrides(recipes.find_recipe(args.recipe), args.set)
    if args.show:
        print(_settings_json(recipe))
        return Exit.DONE
    return _train(args, _plan(args, recipe))


def _train(args: argparse.Namespace, plan: RunPlan) -> int:
    from dfedge_tools.training.optimizing import DivergedError
    from dfedge_tools.training.run import carry_out
    from dfedge_tools.training.team import launched, launched_team, run_team

    device = _device(args.device)
    leads = True
    try:
        if launched():
            if args.processes > 1:
                raise UsageError("--processes: is the launcher's business under torchrun; leave it")
            with launched_team(device, threads=args.threads) as team:
                leads = team.leads
                outcome = carry_out(plan, team)
        else:
            threads = args.threads or max(1, (os.cpu_count() or 1) // args.processes)
            work = partial(carry_out, plan)
            outcome = run_team(work, args.processes, threads=threads, device=device)
    except DivergedError as error:
        sys.stderr.write(f"dfedge: {printable(str(error))}\n")
        return Exit.FAIL_ON
    if leads:
        print(_outcome_json(outcome) if args.json else _outcome_text(outcome, plan.out))
    done = outcome.finished or (outcome.stage_finished and plan.only is not None)
    return Exit.DONE if done else Exit.FAIL_ON


def _plan(args: argparse.Namespace, recipe: Recipe) -> RunPlan:
    from dfedge_tools.training.run import RunPlan

    if not args.data:
        raise UsageError("--data: is missing; give a packed store (dfedge data pack makes one)")
    if args.out is None:
        raise UsageError("--out: is missing; give the folder of the run")
    if args.workers < 0:
        raise UsageError(f"--workers {args.workers}: give a whole number from 0")
    out = Path(args.out)
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out}: is a file; give the folder of the run")
    return RunPlan(
        recipe=recipe,
        data=tuple(Path(folder) for folder in args.data),
        out=out,
        only=args.stage,
        workers=args.workers,
        validate_every=args.validate_every,
        save_seconds=args.save_every,
        stop_after=args.stop_after,
        quiet=args.quiet,
    )


def _device(wanted: str) -> str:
    import torch

    there = torch.cuda.is_available()
    if wanted == "cuda" and not there:
        raise UsageError(
            "--device cuda: torch finds no GPU; install torch for CUDA, or leave the option"
        )
    return "cuda" if there and wanted != "cpu" else "cpu"


def _settings_json(recipe: Recipe) -> str:
    import msgspec

    return msgspec.json.format(msgspec.json.encode(recipe), indent=2).decode()


def _list_json(recipes: dict[str, Recipe]) -> str:
    told = [
        {
            "name": recipe.name,
            "summary": recipe.summary,
            "command": _command(recipe),
            "cost": recipe.cost,
            "score": recipe.score,
            "stages": [stage.name for stage in recipe.stages],
        }
        for recipe in recipes.values()
    ]
    return json.dumps(told, indent=2)


def _list_text(recipes: dict[str, Recipe]) -> str:
    blocks = [
        f"{recipe.name}\n"
        f"  {recipe.summary}\n"
        f"  {_command(recipe)}\n"
        f"  cost    {recipe.cost}\n"
        f"  expect  {recipe.score}"
        for recipe in recipes.values()
    ]
    return "\n\n".join(blocks)


def _command(recipe: Recipe) -> str:
    return f"dfedge train {recipe.name} --data STORE --out runs/{recipe.name}"


def _outcome_json(outcome: Outcome) -> str:
    import msgspec

    return msgspec.json.encode(outcome).decode()


def _outcome_text(outcome: Outcome, out: Path) -> str:
    if not outcome.stage_finished:
        return (
            f"stopped at step {outcome.step} of {outcome.steps} of stage {outcome.stage}; the same "
            "command goes on from there"
        )
    if not outcome.finished:
        return f"stage {outcome.stage} is finished after {outcome.step} steps"
    lines = [f"{name:16}{value:8.3f}" for name, value in outcome.metrics.items()]
    told = f"weights {out / (outcome.recipe + '.pt')}, scores {out / 'scores.csv'}"
    return "\n".join(["video AUC on val:", *lines, told])

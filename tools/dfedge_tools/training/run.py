"""Train a detector from the recipe in code to weights, scores and a decision, by one command.

    python -m dfedge_tools.training.run --recipe b0 --stills DIR --clips DIR --out runs/b0

In the output folder: ``store/`` (packed crops, made once), a folder a stage (checkpoints, history,
scores), ``b0.pt`` (plain weights of the whole detector), ``scores.csv``, ``metrics.json`` and
``decision.json``. Ctrl-C (or a kill) loses at most two minutes: the same command goes on from
there.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec
import torch
from torch import nn

from dfedge_tools.data.pack import prepare
from dfedge_tools.data.store import INDEX, CropStore
from dfedge_tools.deciding.calibrate import Limits, decide
from dfedge_tools.evaluating.metrics import Scored, auc_table, bootstrap_interval, videos
from dfedge_tools.training import checkpoints
from dfedge_tools.training.batches import BatchMaker
from dfedge_tools.training.config import Recipe
from dfedge_tools.training.imagenet import load_lite0
from dfedge_tools.training.loop import RunOptions, Trainer
from dfedge_tools.training.networks import BackboneTrainer, DetectorTrainer
from dfedge_tools.training.recipes import RECIPES
from dfedge_tools.training.team import Team, run_team
from dfedge_tools.training.validate import ValidationSet, write_scores


@dataclass(frozen=True, slots=True)
class StagePlan:
    """One stage as a process needs it; plain values, so that it can be sent to one."""

    recipe: Recipe
    store: Path
    folder: Path
    start_from: Path | None
    workers: int
    validate_every: int
    quiet: bool


def train_stage(plan: StagePlan, team: Team) -> None:
    """One process of one stage."""
    store = CropStore(plan.store)
    torch.manual_seed(plan.recipe.seed)
    net = build_net(plan.recipe, plan.start_from)
    options = RunOptions(
        plan.folder, workers=plan.workers, validate_every=plan.validate_every, quiet=plan.quiet
    )
    trainer = Trainer(net, net.backbone, plan.recipe, options, team)
    validation = None
    if team.leads:
        validation = ValidationSet(store, splits=["val"], side=plan.recipe.side)
    trainer.run(BatchMaker(store, plan.recipe, team_size=team.size), validation)


def build_net(recipe: Recipe, start_from: Path | None) -> BackboneTrainer | DetectorTrainer:
    """The network of a stage, with the weights of the stage before.

    Raises:
        ValueError: The checkpoint to start from is of another network.
    """
    if recipe.model == "backbone":
        backbone = BackboneTrainer()
        if recipe.initial == "imagenet" and start_from is None:
            backbone.backbone.load_state_dict(load_lite0(backbone.backbone.state_dict()))
        return backbone
    net = DetectorTrainer(recipe.architecture, side=recipe.side)
    if start_from is not None:
        net.start_from(checkpoints.load(start_from)["ema"])
    return net


def finish(plan: StagePlan, out: Path, name: str) -> dict[str, float]:
    """Write weights, scores, metrics and decision of a trained stage; the table of AUCs."""
    net = build_net(plan.recipe, None)
    net.load_state_dict(checkpoints.load(plan.folder / "best.pt")["ema"])
    store = CropStore(plan.store)
    frames = ValidationSet(store, splits=["val", "held"], side=plan.recipe.side).score(net)
    write_scores(out / "scores.csv", frames)
    if isinstance(net, DetectorTrainer):
        save_weights(out / f"{name}.pt", net.detector)
    table = summary(frames, store)
    (out / "metrics.json").write_bytes(msgspec.json.format(msgspec.json.encode(table)) + b"\n")
    numbers = decide(frames, Limits(), fitted_on="FaceForensics++ val clips, 10 frames each")
    (out / "decision.json").write_bytes(
        msgspec.json.format(msgspec.json.encode(numbers), indent=2) + b"\n"
    )
    return table


def summary(frames: Sequence[Scored], store: CropStore) -> dict[str, float]:
    """Video AUCs on val and the 95% interval over identities."""
    clips = videos([f for f in frames if f.split == "val"])
    identities = {row.sample.video_id: row.sample.target_id for row in store.rows}
    low, high = bootstrap_interval(clips, identities, rounds=1000, seed=0)
    return auc_table(clips) | {"low": low, "high": high, "videos": float(len(clips))}


def save_weights(path: Path, detector: nn.Module) -> None:
    """Plain state dict with the official names."""
    temporary = path.with_suffix(".part")
    state = {name: value.contiguous() for name, value in detector.state_dict().items()}
    torch.save(state, temporary)
    temporary.replace(path)


def main(argv: Sequence[str] | None = None) -> int:
    """Command line: 0 done, 1 stopped and resumable, 2 usage."""
    options = _parser().parse_args(argv)
    try:
        return _run(options)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _run(options: argparse.Namespace) -> int:
    out: Path = options.out
    store = out / "store"
    if not (store / INDEX).exists():
        prepare(options.stills, options.clips, store)
    before: Path | None = None
    for recipe in RECIPES[options.recipe]:
        plan = StagePlan(
            recipe=recipe,
            store=store,
            folder=out / recipe.name,
            start_from=before,
            workers=options.workers,
            validate_every=options.validate_every,
            quiet=options.quiet,
        )
        run_team(partial(train_stage, plan), options.processes, threads=options.threads)
        done = int(checkpoints.load(plan.folder / "last.pt")["progress"]["step"])
        if done < recipe.steps:
            print(f"stopped at step {done} of {recipe.steps}; the same command goes on")
            return 1
        before = plan.folder / "last.pt"
    table = finish(plan, out, options.recipe)
    for group, value in table.items():
        print(f"{group:16}{value:8.3f}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dfedge_tools.training.run",
        description=(__doc__ or "").split("\n\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--recipe", choices=sorted(RECIPES), required=True, help="what to train")
    add("--stills", type=Path, help="genuine stills with manifest.csv (first run only)")
    add("--clips", type=Path, help="frames of clips with manifest.csv (first run only)")
    add("--out", type=Path, required=True, help="folder of the run; an existing one is resumed")
    add("--processes", type=int, default=1, help="processes that share each step")
    add("--threads", type=int, default=1, help="threads of each process")
    add("--workers", type=int, default=1, help="processes that make batches, for each process")
    add("--validate-every", type=int, default=300, help="steps between validations")
    add("--quiet", action="store_true", help="no progress bar")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())

"""One run of a recipe: its stages one after the other, then weights, scores and figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from dfedge.errors import UsageError
from dfedge_tools.evaluating.metrics import auc_table, bootstrap_interval, videos
from dfedge_tools.evaluating.scores import Scored, write_scores
from dfedge_tools.training import checkpoints
from dfedge_tools.training.averaging import mean_of
from dfedge_tools.training.config import Recipe, Stage
from dfedge_tools.training.loop import BEST, LAST, RunOptions, Trainer
from dfedge_tools.training.stores import fingerprint, open_stores
from dfedge_tools.training.team import Team


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """What a process of a run must know; plain values, so that it can be sent to one.

    Attributes:
        data: Folders of packed stores.
        out: Folder of the run; each stage gets a folder in it.
        only: Carry out the stage of this name alone.
        stop_after: Stop (resumably) after this many steps of this call.
    """

    recipe: Recipe
    data: tuple[Path, ...]
    out: Path
    only: str | None = None
    workers: int = 1
    validate_every: int = 300
    save_seconds: float = 120.0
    stop_after: int | None = None
    quiet: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How far a run came.

    Attributes:
        stage: The last that was worked on.
        step: Steps of it that are done, of `steps`.
        stage_finished: All of them, or as many as brought the score on.
        finished: It is the last of the recipe, and the run's weights are written.
        metrics: Video AUCs of the finished run, their interval and the number of videos.
    """

    recipe: str
    stage: str
    step: int
    steps: int
    stage_finished: bool
    finished: bool = False
    metrics: dict[str, float] = field(default_factory=dict)


def carry_out(plan: RunPlan, team: Team) -> Outcome:
    """Train what is left of a run; one process of a team.

    Raises:
        UsageError: The data, the folder or the start of a stage cannot be used.
        DivergedError: See :class:`dfedge_tools.training.loop.Trainer`.
    """
    crops = open_stores(plan.data)
    options = RunOptions(
        plan.out,
        workers=plan.workers,
        validate_every=plan.validate_every,
        save_seconds=plan.save_seconds,
        stop_after=plan.stop_after,
        quiet=plan.quiet,
        data=fingerprint(crops),
    )
    for stage in _chosen(plan):
        options = replace(options, folder=plan.out / stage.name)
        task = stage.task(crops, _start(plan, stage, team))
        trainer = Trainer(task, stage, options, team)
        before = trainer.progress.step
        progress = trainer.run()
        if options.stop_after is not None:
            options = replace(options, stop_after=options.stop_after - (progress.step - before))
        reached = Outcome(
            recipe=plan.recipe.name,
            stage=stage.name,
            step=progress.step,
            steps=stage.loop.steps,
            stage_finished=progress.finished,
        )
        if not progress.finished:
            return reached
        if stage is plan.recipe.stages[-1]:
            metrics = finish(trainer, plan) if team.leads else {}
            return replace(reached, finished=True, metrics=metrics)
    return reached


def finish(trainer: Trainer[Any], plan: RunPlan) -> dict[str, float]:
    """Write weights, scores and figures of the best weights of a trained stage; the figures."""
    task, net = trainer.task, trainer.averaged.net
    net.load_state_dict(checkpoints.load(plan.out / trainer.stage.name / BEST)["ema"])
    frames = task.scores(net)
    checkpoints.save_weights(plan.out / f"{plan.recipe.name}.pt", task.weights(net))
    write_scores(plan.out / "scores.csv", frames)
    figures = summary(frames)
    text = msgspec.json.format(msgspec.json.encode(figures)).decode()
    checkpoints.write_text(plan.out / "metrics.json", text + "\n")
    return figures


def summary(frames: Sequence[Scored]) -> dict[str, float]:
    """Video AUCs on val and the 95% interval over identities."""
    clips = videos([f for f in frames if f.split == "val"])
    groups = {clip.video_id: clip.group for clip in clips}
    low, high = bootstrap_interval(clips, groups, rounds=1000, seed=0)
    return auc_table(clips) | {"low": low, "high": high, "videos": float(len(clips))}


def _chosen(plan: RunPlan) -> Sequence[Stage]:
    stages = plan.recipe.stages
    if plan.only is None:
        return stages
    chosen = [stage for stage in stages if stage.name == plan.only]
    if not chosen:
        names = ", ".join(stage.name for stage in stages)
        raise UsageError(f"--stage {plan.only}: {plan.recipe.name} has the stages {names}")
    return chosen


def _start(plan: RunPlan, stage: Stage, team: Team) -> Path | None:
    """The checkpoint this stage starts from, where it does not start from elsewhere."""
    place = plan.recipe.stages.index(stage)
    if place == 0 or stage.initial != "random":
        return None
    names = stage.soup or (plan.recipe.stages[place - 1].name,)
    checkpoints_before = [plan.out / name / LAST for name in names]
    for before in checkpoints_before:
        if not before.is_file():
            raise UsageError(
                f"--stage {stage.name}: starts from {before}, which is not there; carry out the "
                f"stage before first, or give --set {stage.name}.initial=FILE"
            )
    if not stage.soup:
        return checkpoints_before[0]
    soup = plan.out / stage.name / f"start-{team.rank}.pt"
    states = [checkpoints.load(path)["ema"] for path in checkpoints_before]
    checkpoints.save(soup, {"ema": mean_of(states)})
    return soup

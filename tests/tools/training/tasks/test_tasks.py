"""Each task through the real loop: it learns, resumes to the bit, and gives what ships."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dfedge.errors import UsageError
from dfedge_models import CLIPVideoDetector
from dfedge_tools.exporting.checkpoint import load_checkpoint
from dfedge_tools.training.config import LoopConfig, Phase, Stage
from dfedge_tools.training.tasks.multitask import MultiTask
from dfedge_tools.training.tasks.stages import ClipStage, MultiTaskStage, multitask_phases

from .conftest import ToyCrops, crops_of, sample, with_loop

NAMES = ("multitask", "genconvit-ed", "genconvit-vae", "clip-l")
FIRST = dict.fromkeys(NAMES, "cls") | {"multitask": "real_fake"}
"""The part of the loss that tells fake from real."""


@pytest.mark.parametrize("name", NAMES)
def test_steps_lower_the_loss_and_find_the_fakes(
    name: str, stages: dict[str, Stage], train: Callable[..., Any], toy: ToyCrops, tmp_path: Path
) -> None:
    """On a set that is easy to learn, val fakes get higher log-odds than genuine pictures."""
    stage = with_loop(stages[name], steps=24)
    state = train(stage, tmp_path)
    losses = [parts[FIRST[name]] for parts in state["losses"]]
    assert np.mean(losses[-6:]) < 0.8 * np.mean(losses[:3])
    task = stage.task(toy, None)
    net = task.network()
    net.load_state_dict(state["ema"])
    assert task.validate(net)["score"] > 0.9
    scores = task.scores(net)
    assert {"val", "held"} >= {row.split for row in scores}
    fake = [row.logit for row in scores if row.label == 1]
    genuine = [row.logit for row in scores if row.label == 0]
    assert np.mean(fake) > 0 > np.mean(genuine)


@pytest.mark.parametrize("name", NAMES)
def test_resumed_equals_uninterrupted(
    name: str, stages: dict[str, Stage], train: Callable[..., Any], tmp_path: Path
) -> None:
    """Weights and optimizer are bit-equal after a stop at step 2 of 4, drawn latents included."""
    stage = with_loop(stages[name], steps=4, warmup_steps=1)
    whole = train(stage, tmp_path / "whole")
    train(stage, tmp_path / "parts", stop_after=2)
    parts = train(stage, tmp_path / "parts")
    assert all(torch.equal(value, parts["net"][key]) for key, value in whole["net"].items())
    mine, other = (each["optimizer"]["adamw"]["state"] for each in (whole, parts))
    assert mine.keys() == other.keys()
    assert all(torch.equal(v, other[n][key]) for n in mine for key, v in mine[n].items())


@pytest.mark.parametrize("name", NAMES)
def test_weights_load_as_the_detector(
    name: str, stages: dict[str, Stage], toy: ToyCrops, tmp_path: Path
) -> None:
    """What ships has the official names, all of them and no training aid."""
    task = stages[name].task(toy, None)
    net = task.network()
    torch.save(task.weights(net), tmp_path / "weights.pt")
    detector = net.get_submodule("detector")
    load_checkpoint(detector, tmp_path / "weights.pt")  # type: ignore[arg-type]
    assert detector.state_dict().keys() == task.weights(net).keys()


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_that_learns_is_in_one_group(
    name: str, stages: dict[str, Stage], toy: ToyCrops
) -> None:
    """None twice, and none left out but what every phase freezes."""
    task = stages[name].task(toy, None)
    net = task.network()
    grouped = [id(p) for group in task.groups(net) for p in group.parameters]
    assert len(grouped) == len(set(grouped))
    never = set.intersection(*(set(phase.frozen) for phase in task.phases))
    frozen = {id(p) for part in never for p in net.get_submodule(part).parameters()}
    assert {id(p) for p in net.parameters()} - frozen == set(grouped)


def _changed(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> set[str]:
    return {name for name, value in before.items() if not torch.equal(value, after[name])}


@pytest.mark.parametrize(
    ("step", "frozen"),
    [
        (0, ("stem", "stages.0", "stages.1", "stages.2", "stages.3", "head")),
        (1, ("stem", "stages.0", "stages.1")),
        (2, ()),
    ],
)
def test_multitask_phases_freeze_what_they_say(
    step: int,
    frozen: tuple[str, ...],
    stages: dict[str, Stage],
    train: Callable[..., Any],
    tmp_path: Path,
) -> None:
    """The backbone at first, then its first half, then nothing; all else learns all the time."""
    stage = stages["multitask"]
    assert isinstance(stage, MultiTaskStage)
    shifted = [replace(phase, first_step=0) for phase in multitask_phases(1, 2)]
    stage = replace(stage, phases=(shifted[step],), loop=replace(stage.loop, steps=2))
    torch.manual_seed(stage.seed)
    after = train(stage, tmp_path)["net"]
    before = _fresh(stage).state_dict()
    moved = {name.removeprefix("detector.backbone.") for name in _changed(before, after)}
    inside = {name for name in before if name.startswith("detector.backbone.")}
    still = {n for n in inside if n.removeprefix("detector.backbone.").startswith(frozen or "-")}
    expected = {name.removeprefix("detector.backbone.") for name in inside - still}
    assert expected == {name for name in moved if not name.startswith("detector.")}
    assert "detector.frequency.norm.running_mean" in moved
    assert "detector.heads.real_fake.weight" in moved


def _fresh(stage: MultiTaskStage) -> Any:
    genuine = crops_of([sample()], [np.zeros((96, 96, 3), np.uint8)])
    return MultiTask(stage, genuine).network()


def test_a_frozen_norm_keeps_its_statistics(
    stages: dict[str, Stage], train: Callable[..., Any], tmp_path: Path
) -> None:
    """Of a frozen frequency branch neither weights nor running means move."""
    stage = stages["multitask"]
    assert isinstance(stage, MultiTaskStage)
    stage = replace(stage, phases=(Phase(0, frozen=("detector.frequency",)),))
    stage = replace(stage, loop=replace(stage.loop, steps=2))
    moved = _changed(_fresh(stage).state_dict(), train(stage, tmp_path)["net"])
    assert not [name for name in moved if name.startswith("detector.frequency.")]
    assert "detector.heads.boundary.weight" in moved


def test_the_tower_stands_still(
    stages: dict[str, Stage], train: Callable[..., Any], toy: ToyCrops, tmp_path: Path
) -> None:
    """Only adapters and head learn."""
    stage = with_loop(stages["clip-l"], steps=2)
    before = stage.task(toy, None).network().state_dict()
    moved = _changed(before, train(stage, tmp_path)["net"])
    assert moved
    assert not [name for name in moved if ".tower." in name]


def test_as_many_parameters_learn_as_published(toy: ToyCrops) -> None:
    """5,255,938 of the whole detector."""
    task = ClipStage(name="whole", loop=LoopConfig(steps=1)).task(toy, None)
    with torch.device("meta"):
        net = torch.nn.ModuleDict({"detector": CLIPVideoDetector()})
    learned = sum(p.numel() for group in task.groups(net) for p in group.parameters)
    assert 5_255_938 == learned


def test_recomputing_changes_no_gradient(stages: dict[str, Stage], toy: ToyCrops) -> None:
    """Blocks that are run again give the gradients of blocks that were kept."""
    found = []
    for recompute in (True, False):
        stage = stages["clip-l"]
        assert isinstance(stage, ClipStage)
        task = replace(stage, recompute=recompute).task(toy, None)
        net = task.network().train()
        task.loss(net, task.batches(team_size=1)[0]).total.backward()
        found.append([p.grad for group in task.groups(net) for p in group.parameters])
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


def test_smoothed_cross_entropy_by_hand(stages: dict[str, Stage], toy: ToyCrops) -> None:
    """Label smoothing 0.1 over two classes: targets of 0.95 and 0.05."""
    task = stages["clip-l"].task(toy, None)
    net = task.network().eval()
    batch = task.batches(team_size=1)[0]
    with torch.no_grad():
        loss = task.loss(net, batch)
        kept: list[torch.Tensor] = []
        net.register_forward_hook(lambda module, given, out: kept.append(out))
        task.loss(net, batch)
    logs = kept[0].log_softmax(dim=1)
    right = logs.gather(1, batch.classes[:, None])[:, 0]
    wrong = logs.gather(1, 1 - batch.classes[:, None])[:, 0]
    assert pytest.approx(float(-(0.95 * right + 0.05 * wrong).mean())) == float(loss.total)


def test_clip_l_without_weights_is_refused(toy: ToyCrops) -> None:
    """A frozen tower of noise is no detector: the message says where CLIP's weights come from."""
    task = ClipStage(name="whole", loop=LoopConfig(steps=1), depth=2).task(toy, None)
    with pytest.raises(UsageError, match="openai/clip-vit-large-patch14"):
        task.network()


@pytest.mark.parametrize("name", NAMES)
def test_validation_needs_both_classes(name: str, stages: dict[str, Stage], toy: ToyCrops) -> None:
    """No score is made up where val has genuine pictures only."""
    keep = [n for n, r in enumerate(toy.rows) if r.sample.split != "val" or r.sample.label == 0]
    crops = crops_of([toy.rows[n].sample for n in keep], [toy.images[n] for n in keep])
    task = stages[name].task(crops, None)
    with pytest.raises(UsageError, match=r"0 fake .* in split val"):
        task.validate(task.network())

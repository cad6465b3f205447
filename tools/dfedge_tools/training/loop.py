"""The training loop: seeded, resumable to the bit, with a moving average of the weights."""

from __future__ import annotations

import csv
import math
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec
import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn
from torch.utils.data import DataLoader
from tqdm import tqdm

from dfedge_tools.evaluating.metrics import auc_table, videos
from dfedge_tools.training import checkpoints
from dfedge_tools.training.batches import Batch, BatchMaker
from dfedge_tools.training.config import Optim, Recipe
from dfedge_tools.training.team import Team
from dfedge_tools.training.validate import ValidationSet, normalize, write_scores


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a run is carried out; nothing here changes what it computes, except `stop_after`.

    Attributes:
        folder: Gets ``last.pt``, ``best.pt``, ``history.csv``, ``scores.csv``, ``recipe.json``.
        workers: Processes that make batches; 0 makes them in the training process.
        validate_every: Steps between two validations.
        save_seconds: Time between two checkpoints.
        stop_after: Stop (resumably) once this many steps are done.
        quiet: No progress bar.
    """

    folder: Path
    workers: int = 1
    validate_every: int = 400
    save_seconds: float = 120.0
    stop_after: int | None = None
    quiet: bool = False


@dataclass
class _Progress:
    step: int = 0
    seconds: float = 0.0
    best: float = -1.0
    history: list[dict[str, float]] = field(default_factory=list)


class Trainer:
    """One stage of training on one machine.

    Args:
        net: Gives (logits (B,), mask logits) for normalized images; its `backbone` is `backbone`.
        backbone: The part whose rate is scaled and whose first blocks may be frozen.
    """

    def __init__(
        self,
        net: nn.Module,
        backbone: nn.Module,
        recipe: Recipe,
        options: RunOptions,
        team: Team | None = None,
    ) -> None:
        self.team = team or Team()
        self.recipe = recipe
        self.options = options
        self.net = net.to(memory_format=torch.channels_last)
        self.backbone = backbone
        _freeze(backbone, recipe.frozen_backbone_blocks)
        self.ema = deepcopy(net).eval().requires_grad_(False)
        self.optimizer = torch.optim.AdamW(
            parameter_groups(net, backbone, recipe.optim),
            lr=recipe.optim.learning_rate,
            fused=True,
        )
        self.progress = _Progress()
        self._stop = False

    def run(self, batches: BatchMaker, validation: ValidationSet | None) -> float:
        """Train to the end of the recipe (or a stop); the best video AUC on validation.

        A ``last.pt`` of the same recipe in the folder is resumed.
        """
        self._resume()
        step_net: Callable[..., Any] = self.net
        if self.recipe.compile_model:
            step_net = torch.compile(self.net)
        end = min(self.recipe.steps, self.options.stop_after or self.recipe.steps)
        saved = started = time.monotonic()
        bar = tqdm(
            total=self.recipe.steps,
            initial=self.progress.step,
            desc=self.recipe.name,
            disable=self.options.quiet or not self.team.leads,
            mininterval=5,
        )
        with _stops_on_signals(self._request_stop), bar:
            for batch in self._load(batches, end):
                losses = self._step(step_net, batch)
                self.progress.step += 1
                self.progress.seconds += time.monotonic() - started
                started = time.monotonic()
                bar.update()
                bar.set_postfix({k: f"{v:.3f}" for k, v in losses.items()}, refresh=False)
                done = self.progress.step == self.recipe.steps
                due = done or self.progress.step % self.options.validate_every == 0
                if validation and due and self.team.leads:
                    self._validate(validation, losses)
                    started = time.monotonic()
                stop = self.team.any_asks(self._stop)
                if time.monotonic() - saved > self.options.save_seconds:
                    self._save("last.pt")
                    saved = time.monotonic()
                if stop:
                    break
        self._save("last.pt")
        return self.progress.best

    def _step(self, net: Callable[..., Any], batch: Batch) -> dict[str, float]:
        optim, step = self.recipe.optim, self.progress.step
        torch.manual_seed((self.recipe.seed * 1_000_003 + step) * 64 + self.team.rank)
        rate = learning_rate(optim, step, self.recipe.schedule_steps or self.recipe.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["rate_scale"]
        self.net.train()
        _keep_frozen_norms(self.backbone, self.recipe.frozen_backbone_blocks)
        logits, masks = net(normalize(batch.images))
        classify, localize = losses_of(logits, masks, batch, optim)
        loss = classify + optim.mask_weight * localize
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.team.average_gradients(self.net)
        nn.utils.clip_grad_norm_(self.net.parameters(), optim.clip_norm)
        self.optimizer.step()
        self._average()
        right = ((logits > 0) == (batch.labels > 0.5)).float().mean()
        return {"cls": classify.item(), "mask": localize.item(), "acc": right.item()}

    @torch.no_grad()
    def _average(self) -> None:
        step = self.progress.step
        decay = min(self.recipe.optim.ema_decay, (1 + step) / (10 + step))
        pairs = zip(self.ema.state_dict().values(), self.net.state_dict().values(), strict=True)
        floating = [(mean, now) for mean, now in pairs if mean.is_floating_point()]
        average = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        average([mean for mean, _ in floating], [now for _, now in floating], step)

    def _validate(self, validation: ValidationSet, losses: dict[str, float]) -> None:
        scored = validation.score(self.ema)
        table = auc_table(videos([s for s in scored if s.split == "val"]))
        line = {"step": float(self.progress.step), "minutes": self.progress.seconds / 60}
        images = self.progress.step * self.recipe.mix.images * self.team.size
        line |= {"images": float(images)}
        line |= losses | table
        self.progress.history.append(line)
        write_history(self.options.folder / "history.csv", self.progress.history)
        if table["all"] >= self.progress.best:
            self.progress.best = table["all"]
            self._save("best.pt")
            write_scores(self.options.folder / "scores.csv", scored)

    def _load(self, batches: BatchMaker, end: int) -> Iterator[Batch]:
        loader: DataLoader[Batch] = DataLoader(
            batches,
            batch_size=None,
            sampler=[n * self.team.size + self.team.rank for n in range(self.progress.step, end)],
            num_workers=self.options.workers,
            prefetch_factor=4 if self.options.workers else None,
            worker_init_fn=_one_thread,
        )
        return iter(loader)

    def _save(self, name: str) -> None:
        if not self.team.leads:
            return
        state: dict[str, Any] = {"recipe": recipe_json(self.recipe), "ema": self.ema.state_dict()}
        if name == "last.pt":
            state |= {
                "net": self.net.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "progress": asdict(self.progress),
            }
        checkpoints.save(self.options.folder / name, state)

    def _resume(self) -> None:
        self.options.folder.mkdir(parents=True, exist_ok=True)
        path = self.options.folder / "last.pt"
        if not path.exists():
            if self.team.leads:
                (self.options.folder / "recipe.json").write_text(recipe_json(self.recipe))
            return
        state = checkpoints.load(path)
        if state["recipe"] != recipe_json(self.recipe):
            raise ValueError(
                f"{path}: was made by another recipe; give --out another folder or remove it"
            )
        self.net.load_state_dict(state["net"])
        self.ema.load_state_dict(state["ema"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.progress = _Progress(**state["progress"])

    def _request_stop(self) -> None:
        self._stop = True


def losses_of(
    logits: torch.Tensor, masks: torch.Tensor, batch: Batch, optim: Optim
) -> tuple[torch.Tensor, torch.Tensor]:
    """Classification loss, and mask loss over the pictures whose mask is known."""
    smooth = optim.label_smoothing
    targets = batch.labels * (1 - smooth) + smooth / 2
    classify = nn.functional.binary_cross_entropy_with_logits(logits, targets)
    cells = nn.functional.binary_cross_entropy_with_logits(masks, batch.masks, reduction="none")
    known = batch.mask_known
    localize = (cells.mean(dim=(1, 2, 3)) * known).sum() / known.sum().clamp(min=1)
    return classify, localize


def learning_rate(optim: Optim, step: int, steps: int) -> float:
    """Linear warm-up, then a cosine to zero."""
    if step < optim.warmup_steps:
        return optim.learning_rate * (step + 1) / optim.warmup_steps
    share = (step - optim.warmup_steps) / max(1, steps - optim.warmup_steps)
    return optim.learning_rate * 0.5 * (1 + math.cos(math.pi * share))


def parameter_groups(net: nn.Module, backbone: nn.Module, optim: Optim) -> list[dict[str, Any]]:
    """Four groups: backbone or not, with weight decay or (biases, norms, tables) without."""
    inside = {id(p) for p in backbone.parameters()}
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in net.named_parameters():
        if parameter.requires_grad:
            decays = parameter.ndim > 1 and "relative_position" not in name
            groups.setdefault((id(parameter) in inside, decays), []).append(parameter)
    return [
        {
            "params": parameters,
            "weight_decay": optim.weight_decay if decays else 0.0,
            "rate_scale": optim.backbone_rate_scale if is_backbone else 1.0,
        }
        for (is_backbone, decays), parameters in sorted(groups.items(), key=lambda kv: kv[0])
    ]


def recipe_json(recipe: Recipe) -> str:
    """The recipe as JSON, as it is kept in checkpoints."""
    return msgspec.json.format(msgspec.json.encode(recipe), indent=2).decode()


def write_history(path: Path, history: Sequence[dict[str, float]]) -> None:
    """One line a validation."""
    names = list(dict.fromkeys(name for line in history for name in line))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows({k: round(v, 4) for k, v in line.items()} for line in history)


def _frozen_parts(backbone: nn.Module, blocks: int) -> list[nn.Module]:
    if blocks == 0:
        return []
    parts = [backbone.get_submodule(name) for name in ("conv_stem", "bn1")]
    return parts + [backbone.get_submodule(f"blocks.{number}") for number in range(blocks)]


def _freeze(backbone: nn.Module, blocks: int) -> None:
    for part in _frozen_parts(backbone, blocks):
        part.requires_grad_(False)


def _keep_frozen_norms(backbone: nn.Module, blocks: int) -> None:
    for part in _frozen_parts(backbone, blocks):
        part.eval()


def _one_thread(worker: int) -> None:
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _stops_on_signals(request: Callable[[], None]) -> Iterator[None]:
    """Ctrl-C or a polite kill ends the run after the step in hand, saved; a second one at once."""

    def handle(number: int, frame: FrameType | None) -> None:
        request()
        signal.signal(number, signal.default_int_handler)

    before = {n: signal.signal(n, handle) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)

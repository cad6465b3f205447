"""The training loop: seeded, resumable to the bit, with a moving average of the weights."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from types import FrameType
from typing import Any, Generic, cast

import msgspec
import torch
from torch import nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from dfedge.errors import UsageError
from dfedge_tools.training import checkpoints
from dfedge_tools.training.averaging import Averaged
from dfedge_tools.training.config import Stage
from dfedge_tools.training.optimizing import DivergedError, Optimizer, mean_parts, rate_factor
from dfedge_tools.training.phases import Phases
from dfedge_tools.training.progress import Progress
from dfedge_tools.training.task import BatchT, Task
from dfedge_tools.training.team import Team

LAST = "last.pt"
BEST = "best.pt"


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a run is carried out; nothing here changes what it computes, except `stop_after`.

    Attributes:
        folder: Gets ``last.pt``, ``best.pt``, ``history.csv``, ``recipe.json``.
        workers: Processes that make batches; 0 makes them in the training process.
        validate_every: Steps between two validations.
        save_seconds: Time between two checkpoints.
        stop_after: Stop (resumably) after this many steps of this call.
        quiet: No progress bar.
        data: Fingerprint of the data; a checkpoint made on other data is not gone on from.
    """

    folder: Path
    workers: int = 1
    validate_every: int = 400
    save_seconds: float = 120.0
    stop_after: int | None = None
    quiet: bool = False
    data: str = ""


class Trainer(Generic[BatchT]):
    """One stage of training in one process of a team.

    A ``last.pt`` of the same stage and data in the folder is gone on from.

    Raises:
        UsageError: It is of another recipe or of other data.
    """

    def __init__(
        self, task: Task[BatchT], stage: Stage, options: RunOptions, team: Team | None = None
    ) -> None:
        self.task = task
        self.stage = stage
        self.options = options
        self.team = team or Team()
        torch.manual_seed(stage.seed)
        net = task.network().to(memory_format=torch.channels_last)
        self.net = net.to(self.team.device)
        self.averaged = Averaged(self.net, stage.loop.ema_decay)
        self.optimizer = Optimizer(task.groups(self.net), stage.loop, self.team)
        self.phases = Phases(self.net, task.phases)
        self.progress = Progress()
        self._stop = False
        self._resume()

    def run(self) -> Progress:
        """Train to the end of the stage, to a stop, or until the score has stopped rising.

        Raises:
            UsageError: A checkpoint cannot be saved.
            DivergedError: The loss is no finite number any more; nothing was saved since it was.
        """
        loop = self.stage.loop
        step_net = self.net
        if loop.compile_model:
            step_net = cast(nn.Module, torch.compile(self.net))
        end = loop.steps
        if self.options.stop_after is not None:
            end = min(end, self.progress.step + self.options.stop_after)
        if loop.steps == 0 and not self.progress.finished:
            self._validate_when_due({})
            self._save(LAST)
            self.progress.finished = self.team.any_asks(self.progress.finished)
        if self.progress.finished or self.progress.step >= end:
            return self.progress
        saved = started = time.monotonic()
        with _stops_on_signals(self._request_stop), self._bar() as bar:
            for batches in self._load(end):
                figures = self._step(step_net, batches)
                self.progress.step += 1
                self.progress.seconds += time.monotonic() - started
                bar.update()
                bar.set_postfix({k: f"{v:.3f}" for k, v in figures.items()}, refresh=False)
                self._validate_when_due(figures)
                stop = self.team.any_asks(self._stop or self.progress.finished)
                if time.monotonic() - saved > self.options.save_seconds:
                    self._save(LAST)
                    saved = time.monotonic()
                started = time.monotonic()
                if stop:
                    break
        self._save(LAST)
        self.progress.finished = self.team.any_asks(self.progress.finished)
        return self.progress

    def _step(self, net: nn.Module, batches: tuple[BatchT, ...]) -> dict[str, float]:
        step = self.progress.step
        phase = self.phases.at(step)
        parts: list[Mapping[str, torch.Tensor]] = []
        for batch in batches:
            torch.manual_seed(self._number(step, len(parts)) + (self.stage.seed << 32))
            with self.optimizer.autocast():
                loss = self.task.loss(net, batch.to(self.team.device))
            self.optimizer.backward(loss.total)
            parts.append(loss.parts)
        try:
            self.optimizer.step(rate_factor(self.stage.loop, step) * phase.rate_scale)
        except DivergedError as error:
            raise DivergedError(self._what_to_lower()) from error
        self.averaged.follow(self.net, step)
        return mean_parts({k: float(v) for k, v in line.items()} for line in parts)

    def _validate_when_due(self, figures: dict[str, float]) -> None:
        progress, loop = self.progress, self.stage.loop
        done = progress.step == loop.steps
        if self.team.leads and (done or progress.step % self.options.validate_every == 0):
            line = {"step": float(progress.step), "minutes": progress.seconds / 60}
            line |= figures | self.task.validate(self.averaged.net)
            if progress.record(line, min_gain=loop.min_gain):
                self._save(BEST)
            self._tell(line)
            progress.write(self.options.folder / "history.csv")
            progress.finished = bool(loop.patience) and progress.waited >= loop.patience
        progress.finished = progress.finished or done

    def _number(self, step: int, micro: int) -> int:
        """Of a batch among all of the stage; a team of two takes what one with two a step takes."""
        loop = self.stage.loop
        return (step * self.team.size + self.team.rank) * loop.accumulate + micro

    def _load(self, end: int) -> Iterator[tuple[BatchT, ...]]:
        """The batches of each step."""
        each = self.stage.loop.accumulate
        steps = range(self.progress.step, end)
        loader: DataLoader[BatchT] = DataLoader(
            self.task.batches(team_size=self.team.size * each),
            batch_size=None,
            sampler=[self._number(step, micro) for step in steps for micro in range(each)],
            num_workers=self.options.workers,
            prefetch_factor=4 if self.options.workers else None,
            worker_init_fn=_one_thread,
        )
        batches = iter(loader)
        while chunk := tuple(islice(batches, each)):
            yield chunk

    def _save(self, name: str) -> None:
        if not self.team.leads:
            return
        state: dict[str, Any] = {
            "recipe": stage_json(self.stage),
            "data": self.options.data,
            "ema": self.averaged.net.state_dict(),
        }
        if name == LAST:
            state |= {
                "net": self.net.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "progress": asdict(self.progress),
            }
        checkpoints.save(self.options.folder / name, state)

    def _resume(self) -> None:
        path = self.options.folder / LAST
        if not path.exists():
            if self.team.leads:
                checkpoints.write_text(
                    self.options.folder / "recipe.json", stage_json(self.stage) + "\n"
                )
            return
        state = checkpoints.load(path)
        for key, mine in (("recipe", stage_json(self.stage)), ("data", self.options.data)):
            if state.get(key) != mine:
                raise UsageError(
                    f"{path}: is of another {key} (or of other --set values); give another --out"
                    if key == "recipe"
                    else f"{path}: was trained on other --data; give those again or another --out"
                )
        self.net.load_state_dict(state["net"])
        self.averaged.net.load_state_dict(state["ema"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.progress = Progress(**state["progress"])

    def _what_to_lower(self) -> str:
        rates = ", ".join(f"{g.name} {g.rate:g}" for g in self.task.groups(self.net))
        kept = self.options.folder / LAST
        kept_words = f"{kept} is from before" if kept.exists() else "nothing had been saved yet"
        return (
            f"stage {self.stage.name}: at step {self.progress.step} the loss or its gradient is no "
            f"finite number any more; {kept_words}. Lower the rates ({rates}) or clip_norm "
            f"({self.stage.loop.clip_norm:g}), or raise warmup_steps "
            f"({self.stage.loop.warmup_steps}), by --set and in another --out"
        )

    def _bar(self) -> Any:
        return tqdm(
            total=self.stage.loop.steps,
            initial=self.progress.step,
            desc=self.stage.name,
            disable=True if self.options.quiet or not self.team.leads else None,
            mininterval=5,
        )

    def _tell(self, line: dict[str, float]) -> None:
        """A line a validation, which is all that a log file gets, where there is no bar."""
        if not self.options.quiet:
            told = ", ".join(f"{k} {v:.3f}" for k, v in line.items() if k != "step")
            tqdm.write(f"{self.stage.name} step {self.progress.step}: {told}", file=sys.stderr)

    def _request_stop(self) -> None:
        self._stop = True


def stage_json(stage: Stage) -> str:
    """The stage as JSON, as it is kept in checkpoints."""
    values = {"kind": type(stage).__name__, **msgspec.to_builtins(stage)}
    return msgspec.json.format(msgspec.json.encode(values), indent=2).decode()


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

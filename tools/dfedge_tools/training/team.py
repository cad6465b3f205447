"""Several processes train one network: each takes its own batches, gradients are averaged.

On a CPU, two processes of one thread each get a quarter more done than one process of two threads,
and they lose far less when other programs run beside them: they wait for each other once a step,
threads many times a layer.
"""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import FrameType

import torch
import torch.distributed
from torch import nn
from torch.multiprocessing.spawn import start_processes


@dataclass(frozen=True, slots=True)
class Team:
    """Which of how many processes this is."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """True for the one process that writes files."""
        return self.rank == 0

    def average_gradients(self, net: nn.Module) -> None:
        """Replace every gradient by its mean over the team."""
        if self.size == 1:
            return
        gradients = [p.grad for p in net.parameters() if p.grad is not None]
        flat = torch.cat([g.reshape(-1) for g in gradients])
        torch.distributed.all_reduce(flat)
        flat /= self.size
        offset = 0
        for gradient in gradients:
            gradient.copy_(flat[offset : offset + gradient.numel()].view_as(gradient))
            offset += gradient.numel()

    def any_asks(self, asks: bool) -> bool:
        """True everywhere as soon as one process says so."""
        if self.size == 1:
            return asks
        flag = torch.tensor([float(asks)])
        torch.distributed.all_reduce(flag)
        return bool(flag.item() > 0)


def run_team(work: Callable[[Team], None], size: int, *, threads: int = 1) -> None:
    """Call `work` in `size` processes that can average; in this one when `size` is 1."""
    if size == 1:
        torch.set_num_threads(threads)
        work(Team())
        return
    with tempfile.TemporaryDirectory() as folder:
        meeting = (Path(folder) / "meeting").as_uri()
        team = start_processes(  # type: ignore[no-untyped-call]
            _member, (work, size, threads, meeting), nprocs=size, join=False, start_method="spawn"
        )
        with _passed_on(team.pids()):
            while not team.join():
                pass


@contextmanager
def _passed_on(processes: Sequence[int]) -> Iterator[None]:
    """Polite signals go to the members, which finish their step and save."""

    def pass_on(number: int, frame: FrameType | None) -> None:
        for process in processes:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGTERM)

    before = {n: signal.signal(n, pass_on) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def _member(rank: int, work: Callable[[Team], None], size: int, threads: int, meeting: str) -> None:
    torch.set_num_threads(threads)
    torch.distributed.init_process_group(
        "gloo", init_method=meeting, rank=rank, world_size=size, timeout=timedelta(hours=2)
    )
    try:
        work(Team(rank, size))
    finally:
        torch.distributed.destroy_process_group()

"""Several processes train one network: each takes its own batches, gradients are averaged.

A team is started here (``--processes``), or by torchrun, which tells each process its rank by the
environment. On a CPU, two processes of one thread each get a quarter more done than one process of
two threads, and they lose far less when other programs run beside them: they wait for each other
once a step, threads many times a layer.
"""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing import get_context
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from types import FrameType
from typing import TypeVar, cast

import torch
import torch.distributed
from torch import nn
from torch.multiprocessing.spawn import ProcessException, start_processes

from dfedge.errors import DfedgeError, UsageError

T = TypeVar("T")

CPU = torch.device("cpu")
TIMEOUT = timedelta(hours=2)
"""While the leader validates and saves, the others wait."""

_BACKENDS = {"cpu": "gloo", "cuda": "nccl"}


@dataclass(frozen=True, slots=True)
class Team:
    """Which of how many processes this is, and the device it computes on."""

    rank: int = 0
    size: int = 1
    device: torch.device = CPU

    @property
    def leads(self) -> bool:
        """True for the one process that writes files."""
        return self.rank == 0

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace every gradient by its mean over the team."""
        if self.size == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
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
        flag = torch.tensor([float(asks)], device=self.device)
        torch.distributed.all_reduce(flag)
        return bool(flag.item() > 0)


def run_team(
    work: Callable[[Team], T], size: int, *, threads: int | None = None, device: str = "cpu"
) -> T:
    """Call `work` in `size` processes that can average; in this one when `size` is 1.

    Returns:
        What it returned in the leader; plain values, so that they can be sent.

    Args:
        threads: Of each process; None: torch chooses where it is one, else 1.
        device: ``cpu``, or ``cuda``: a GPU for each process.

    Raises:
        UsageError: There are fewer GPUs than processes.
        DfedgeError: What `work` raised in one of the processes.
    """
    if size == 1:
        if threads is not None:
            torch.set_num_threads(threads)
        return work(Team(device=torch.device(device)))
    if device == "cuda" and size > torch.cuda.device_count():
        raise UsageError(
            f"--processes {size}: there are {torch.cuda.device_count()} GPUs; give at most one "
            "process each"
        )
    told = get_context("spawn").SimpleQueue()
    with tempfile.TemporaryDirectory() as folder:
        meeting = (Path(folder) / "meeting").as_uri()
        team = start_processes(  # type: ignore[no-untyped-call]
            _member,
            (work, size, threads or 1, device, meeting, told),
            nprocs=size,
            join=False,
            start_method="spawn",
        )
        try:
            with _passed_on(team.pids()):
                while not team.join():
                    pass
        except ProcessException:
            if told.empty():
                raise
    answer = told.get()
    if isinstance(answer, DfedgeError):
        raise answer
    return cast(T, answer)


def launched(environment: Mapping[str, str] = os.environ) -> bool:
    """True in a process that torchrun started."""
    return all(name in environment for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"))


@contextmanager
def launched_team(device: str, *, threads: int | None = None) -> Iterator[Team]:
    """The team that torchrun started; this process takes the GPU of its local rank."""
    if threads is not None:
        torch.set_num_threads(threads)
    place = _place(device, int(os.environ.get("LOCAL_RANK", "0")))
    torch.distributed.init_process_group(_BACKENDS[device], timeout=TIMEOUT)
    try:
        yield Team(torch.distributed.get_rank(), torch.distributed.get_world_size(), place)
    finally:
        torch.distributed.destroy_process_group()


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


def _member(
    rank: int,
    work: Callable[[Team], T],
    size: int,
    threads: int,
    device: str,
    meeting: str,
    told: SimpleQueue[T | DfedgeError],
) -> None:
    torch.set_num_threads(threads)
    place = _place(device, rank)
    torch.distributed.init_process_group(
        _BACKENDS[device], init_method=meeting, rank=rank, world_size=size, timeout=TIMEOUT
    )
    try:
        answer = work(Team(rank, size, place))
        if rank == 0:
            told.put(answer)
    except DfedgeError as error:
        told.put(error)
        raise SystemExit(2) from error
    finally:
        torch.distributed.destroy_process_group()


def _place(device: str, local_rank: int) -> torch.device:
    if device == "cpu":
        return CPU
    place = torch.device(device, local_rank)
    torch.cuda.set_device(place)
    return place

"""Work shared among processes: results in the order of the items, whatever befalls a process.

The order makes what is written a function of the input alone, so that a run that was killed and
resumed leaves the same bytes as one that was not.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

import cv2

WAITING_PER_WORKER = 4
"""Items a process is ahead of the one whose result is wanted next; a kill loses at most these."""

Item = TypeVar("Item")
Result = TypeVar("Result")
Item_contra = TypeVar("Item_contra", contravariant=True)
Result_co = TypeVar("Result_co", covariant=True)


class Worker(Protocol[Item_contra, Result_co]):
    """What one process does; made once in each process, by a function that can be pickled."""

    def __call__(self, item: Item_contra, /) -> Result_co:
        """Do one item. What it raises ends the run; a bad item is a result that says so."""

    def close(self) -> None:
        """Free what is held."""


def in_order(
    make_worker: Callable[[], Worker[Item, Result]], items: Sequence[Item], *, workers: int
) -> Iterator[tuple[Item, Result | None]]:
    """Each item with its result, in the order of the items.

    The result is None for an item on which its process died (out of memory, a crash of a decoder)
    twice: once among others and once alone. With one worker the work is done in this process, where
    a crash is the end; more are spawned, with one thread each. Closing the iterator, or an
    exception in this process, ends them at once; so does the death of this process.
    """
    if not items:
        return
    if workers == 1:
        yield from _here(make_worker, items)
        return
    waiting: deque[tuple[Item, Future[Result]]] = deque()
    todo = iter(items)
    with _Processes(make_worker, min(workers, len(items))) as processes:
        while True:
            while len(waiting) < workers * WAITING_PER_WORKER:
                try:
                    item = next(todo)
                except StopIteration:
                    break
                waiting.append((item, processes.submit(item)))
            if not waiting:
                return
            item, future = waiting[0]
            try:
                result: Result | None = future.result()
            except BrokenProcessPool:
                # Whose fault it was is not known: those under way are tried one by one.
                unfinished = [item for item, _ in waiting]
                waiting.clear()
                for item in unfinished:
                    yield item, processes.alone(item)
                continue
            waiting.popleft()
            yield item, result


def _here(
    make_worker: Callable[[], Worker[Item, Result]], items: Sequence[Item]
) -> Iterator[tuple[Item, Result]]:
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    worker = make_worker()
    try:
        for item in items:
            yield item, worker(item)
    finally:
        worker.close()
        cv2.setNumThreads(threads)


class _Processes(Generic[Item, Result]):
    """A pool that can be ended at once and started again."""

    def __init__(self, make_worker: Callable[[], Worker[Item, Result]], count: int) -> None:
        self._make_worker = make_worker
        self._count = count
        self._context = multiprocessing.get_context("spawn")
        self._start(count)

    def submit(self, item: Item) -> Future[Result]:
        """Have an item done."""
        with _interrupts_ignored():  # a process that is being started inherits this
            try:
                return self._pool.submit(_work, item)
            except BrokenProcessPool as error:
                broken: Future[Result] = Future()
                broken.set_exception(error)
                return broken

    def alone(self, item: Item) -> Result | None:
        """Have an item done in a fresh process; None when that dies."""
        self._end()
        self._start(1)
        try:
            result: Result | None = self.submit(item).result()
        except BrokenProcessPool:
            result = None
        self._end()
        self._start(self._count)
        return result

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def _start(self, count: int) -> None:
        # Nothing is sent through this pipe: its end closes when this process wants the others
        # gone, and when it dies, however it dies.
        watched, self._life = self._context.Pipe(duplex=False)
        self._pool = ProcessPoolExecutor(
            count,
            mp_context=self._context,
            initializer=_begin,
            initargs=(self._make_worker, watched),
        )

    def _end(self) -> None:
        self._life.close()
        self._pool.shutdown(wait=True, cancel_futures=True)


_worker: Worker[Any, Any]
"""Of this process, if it is one of a pool."""


def _begin(make_worker: Callable[[], Worker[Any, Any]], watched: Connection) -> None:
    global _worker
    threading.Thread(target=_end_with, args=(watched,), daemon=True).start()
    cv2.setNumThreads(1)
    _worker = make_worker()


def _work(item: Any) -> Any:
    return _worker(item)


def _end_with(watched: Connection) -> None:
    """End this process, whatever it is at, when the other end of the pipe is closed."""
    watched.poll(None)
    os._exit(1)


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Ctrl-C is for the parent, which then ends its processes; it reaches all of a terminal."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)

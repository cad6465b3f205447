"""Work shared among processes: order, crashes, errors."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dfedge.errors import UsageError
from dfedge_tools.data.workers import in_order

MODULE = """\
import os, time
from dfedge.errors import UsageError

class Worker:
    def __call__(self, item):
        if item == "slow":
            time.sleep(0.3)
        if item == "deadly":
            os._exit(9)
        if item == "wrong":
            raise UsageError("the disk is full")
        return item, os.getpid()

    def close(self):
        pass
"""


@pytest.fixture
def make_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    """A worker in a module of its own, so that a spawned process can import it."""
    (tmp_path / "strange_worker.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    worker: Callable[[], Any] = importlib.import_module("strange_worker").Worker
    return worker


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_order(make_worker: Callable[[], Any], workers: int) -> None:
    """However long each takes, results come in the order of the items."""
    items = ["slow", *map(str, range(12))]
    done = list(in_order(make_worker, items, workers=workers))
    assert items == [item for item, _ in done]
    assert items == [result[0] for _, result in done]


def test_a_deadly_item_has_no_result(make_worker: Callable[[], Any]) -> None:
    """An item that kills its process gives None; all others are done all the same."""
    items = ["a", "deadly", "b", "c"]
    done = dict(in_order(make_worker, items, workers=2))
    assert done["deadly"] is None
    assert ["a", "b", "c"] == [result[0] for result in done.values() if result is not None]


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_ends_the_run(make_worker: Callable[[], Any], workers: int) -> None:
    """What a worker raises comes out here, with its words."""
    with pytest.raises(UsageError, match="the disk is full"):
        list(in_order(make_worker, ["a", "wrong", "b"], workers=workers))

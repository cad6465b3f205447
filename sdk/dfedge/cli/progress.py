"""A progress bar on stderr while somebody is looking, nothing otherwise."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, cast

from dfedge.cli.terminal import is_terminal
from dfedge.report.wording import printable

if TYPE_CHECKING:
    from dfedge.analysis import Progress

_NAME_COLUMNS = 28
_UNITS = {"frames": "frames", "heatmaps": "heat maps", "server": ""}
_COUNTING = "{desc}|{bar:30}| {n_fmt}/{total_fmt} {unit} {elapsed}"
_WAITING = "{desc}: waiting for the server {elapsed}"


class _Bar(Protocol):
    """What is used of a tqdm bar, which has no types of its own."""

    n: int
    total: int | None
    unit: str
    bar_format: str

    def update(self, n: int) -> object: ...
    def reset(self) -> None: ...
    def clear(self) -> None: ...
    def refresh(self) -> object: ...
    def close(self) -> None: ...
    def set_description_str(self, desc: str, refresh: bool) -> None: ...


class ProgressBar:
    """Frames of the current input, with the input's place among all; a context manager.

    A hidden bar (stderr is no terminal, or ``--quiet``) costs nothing and imports nothing.
    """

    def __init__(self, inputs: Sequence[str], *, quiet: bool) -> None:
        self._inputs = inputs
        self._places = {source: place for place, source in enumerate(inputs)}
        self._current = 0
        self._shown = 0
        self._bar: _Bar | None = None
        if not quiet and is_terminal(sys.stderr):
            self._bar = _make_bar(self._description())

    def update(self, progress: Progress) -> None:
        """The detector's callback: a frame was looked at, a heat map made, a server waited for."""
        if self._bar is None:
            return
        self._show(self._places.get(progress.source, self._current))
        unit = _UNITS[progress.stage]
        changed, self._bar.unit = self._bar.unit != unit, unit
        waiting = progress.stage == "server"
        self._bar.bar_format = _WAITING if waiting else _COUNTING
        self._bar.total = progress.total
        self._bar.update(progress.done - self._bar.n)
        if changed or waiting:
            self._bar.refresh()

    def next_input(self) -> None:
        """The current input is done; the next one begins."""
        self._current += 1
        if self._current < len(self._inputs):
            self._show(self._current)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Take the bar away while results are printed to the same terminal."""
        if self._bar is None:
            yield
            return
        self._bar.clear()
        yield
        if self._current < len(self._inputs):
            self._bar.refresh()

    def close(self) -> None:
        """Take the bar away for good."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    def _show(self, place: int) -> None:
        """Begin anew for the input at this place, unless it is the one that is shown."""
        if self._bar is not None and place != self._shown:
            self._shown = place
            self._bar.set_description_str(self._description(), refresh=False)
            self._bar.reset()

    def _description(self) -> str:
        name = printable(_short_name(self._inputs[self._shown]))
        if len(name) > _NAME_COLUMNS:
            name = "..." + name[3 - _NAME_COLUMNS :]
        place = f"[{self._shown + 1}/{len(self._inputs)}] " if len(self._inputs) > 1 else ""
        return place + name


def _short_name(source: str) -> str:
    """The last part of a path; of an address without its query, which may hold a secret."""
    if "://" in source:
        source = source.partition("?")[0]
    return source.rstrip("/").rpartition("/")[2] or "/"


def _make_bar(description: str) -> _Bar:
    from tqdm import tqdm

    tqdm.monitor_interval = 0  # a thread that watches for stalled bars; this one never stalls
    bar = tqdm(
        desc=description,
        file=sys.stderr,
        leave=False,
        dynamic_ncols=True,
        bar_format=_COUNTING,
        unit="frames",
    )
    return cast("_Bar", bar)

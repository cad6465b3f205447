"""The smallest file that keeps limits: a search over the layers that are left out of a recipe.

1. All layers of the recipe become int8. If that keeps the limits, it is the answer.
2. Each layer alone becomes int8, and its harm is measured: the root mean square of what it adds to
   the log-odds of some inputs. Such errors add up like noise, so a layer's harm squared for each
   byte it saves tells in which order layers are left out.
3. The shortest part of that order that keeps the limits is found by bisection.
4. Each layer left out is tried again, the largest first, until none can be taken back.

All trials but those of step 2 are judged on all inputs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from dfedge.errors import FidelityError
from dfedge_tools.fidelity import Agreement, Limits
from dfedge_tools.quantizing.forms import Forms, open_forms
from dfedge_tools.quantizing.measure import Judge, Trial, worst
from dfedge_tools.quantizing.quantizer import Quantizer

PROBES = 16
"""Inputs on which the harm of a layer is measured."""

Report: TypeAlias = Callable[[str, int, int], None]
"""Told of progress: the stage, the steps done in it, their number."""


@dataclass(frozen=True, slots=True)
class Step:
    """One trial of a search.

    Attributes:
        what: was tried, in words.
        left_out: number of layers left out.
        size_bytes: of the graph.
        kept: whether it kept the limits.
        figure: the figure nearest to its limit, or what the limits were broken by.
    """

    what: str
    left_out: int
    size_bytes: int
    kept: bool
    figure: str


@dataclass(frozen=True, slots=True)
class Found:
    """What a search ended at.

    Attributes:
        graph: bytes of the smaller graph.
        left_out: names of the layers that stay as the rest is stored, in the graph's order.
        needed: for each of them, what breaks when it becomes int8 too.
        agreement: of the graph, on all inputs.
        steps: the path.
    """

    graph: bytes
    left_out: tuple[str, ...]
    needed: tuple[str, ...]
    agreement: Agreement
    steps: tuple[Step, ...]


def search(
    quantizer: Quantizer,
    judge: Judge,
    limits: Limits,
    *,
    probes: int = PROBES,
    report: Report = lambda stage, done, total: None,
) -> Found:
    """Leave out as few bytes of layers as keep the limits.

    Args:
        probes: inputs on which the harm of a layer is measured.

    Raises:
        FidelityError: the limits do not hold even with all layers left out.
    """
    forms = open_forms(quantizer, judge)
    path = _Path(forms, judge, limits)
    if path.trial("all layers", frozenset()).kept:
        return _built(quantizer, judge, limits, [], frozenset(), path)
    order = _by_harm(forms, judge, probes, report)
    nothing = path.trial("no layer", frozenset(order))
    if not nothing.kept:
        raise FidelityError(
            f"recipe {quantizer.recipe.name}: even with every layer left out, {nothing.why}; "
            "loosen that limit, or use a recipe whose other parts are more exact"
        )
    left_out = _taken_back(_shortest(order, path, report), path, report)
    return _built(quantizer, judge, limits, order, left_out, path)


class _Path:
    """Makes trials and notes them.

    Attributes:
        needed: why each layer left out is needed.
    """

    def __init__(self, forms: Forms, judge: Judge, limits: Limits) -> None:
        self.layers = {layer.name: layer for layer in forms.layers}
        self.needed: dict[str, str] = {}
        self.steps: list[Step] = []
        self._forms, self._judge, self._limits = forms, judge, limits

    def trial(self, what: str, left_out: frozenset[str]) -> Trial:
        trial = self._judge.keeps(self._forms.score(left_out), self._limits)
        self.note(what, left_out, self._forms.size(left_out), trial)
        return trial

    def note(self, what: str, left_out: frozenset[str], size: int, trial: Trial) -> None:
        figure = trial.why or "nothing is limited"
        if trial.kept and trial.agreement is not None:
            nearest = worst(trial.agreement, self._limits)
            if nearest is not None:
                figure = f"{nearest.what} {nearest.value:.4g} (limit {nearest.limit:g})"
        self.steps.append(Step(what, len(left_out), size, trial.kept, figure))


def _built(
    quantizer: Quantizer,
    judge: Judge,
    limits: Limits,
    order: list[str],
    left_out: frozenset[str],
    path: _Path,
) -> Found:
    """The file of a choice, judged as it is; should its last digits break a limit, the next."""
    waiting = [name for name in order if name not in left_out]
    while True:
        graph = quantizer.build(left_out)
        found = judge.measure(graph)
        why = "; ".join(limits.failures(found))
        path.note("the file itself", left_out, len(graph), Trial(not why, why, found))
        if not why:
            break
        if not waiting:
            raise FidelityError(f"the file breaks a limit: {why}; loosen it a little")
        left_out |= {waiting.pop(0)}
    names = tuple(name for name in path.layers if name in left_out)
    return Found(
        graph=graph,
        left_out=names,
        needed=tuple(path.needed.get(name, "") for name in names),
        agreement=found,
        steps=tuple(path.steps),
    )


def _by_harm(forms: Forms, judge: Judge, probes: int, report: Report) -> list[str]:
    """Names of layers, the one that does most harm for each byte it saves first."""
    names = frozenset(layer.name for layer in forms.layers)
    inputs = judge.some_inputs(probes)
    exact = forms.score(names)(inputs)
    gains = {}
    for done, layer in enumerate(forms.layers):
        report("harm of each layer", done, len(names))
        moved = forms.score(names - {layer.name})(inputs) - exact
        harm = float(np.mean(moved**2))
        gains[layer.name] = (harm if np.isfinite(harm) else np.inf) / layer.saving
    return sorted(gains, key=lambda name: -gains[name])


def _shortest(order: list[str], path: _Path, report: Report) -> frozenset[str]:
    """The shortest beginning of an order that keeps the limits, the whole of which does."""
    least, most, done = 1, len(order), 0
    steps = max(1, (len(order) - 1).bit_length())
    while least < most:
        report("how many layers to leave out", done, steps)
        middle = (least + most) // 2
        kept = path.trial(f"all but the {middle} most harmful", frozenset(order[:middle])).kept
        least, most = (least, middle) if kept else (middle + 1, most)
        done += 1
    return frozenset(order[:most])


def _taken_back(left_out: frozenset[str], path: _Path, report: Report) -> frozenset[str]:
    """Take back what can be, the largest first, until each layer left out is needed."""
    waiting = sorted(left_out, key=lambda name: (-path.layers[name].saving, name))
    done = 0
    while waiting:
        name = waiting.pop(0)
        report("layers to take back", done, done + len(waiting) + 1)
        done += 1
        trial = path.trial(f"with {name}", left_out - {name})
        if trial.kept:
            left_out -= {name}
            waiting += path.needed  # they were tried with this layer left out, so once more
            path.needed.clear()
        else:
            path.needed[name] = trial.why
    return left_out

"""All recipes on one model, side by side: size, fidelity, speed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import median

from tqdm import tqdm

from dfedge.bundles.card import DetectorCard
from dfedge.bundles.store import resolve_detector
from dfedge.runtime import default_threads
from dfedge.types import Tensor
from dfedge_tools.fidelity import Agreement
from dfedge_tools.quantizing.job import Request, load_inputs
from dfedge_tools.quantizing.measure import GraphScorer, Judge
from dfedge_tools.quantizing.quantizer import Quantizer
from dfedge_tools.quantizing.recipes import RECIPES, Recipe, find_recipe

ROUNDS = 7
INPUTS = 8
"""Inputs of a round, one after the other."""


@dataclass(frozen=True, slots=True)
class Row:
    """One recipe.

    Attributes:
        size_bytes: of ``model.onnx``.
        ms: median milliseconds an input, alone in its batch.
        ratio: of that to the float32 form's, median of rounds taken in turn.
        problems: limits that are broken.
    """

    recipe: Recipe
    size_bytes: int
    agreement: Agreement
    ms: float
    ratio: float
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """All rows.

    Attributes:
        ms: median milliseconds of the float32 form.
    """

    source: DetectorCard
    size_bytes: int
    ms: float
    threads: int
    rows: tuple[Row, ...]


def compare(request: Request) -> Comparison:
    """Measure each recipe, or the one that is asked for, on one model; nothing is written."""
    bundle, card = resolve_detector(request.model)
    recipes = RECIPES if request.recipe is None else (find_recipe(request.recipe),)
    fixing = next((recipe for recipe in recipes if recipe.ranges is not None), recipes[0])
    faces, calibration = load_inputs(request, bundle, card, fixing)
    reference = bundle.read("model")
    threads = request.threads or default_threads()
    judge = Judge(reference, card, faces, threads=threads)
    large = judge.scorer(reference)
    rows, times = [], []
    for recipe in tqdm(recipes, desc="recipes", disable=request.quiet or None, leave=False):
        quantizer = Quantizer(reference, recipe, inputs=calibration.inputs, label=str(bundle.path))
        graph = quantizer.build()
        agreement = judge.measure(graph)
        before, after = _take_turns(large, judge.scorer(graph), judge.some_inputs(INPUTS))
        times += before
        rows.append(
            Row(
                recipe=recipe,
                size_bytes=len(graph),
                agreement=agreement,
                ms=median(after),
                ratio=median(b / a for a, b in zip(before, after, strict=True)),
                problems=request.limits.failures(agreement),
            )
        )
    return Comparison(card, len(reference), median(times), threads, tuple(rows))


def _take_turns(
    one: GraphScorer, other: GraphScorer, inputs: Tensor
) -> tuple[list[float], list[float]]:
    """Milliseconds an input of two models, round by round."""
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(ROUNDS + 1):
        for scorer, its in zip((one, other), times, strict=True):
            started = time.perf_counter()
            for place in range(len(inputs)):
                scorer.log_odds(inputs[place : place + 1])
            if number:  # the first round warms up
                its.append((time.perf_counter() - started) * 1000 / len(inputs))
    return times

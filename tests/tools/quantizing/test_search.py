"""The search over what is left out ends at the smallest file that keeps the limits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from dfedge.bundles.bundle import Bundle
from dfedge.bundles.card import DetectorCard
from dfedge.errors import FidelityError
from dfedge.types import Tensor
from dfedge_tools.faceset import FaceSet
from dfedge_tools.fidelity import Limits
from dfedge_tools.quantizing.forms import BuiltForms, FedForms
from dfedge_tools.quantizing.measure import Judge, worst
from dfedge_tools.quantizing.quantizer import Quantizer
from dfedge_tools.quantizing.recipes import find_recipe
from dfedge_tools.quantizing.search import search

SPIKES = ("blocks.0.pw.weight", "mlp.fc1.weight")
TIGHT = Limits(
    min_sign_agreement=None,
    min_label_agreement=None,
    min_correlation=None,
    max_probability_change=0.004,
    max_calibration_change=None,
)
EVERYTHING = replace(find_recipe("weights-int8"), exclude=())


@pytest.fixture(scope="module")
def spiky(make_graph: Callable[..., bytes]) -> bytes:
    """The small detector with two layers that int8 harms much."""
    return make_graph(spikes=SPIKES)


@pytest.fixture(scope="module")
def faces_set(pictures: Tensor) -> FaceSet:
    """The patterns with labels."""
    return FaceSet(
        inputs=pictures,
        labels=np.arange(len(pictures)) % 2,
        clips=tuple(map(str, range(len(pictures)))),
        data="40 patterns",
    )


@pytest.fixture(scope="module")
def judge(spiky: bytes, faces_set: FaceSet, make_bundle: Callable[..., Bundle]) -> Judge:
    """Against the spiky detector in float32."""
    card = make_bundle(spiky).card
    assert isinstance(card, DetectorCard)
    return Judge(spiky, card, faces_set)


@pytest.mark.parametrize("allowed", [0.002, 0.004, 0.01, 0.05])
def test_what_is_left_out_is_needed(allowed: float, spiky: bytes, judge: Judge) -> None:
    """The file keeps the limits; with any layer less left out it does not."""
    limits = Limits(**{**_values(TIGHT), "max_probability_change": allowed})
    quantizer = Quantizer(spiky, EVERYTHING)
    found = search(quantizer, judge, limits)
    assert () == limits.failures(judge.measure(found.graph))
    assert quantizer.build(found.left_out) == found.graph
    for name in found.left_out:
        without = [other for other in found.left_out if other != name]
        assert limits.failures(judge.measure(quantizer.build(without))) != (), name


def test_the_harmful_layers_are_those_left_out(spiky: bytes, judge: Judge) -> None:
    """The two with spikes are among few; the path tells how it came there."""
    found = search(Quantizer(spiky, EVERYTHING), judge, TIGHT)
    assert {"blocks.0.pw", "mlp.fc1"} <= set(found.left_out)
    assert len(found.left_out) < 7
    assert len(found.left_out) == len(found.needed)
    assert all(found.needed)
    first, last = found.steps[0], found.steps[-1]
    assert ("all layers", 0, False) == (first.what, first.left_out, first.kept)
    assert ("the file itself", len(found.graph), True) == (last.what, last.size_bytes, last.kept)
    assert last.size_bytes > first.size_bytes


def test_looser_limits_give_no_larger_file(spiky: bytes, judge: Judge) -> None:
    """And none at all leave nothing out."""
    tight = search(Quantizer(spiky, EVERYTHING), judge, TIGHT)
    nothing = Limits(**dict.fromkeys(_values(TIGHT)))
    free = search(Quantizer(spiky, EVERYTHING), judge, nothing)
    assert () == free.left_out
    assert len(free.graph) < len(tight.graph)
    assert Quantizer(spiky, EVERYTHING).build() == free.graph


def test_the_same_search_gives_the_same_bytes(spiky: bytes, judge: Judge) -> None:
    """Nothing is left to chance, whatever the judge saw before."""
    one, other = (search(Quantizer(spiky, EVERYTHING), judge, TIGHT) for _ in range(2))
    assert one.graph == other.graph
    assert one.left_out == other.left_out


def test_limits_that_nothing_keeps_are_refused(spiky: bytes, judge: Judge) -> None:
    """Float16 alone moves more: the message says by how much."""
    limits = Limits(max_probability_change=1e-9)
    with pytest.raises(FidelityError, match=r"even with every layer left out, .*change is"):
        search(Quantizer(spiky, EVERYTHING), judge, limits)


@pytest.mark.parametrize("name", ["dynamic-int8", "static-qdq"])
def test_other_recipes_are_searched_too(
    name: str, spiky: bytes, judge: Judge, pictures: Tensor
) -> None:
    """Whose forms are built one by one; what is left out has a name in the graph."""
    recipe = replace(find_recipe(name), exclude=("head*", "*.se.*", "*stem*"))
    limits = Limits(**{**_values(TIGHT), "max_probability_change": 0.03})
    quantizer = Quantizer(spiky, recipe, inputs=pictures[:16])
    found = search(quantizer, judge, limits, probes=8)
    assert () == limits.failures(judge.measure(found.graph))
    assert set(found.left_out) <= {layer.name for layer in quantizer.layers}


def test_fed_forms_score_as_built_ones(spiky: bytes, judge: Judge, pictures: Tensor) -> None:
    """Weights as inputs give the numbers and, about, the size of the file."""
    quantizer = Quantizer(spiky, EVERYTHING)
    fed, built = FedForms(quantizer, judge), BuiltForms(quantizer, judge)
    for left_out in ((), ("up", "mlp.fc1"), [layer.name for layer in quantizer.layers]):
        np.testing.assert_allclose(
            fed.score(left_out)(pictures), built.score(left_out)(pictures), atol=1e-5
        )
        assert abs(fed.size(left_out) - built.size(left_out)) < 500


def test_a_lost_trial_ends_early(spiky: bytes, judge: Judge) -> None:
    """Once the worst inputs are known, a trial needs no others."""
    score = judge.scorer(Quantizer(spiky, EVERYTHING).build()).log_odds
    asked: list[int] = []

    def counted(inputs: Tensor) -> Any:
        asked.append(len(inputs))
        return score(inputs)

    loose = Limits(max_probability_change=None, min_correlation=0.1)
    judge.keeps(score, loose)
    trial = judge.keeps(counted, TIGHT)
    assert not trial.kept
    assert trial.agreement is None
    assert "probability change is" in trial.why
    assert [8] == asked


def test_an_early_end_says_what_a_whole_trial_says(spiky: bytes, judge: Judge) -> None:
    """Whatever limit decides."""
    graph = Quantizer(spiky, EVERYTHING).build()
    found = judge.measure(graph)
    score = judge.scorer(graph).log_odds
    for name, value in (
        ("max_probability_change", found.max_probability_change),
        ("min_sign_agreement", found.sign_agreement),
        ("min_label_agreement", found.label_agreement),
        ("min_correlation", found.logit_correlation),
    ):
        for nudge in (-1e-6, 1e-6):
            limits = Limits(**{**dict.fromkeys(_values(TIGHT)), name: value + nudge})
            assert judge.keeps(score, limits).kept == (not limits.failures(found)), name


def test_the_worst_figure_is_the_one_nearest_its_limit(spiky: bytes, judge: Judge) -> None:
    """By the share of what the limit allows."""
    found = judge.measure(Quantizer(spiky, find_recipe("fp16")).build())
    change = found.max_probability_change
    limits = Limits(max_probability_change=change * 1.01, min_correlation=0.5)
    nearest = worst(found, limits)
    assert nearest is not None
    assert ("probability change", change, change * 1.01) == (
        nearest.what,
        nearest.value,
        nearest.limit,
    )


def _values(limits: Limits) -> dict[str, Any]:
    return {name: getattr(limits, name) for name in limits.__slots__}

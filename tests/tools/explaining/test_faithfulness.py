"""Scores of maps: what the model looks at must win over chance, and chance over its opposite."""

from __future__ import annotations

import numpy as np
import pytest

from dfedge.types import Tensor
from dfedge_tools.explaining import faithfulness
from dfedge_tools.explaining.faithfulness import Floats, impute, measure, random_heat, rank

SIDE = 64
TRUTH = np.zeros((SIDE, SIDE), np.float32)
TRUTH[8:29, 36:57] = 1
"""Where the toy model looks: a little more than a tenth of the picture."""


def detail_inside(inputs: Tensor) -> Floats:
    """A model of one idea: how much detail there is where it looks, as a probability."""
    steps = np.abs(np.diff(inputs, axis=3, prepend=inputs[..., :1])).mean(axis=1)
    amount = (steps * TRUTH).sum(axis=(1, 2)) / TRUTH.sum()
    return np.asarray(np.clip(amount / 2, 0, 1), np.float64)


def test_the_true_map_beats_chance_and_chance_its_opposite(x: Tensor) -> None:
    """By each of the three scores."""
    heats = {"true": TRUTH, "random": random_heat(SIDE), "false": 1 - TRUTH}
    found = measure(detail_inside, x, heats)
    true, chance, false = found["true"], found["random"], found["false"]
    assert true.deletion < chance.deletion < false.deletion
    assert true.insertion > chance.insertion > false.insertion
    assert true.road > chance.road > false.road
    assert true.road > 0 > false.road


def test_a_constant_model_is_flat(x: Tensor) -> None:
    """Nothing can be learned of a model that does not look."""
    found = measure(lambda inputs: np.full(len(inputs), 0.3), x, {"any": TRUTH})["any"]
    assert 0.3 == pytest.approx(found.deletion)
    assert 0.3 == pytest.approx(found.insertion)
    assert 0 == found.road


def test_deletion_ends_with_nothing_to_see_and_insertion_begins_there(x: Tensor) -> None:
    """The curves run from the picture to its blurred copy and back."""
    seen: list[Tensor] = []

    def score(inputs: Tensor) -> Floats:
        seen.append(inputs)
        return np.zeros(len(inputs))

    measure(score, x, {"any": TRUTH})
    deletion = seen[0][: len(faithfulness.FRACTIONS)]
    np.testing.assert_array_equal(x, deletion[0])
    np.testing.assert_array_equal(faithfulness.blur(x), deletion[-1])
    assert len(seen[0]) == 2 * len(faithfulness.FRACTIONS) - 2
    changed = (seen[0][1] != x).any(axis=0)
    assert changed[TRUTH == 0].mean() == 0


def test_ranks_run_from_the_most_relevant_and_share_ties_by_chance() -> None:
    """The share of pixels before each; a flat map is in no order of rows."""
    heat = np.array([[0.0, 3.0], [2.0, 1.0]])
    np.testing.assert_allclose(rank(heat), [[0.75, 0.0], [0.25, 0.5]])
    flat = rank(np.zeros((SIDE, SIDE)))
    assert abs(flat[: SIDE // 2].mean() - 0.5) < 0.02
    np.testing.assert_array_equal(flat, rank(np.zeros((SIDE, SIDE))))


def test_imputation_solves_the_linear_system(monkeypatch: pytest.MonkeyPatch) -> None:
    """Against a dense solution of: each filled pixel is the weighted mean of its neighbours."""
    monkeypatch.setattr(faithfulness, "IMPUTATION_NOISE", 0.0)
    side = 20
    generator = np.random.default_rng(5)
    x = generator.standard_normal((3, side, side)).astype(np.float32)
    gone = random_heat(side)[None] > 0.4
    filled = impute(x, gone)[0]
    np.testing.assert_array_equal(x[:, ~gone[0]], filled[:, ~gone[0]])
    exact = _dense(x, gone[0])
    error = np.abs(filled - exact)[:, gone[0]]
    assert error.mean() < 0.02
    assert error.max() < 0.2


def test_imputation_leaves_noise_and_no_trace_of_what_was_there(x: Tensor) -> None:
    """What is filled does not depend on what was taken away, but for the noise's size."""
    gone = TRUTH[None] > 0
    other = x.copy()
    other[:, TRUTH > 0] = other[:, TRUTH > 0][:, ::-1]
    np.testing.assert_allclose(impute(x, gone), impute(other, gone), atol=1e-5)
    inside = impute(x, gone)[0][:, TRUTH > 0]
    assert 0.05 < inside.std()


def test_all_may_be_taken_away(x: Tensor) -> None:
    """Then nothing is left to spread, and numbers stay numbers."""
    filled = impute(x, np.ones((1, SIDE, SIDE), bool))
    assert np.isfinite(filled).all()


def _dense(x: Tensor, gone: np.ndarray) -> np.ndarray:
    """The linear system written out, pixel by pixel."""
    side = gone.shape[0]
    places = {tuple(place): number for number, place in enumerate(np.argwhere(gone))}
    matrix = np.zeros((len(places), len(places)))
    right = np.zeros((len(places), 3))
    for (row, column), number in places.items():
        for down in (-1, 0, 1):
            for across in (-1, 0, 1):
                near = (row + down, column + across)
                if near == (row, column) or not (0 <= near[0] < side and 0 <= near[1] < side):
                    continue
                weight = 1 / 12 if down and across else 1 / 6
                matrix[number, number] += weight
                if near in places:
                    matrix[number, places[near]] -= weight
                else:
                    right[number] += weight * x[:, near[0], near[1]]
    solution = np.linalg.solve(matrix, right)
    exact = x.copy()
    for (row, column), number in places.items():
        exact[:, row, column] = solution[number]
    return exact

"""What each head is to say follows from the manifest, and is left out where it does not."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from dfedge_tools.training.tasks.multitask_labels import (
    UNKNOWN_QUALITY,
    Labels,
    blend_labels,
    class_weights,
    labels_of,
    quality_of,
    worse_quality,
)

from .conftest import sample

ALL = (True, True, True)


def test_a_genuine_picture_is_none_of_it() -> None:
    """Real, not of InSwapper, without a border: all known."""
    assert Labels((0.0, 0.0, 0.0), ALL, 1) == labels_of(sample())


@pytest.mark.parametrize("method", ["InSwapper", "inswapper_128", "in-swapper"])
def test_inswapper_by_any_spelling(method: str) -> None:
    """A face swapped by InSwapper is fake, of InSwapper, and pasted in."""
    assert (1.0, 1.0, 1.0) == labels_of(sample(label=1, method=method)).targets


@pytest.mark.parametrize(
    "method", ["Deepfakes", "FaceSwap", "uniface", "Face2Face", "DF-TIMIT-HQ", "Celeb-synthesis"]
)
def test_other_swaps_have_a_border(method: str) -> None:
    """Fake, not of InSwapper, pasted in."""
    assert Labels((1.0, 0.0, 1.0), ALL, 1) == labels_of(sample(label=1, method=method))


@pytest.mark.parametrize("method", ["NeuralTextures", "FOMM", "dfdc"])
def test_what_pastes_no_face_may_have_no_border(method: str) -> None:
    """Of rendered mouths, whole generated frames and mixtures it learns nothing of borders."""
    labels = labels_of(sample(label=1, method=method))
    assert ((1.0, 0.0, 0.0), (True, True, False)) == (labels.targets, labels.known)


@pytest.mark.parametrize("method", ["", "unknown"])
def test_an_unknown_method_is_only_fake(method: str) -> None:
    """Neither InSwapper nor a border is learned from it."""
    labels = labels_of(sample(label=1, method=method))
    assert ((1.0, 0.0, 0.0), (True, False, False)) == (labels.targets, labels.known)


def test_a_self_blend_has_a_border() -> None:
    """Made of a genuine picture, it is fake, not of InSwapper, pasted in."""
    assert Labels((1.0, 0.0, 1.0), ALL, 2) == blend_labels(sample(compression="c40"))


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({"compression": "c23"}, 1),
        ({"compression": "c40"}, 2),
        ({"compression": "raw"}, 0),
        ({"compression": ""}, UNKNOWN_QUALITY),
        ({"compression": "", "kind": "still"}, 0),
    ],
)
def test_quality_by_compression(known: dict[str, str], expected: int) -> None:
    """Clips by FaceForensics++'s names; a still is clean, a clip of no name unknown."""
    assert expected == quality_of(sample(**known))


def test_compression_only_makes_it_worse() -> None:
    """The class of both; what was unknown is known once blocks and smears are in it."""
    assert 1 == worse_quality(1, 0)
    assert 2 == worse_quality(0, 2)
    assert UNKNOWN_QUALITY == worse_quality(UNKNOWN_QUALITY, 1)
    assert 2 == worse_quality(UNKNOWN_QUALITY, 2)


def test_class_weights_are_scikit_learns() -> None:
    """One in four positive: weights 2/3 and 2, as ``class_weight='balanced'``."""
    expected = compute_class_weight("balanced", classes=np.array([0, 1]), y=[0, 0, 0, 1])
    assert expected.tolist() == pytest.approx(class_weights(np.array([0.25]))[0].tolist())
    assert [2 / 3, 2.0] == pytest.approx(expected.tolist())


def test_a_class_that_never_comes_breaks_nothing() -> None:
    """No InSwapper among the pictures: weights stay finite."""
    assert [[0.5, 1.0]] == class_weights(np.array([0.0])).tolist()

"""Regions and masks: where they lie, with few key points and with many."""

from __future__ import annotations

import numpy as np
import pytest

from dfedge_tools.fakes.config import Region
from dfedge_tools.fakes.masks import MIN_AREA, draw_mask
from dfedge_tools.fakes.regions import HULLS, OUTLINES, mirrored, region_mask, six_points

from ..conftest import KEYPOINTS, SIDE

EYE = [(-2, 0), (-1, -1), (1, -1), (2, 0), (1, 1), (-1, 1)]


def landmarks() -> list[float]:
    """68 points in iBUG's order, of a symmetric face with the key points of the portrait."""
    jaw = [(63 - 30 * np.cos(n * np.pi / 16), 50 + 45 * np.sin(n * np.pi / 16)) for n in range(17)]
    brows = [(40 + 4 * n, 45) for n in range(5)] + [(70 + 4 * n, 45) for n in range(5)]
    nose = [(63, 52 + 4 * n) for n in range(4)] + [(59 + 2 * n, 68) for n in range(5)]
    eyes = [(50 + 2 * x, 52 + y) for x, y in EYE] + [(76 + 2 * x, 52 + y) for x, y in EYE]
    turns = -np.pi + np.arange(12) * np.pi / 6
    outer = [(63 + 10 * np.cos(t), 80 + 4 * np.sin(t)) for t in turns]
    inner = [(63 + 6 * np.cos(t), 80 + 2 * np.sin(t)) for t in -np.pi + np.arange(8) * np.pi / 4]
    points = [*jaw, *brows, *nose, *eyes, *outer, *inner]
    return [float(v) for point in points for v in point]


def plain(keypoints: list[float] | tuple[float, ...], region: Region) -> np.ndarray:
    """A mask without jitter or softness."""
    rng = np.random.default_rng(1)
    return region_mask(keypoints, (SIDE, SIDE), region, rng=rng, jitter=0.0, softness_pixels=0.0)


@pytest.mark.parametrize("region", list(OUTLINES))
def test_region_follows_the_key_points(region: Region) -> None:
    """Key points moved by 20 pixels move the region by as much."""
    masks = [
        plain([value + offset * (n % 2 == 0) for n, value in enumerate(KEYPOINTS)], region)
        for offset in (0, 20)
    ]
    centres = [np.argwhere(mask > 0.5).mean(axis=0) for mask in masks]
    assert np.allclose(centres[0] + (0, 20), centres[1], atol=0.6)


def test_mouth_lies_in_the_lower_face() -> None:
    """The mouth region holds the mouth key point and not the eyes, with 6 points and with 68."""
    for points in (KEYPOINTS, landmarks()):
        mask = plain(points, "mouth")
        assert [1.0, 0.0, 0.0] == [mask[80, 63], mask[52, 50], mask[52, 76]]


@pytest.mark.parametrize("region", list(HULLS))
def test_hulls_lie_where_outlines_do(region: Region) -> None:
    """Of dense landmarks and of six points a region covers much the same pixels."""
    few, many = (plain(points, region) > 0.5 for points in (KEYPOINTS, landmarks()))
    assert (few & many).sum() > 0.4 * min(few.sum(), many.sum())


def test_dense_points_have_the_six() -> None:
    """Eyes, nose tip and mouth of 68 points lie where those of the six do."""
    assert np.allclose(np.reshape(KEYPOINTS, (6, 2))[:4], six_points(landmarks())[:4], atol=2.5)


@pytest.mark.parametrize("points", [list(KEYPOINTS), landmarks()])
def test_mirrored_points_keep_their_names(points: list[float]) -> None:
    """A mirrored symmetric face has its points where they were; mirrored twice it is the same."""
    places = np.reshape(points, (-1, 2)).astype(np.float32)
    other_side = mirrored(places * (-1, 1) + (126, 0))
    assert np.allclose(places, other_side, atol=3.0)
    assert np.array_equal(places, mirrored(mirrored(places)))


def test_81_points_reach_the_forehead() -> None:
    """With 13 points of the forehead the forehead region reaches them."""
    forehead = [(39 + 4 * n, 20) for n in range(13)]
    points = landmarks() + [float(v) for point in forehead for v in point]
    assert 1.0 == plain(points, "forehead")[24, 63]
    assert 0.0 == plain(landmarks(), "forehead")[24, 63]


@pytest.mark.parametrize(
    "points",
    [[v + 1000 for v in KEYPOINTS], [v - 1e7 for v in KEYPOINTS], [5.0] * 12, [0.0] * 136],
)
def test_key_points_outside_still_give_a_mask(points: list[float]) -> None:
    """Key points outside the picture, or all in one place, never give an empty mask."""
    for seed in range(10):
        rng = np.random.default_rng(seed)
        mask = draw_mask(points, (SIDE, SIDE), "mouth", rng=rng, softness=(0.0, 0.05))
        assert mask.mean() > MIN_AREA / 2
        assert mask.max() <= 1.0

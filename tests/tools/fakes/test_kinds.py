"""Every kind of fake: what it may change, and that it shows."""

from __future__ import annotations

from collections import Counter
from typing import get_args

import cv2
import numpy as np
import pytest

from dfedge.types import Image
from dfedge_tools.fakes import kinds
from dfedge_tools.fakes.blending import Blend
from dfedge_tools.fakes.config import FakeMix, Kind, pick
from dfedge_tools.fakes.kinds import make_fake
from dfedge_tools.fakes.swap import match_colour, nearest_in_pose, pose, relight
from dfedge_tools.fakes.warps import change_expression

from ..conftest import KEYPOINTS, SIDE

KINDS = get_args(Kind)


def make(
    image: Image, kind: Kind, seed: int, *, difficulty: float = 0.6, donor: Image | None = None
) -> Blend:
    """A fake with the portrait's key points scaled to the picture."""
    height, width = image.shape[:2]
    scale = np.array([width, height] * 6) / SIDE
    points = [float(v) for v in np.array(KEYPOINTS) * scale]
    given = np.ascontiguousarray(image[:, ::-1, ::-1]) if donor is None else donor
    return make_fake(
        image,
        points,
        lambda: (given, points),
        rng=np.random.default_rng(seed),
        difficulty=difficulty,
        mix=FakeMix(),
        kind=kind,
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("difficulty", [0.0, 1.0])
def test_fake_is_its_twin_outside_the_mask(face: Image, kind: Kind, difficulty: float) -> None:
    """Where the mask is 0 no pixel differs; where it is not, some do."""
    for seed in range(12):
        made = make(face, kind, seed, difficulty=difficulty)
        outside = made.mask < 1e-4
        assert np.array_equal(made.real[outside], made.fake[outside])
        assert np.abs(made.real.astype(int) - made.fake).max() > 2


@pytest.mark.parametrize("kind", KINDS)
def test_seed_decides(face: Image, kind: Kind) -> None:
    """The same seed gives the same fake, another seed another one."""
    first, again, other = (make(face, kind, seed) for seed in (3, 3, 4))
    assert np.array_equal(first.fake, again.fake)
    assert np.array_equal(first.real, again.real)
    assert np.array_equal(first.mask, again.mask)
    assert not np.array_equal(first.fake, other.fake)


@pytest.mark.parametrize("kind", KINDS)
def test_twin_often_carries_changes(face: Image, kind: Kind) -> None:
    """The genuine twin is now the picture itself and now a changed one, so changes tell nothing."""
    untouched = [np.array_equal(face, make(face, kind, seed).real) for seed in range(30)]
    assert 5 < sum(untouched) < 28


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(33, 47), (64, 65), (17, 16), (301, 200)])
def test_any_size_will_do(face: Image, kind: Kind, size: tuple[int, int]) -> None:
    """Odd, small and oblong pictures give fakes of their own size."""
    image = np.asarray(cv2.resize(face, size[::-1], interpolation=cv2.INTER_AREA), np.uint8)
    for seed in range(6):
        made = make(image, kind, seed)
        assert [(*size, 3)] * 2 == [made.real.shape, made.fake.shape]
        assert size == made.mask.shape


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("level", [0, 127, 255])
def test_one_flat_colour_is_no_obstacle(kind: Kind, level: int) -> None:
    """A picture of one colour gives finite fakes: no division by its missing contrast."""
    flat = np.full((SIDE, SIDE, 3), level, np.uint8)
    for seed in range(6):
        made = make(flat, kind, seed, donor=flat)
        assert np.isfinite(made.mask).all()
        assert flat.shape == made.fake.shape


def test_every_kind_is_drawn(face: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mix draws each kind by its share, and asks for a donor only for a swap."""
    asked = Counter[str]()
    rng = np.random.default_rng(0)
    for name in ("self_blend", "reenact", "swap"):
        blend = Blend(face, face, np.zeros((SIDE, SIDE), np.float32))

        def stand_in(*_: object, _name: str = name, _blend: Blend = blend, **__: object) -> Blend:
            asked[_name] += 1
            return _blend

        monkeypatch.setattr(kinds, name, stand_in)

    def donor() -> tuple[Image, tuple[float, ...]]:
        asked["donor"] += 1
        return face, KEYPOINTS

    for _ in range(400):
        make_fake(face, KEYPOINTS, donor, rng=rng, difficulty=0.5, mix=FakeMix())
    assert 400 == asked["self_blend"] + asked["reenact"] + asked["swap"]
    assert asked["donor"] == asked["swap"]
    expected = {"self_blend": 0.48, "reenact": 0.32, "swap": 0.20}
    assert all(abs(asked[name] / 400 - share) < 0.08 for name, share in expected.items())


def test_pick_follows_the_shares() -> None:
    """A share of nothing is never drawn; shares need not sum to 1."""
    rng = np.random.default_rng(0)
    drawn = Counter(pick((("a", 3.0), ("b", 1.0), ("c", 0.0)), rng) for _ in range(400))
    assert {"a", "b"} == set(drawn)
    assert 0.65 < drawn["a"] / 400 < 0.85


def test_expression_moves_the_mouth_and_not_the_hair(face: Image) -> None:
    """A changed expression moves pixels of the mouth, and none far from it."""
    changed = change_expression(face, KEYPOINTS, rng=np.random.default_rng(0), amount=0.1)
    difference = np.abs(face.astype(int) - changed).mean(axis=2)
    assert difference[74:90, 52:76].mean() > 3
    assert 0 == difference[:25].max()


def test_swapped_face_lands_on_the_key_points(face: Image) -> None:
    """A dot at the mouth of a donor of another size lands at the mouth of the picture."""
    donor = np.zeros((2 * SIDE, 2 * SIDE, 3), np.uint8)
    cv2.circle(donor, (126, 160), 12, (255, 255, 255), -1)
    points = [2 * v for v in KEYPOINTS]
    mix = FakeMix(swap_regions=(("face", 1.0),))
    for seed in range(5):
        made = make_fake(
            face,
            KEYPOINTS,
            lambda: (donor, points),
            rng=np.random.default_rng(seed),
            difficulty=0.0,
            mix=mix,
            kind="swap",
        )
        light = made.fake.mean(axis=2) * (made.mask > 0.9)
        peak = np.unravel_index(int(cv2.GaussianBlur(light, (0, 0), 4).argmax()), light.shape)
        assert np.hypot(peak[0] - 80, peak[1] - 63) < 5


def test_colours_are_matched_inside_the_mask(face: Image) -> None:
    """After matching, the mean colour inside the mask is that of the other picture."""
    mask = np.zeros((SIDE, SIDE), np.float32)
    mask[40:100, 40:90] = 1
    bluish = np.clip(face * np.array([0.6, 0.7, 1.1]), 0, 255).astype(np.uint8)
    matched = match_colour(bluish, face, mask, share=1.0)
    gaps = [
        np.abs(i[mask > 0].mean(axis=0) - face[mask > 0].mean(axis=0)) for i in (bluish, matched)
    ]
    assert gaps[1].max() < gaps[0].max() / 4


def test_relighting_brings_light_and_leaves_detail() -> None:
    """A dark texture lit like a bright flat picture takes its level and keeps its stripes."""
    stripes = np.tile(np.array([[40, 80]], np.uint8).repeat(2, axis=1), (64, 16))
    dark = np.repeat(stripes[..., None], 3, axis=2)
    lit = relight(dark, np.full_like(dark, 180), share=1.0)
    assert abs(float(lit.mean()) - 180) < 2
    assert np.isclose(dark.std(), lit.std(), rtol=0.1)


def test_pose_ignores_place_and_turn_and_tells_profiles() -> None:
    """A moved and turned face has the same pose; one that looks aside is farther than a smile."""
    frontal = np.reshape(KEYPOINTS, (6, 2))
    angle = 0.3
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    turned = frontal @ turn + 40
    aside, smiling = frontal.copy(), frontal.copy()
    aside[2:4, 0] += 8
    smiling[3, 1] += 2
    poses = np.stack([pose([float(v) for v in p.ravel()]) for p in (aside, smiling, turned)])
    assert np.allclose(poses[2], pose(KEYPOINTS), atol=1e-4)
    assert [2, 1, 0] == nearest_in_pose(poses, pose(KEYPOINTS)).tolist()

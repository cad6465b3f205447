"""The chain of degradations: the same for a fake and its twin, and really degrading."""

from __future__ import annotations

from collections import Counter

import cv2
import numpy as np
import pytest

from dfedge.types import Image
from dfedge_tools.fakes import degrade
from dfedge_tools.fakes.camera import motion_blur, noisy, shot_noise
from dfedge_tools.fakes.codecs import VideoCodec, video
from dfedge_tools.fakes.config import Degradations
from dfedge_tools.fakes.degrade import STEPS, compress_together, degrade_together

from ..conftest import SIDE


@pytest.mark.parametrize("name", list(STEPS))
def test_equal_pictures_stay_equal(face: Image, name: str) -> None:
    """Every step gives equal pictures equal pixels, wherever in the lot and beside whatever."""
    noise = np.random.default_rng(0).integers(0, 255, face.shape).astype(np.uint8)
    for seed in range(4):
        lot = STEPS[name]([face, noise, face, face], np.random.default_rng(seed), 1.0)
        assert np.array_equal(lot[0], lot[2])
        assert np.array_equal(lot[0], lot[3])


def test_whole_chain_is_fair(face: Image) -> None:
    """Equal twins are equal after the whole chain, noise included."""
    for seed in range(60):
        rng = np.random.default_rng(seed)
        first, second = degrade_together([face, face], rng=rng, strength=1.0)
        assert np.array_equal(first, second)
        first, second = compress_together([first, second], rng=rng, strength=1.0)
        assert np.array_equal(first, second)


@pytest.mark.parametrize("name", list(STEPS))
@pytest.mark.parametrize("size", [(33, 47), (17, 16), (2, 2), (9, 301)])
def test_any_size_will_do(face: Image, name: str, size: tuple[int, int]) -> None:
    """Odd, tiny and oblong pictures come back in their own size."""
    image = np.asarray(cv2.resize(face, size[::-1], interpolation=cv2.INTER_AREA), np.uint8)
    for strength in (0.0, 1.0):
        out = STEPS[name]([image], np.random.default_rng(1), strength)
        assert [(*size, 3)] == [i.shape for i in out]


@pytest.mark.parametrize("name", list(STEPS))
def test_every_step_changes_the_picture(face: Image, name: str) -> None:
    """At full strength a step changes a picture, and it stays one of the same face."""
    for seed in range(3):
        out = STEPS[name]([face], np.random.default_rng(seed), 1.0)[0]
        assert not np.array_equal(face, out)
        assert np.corrcoef(face.reshape(-1), out.reshape(-1))[0, 1] > 0.8


def test_every_step_is_drawn(face: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    """At full strength each step is taken about as often as its share says; at 0 only light."""
    taken = Counter[str]()
    for name in STEPS:

        def stand_in(images: list[Image], *_: object, _name: str = name) -> list[Image]:
            taken[_name] += 1
            return images

        monkeypatch.setitem(degrade.STEPS, name, stand_in)
    rng = np.random.default_rng(0)
    for _ in range(1500):
        degrade_together([face], rng=rng, strength=1.0)
        compress_together([face], rng=rng, strength=1.0)
    shares = Degradations()
    assert set(STEPS) == set(taken)
    assert all(abs(taken[name] / 1500 - getattr(shares, name)) < 0.05 for name in STEPS)
    taken.clear()
    for _ in range(50):
        degrade_together([face], rng=rng, strength=0.0)
        compress_together([face], rng=rng, strength=0.0)
    assert {"tone"} == set(taken)


@pytest.mark.parametrize(
    ("codec", "good", "bad"), [("h264", 18, 40), ("mpeg4", 2, 14), ("vp9", 20, 55)]
)
def test_video_returns_every_picture(face: Image, codec: VideoCodec, good: int, bad: int) -> None:
    """As many pictures come back as went in, in order, worse at a higher quantizer."""
    darker = (face // 2).astype(np.uint8)

    def error(quantizer: int) -> float:
        images = video([face, darker], codec, quantizer=quantizer)
        assert [(SIDE, SIDE, 3)] * 2 == [i.shape for i in images]
        pairs = zip(images, (face, darker), strict=True)
        return float(sum(np.abs(a.astype(int) - b.astype(int)).mean() for a, b in pairs))

    assert error(good) < error(bad) < 40
    assert [] == video([], codec, quantizer=good)


def test_predicted_frames_stay_in_place(face: Image) -> None:
    """A frame predicted from a shifted one shows the picture, not the shifted one."""
    key = video([face], "h264", quantizer=24)[0]
    predicted = video([face], "h264", quantizer=24, motion=(3, 2))[0]
    assert not np.array_equal(key, predicted)
    assert np.abs(face.astype(int) - predicted).mean() < 1.5 * np.abs(face.astype(int) - key).mean()


def test_noise_has_the_promised_size() -> None:
    """Gaussian noise of sigma 5 has it; shot noise is stronger in the light than in the dark."""
    grey = np.full((128, 128, 3), 128, np.uint8)
    assert 4.7 < (noisy(grey, 5.0, seed=1).astype(int) - 128).std() < 5.3
    dark, light = (
        shot_noise(np.full((128, 128, 3), level, np.uint8), 5.0, seed=1).std()
        for level in (40, 200)
    )
    assert 1.4 * dark < light


def test_motion_smears_along_its_line() -> None:
    """A vertical edge is smeared by horizontal motion and not by vertical motion."""
    edge = np.zeros((32, 32, 3), np.uint8)
    edge[:, 16:] = 255
    across, along = motion_blur(edge, 6.0, 0.0), motion_blur(edge, 6.0, 90.0)
    assert len(np.unique(across)) > 4
    assert np.array_equal(edge, along)

"""Which moments are looked at."""

from __future__ import annotations

import numpy as np
import pytest

from dfedge.media.sampling import SceneCutter, even_indices, even_times, pick_scenes


def test_even_times_are_the_centres_of_equal_parts() -> None:
    """Four of ten seconds: the middle of each quarter."""
    assert even_times(4, 10.0) == [1.25, 3.75, 6.25, 8.75]


def test_even_indices_cover_a_long_row() -> None:
    """Four of a hundred: the middles of the quarters."""
    assert even_indices(100, 4) == [12, 37, 62, 87]


@pytest.mark.parametrize(("total", "count"), [(1, 20), (5, 20), (20, 20)])
def test_even_indices_take_each_once_when_there_are_few(total: int, count: int) -> None:
    """No more pictures than wanted: all of them, none twice."""
    assert even_indices(total, count) == list(range(total))


def test_one_scene_gives_six() -> None:
    """A single scene of twelve seconds: six moments, evenly spaced."""
    picks = pick_scenes([0.0], 12.0, 20)
    assert [pick.seconds for pick in picks] == [1.0, 3.0, 5.0, 7.0, 9.0, 11.0]
    assert {pick.scene for pick in picks} == {0}


def test_longer_scenes_get_more() -> None:
    """Seven moments for scenes of 2, 6 and 2 seconds: the long one gets five, each other one."""
    picks = pick_scenes([0.0, 2.0, 8.0], 10.0, 7)
    assert [pick.scene for pick in picks] == [0, 1, 1, 1, 1, 1, 2]


def test_more_scenes_than_moments() -> None:
    """Three moments for five scenes: one for each of the three longest."""
    picks = pick_scenes([0.0, 1.0, 5.0, 6.0, 9.0], 20.0, 3)
    assert [pick.scene for pick in picks] == [1, 3, 4]


def test_the_total_is_bounded() -> None:
    """However many scenes, never more than asked for."""
    assert len(pick_scenes([float(start) for start in range(500)], 500.0, 20)) == 20


def test_cutter_finds_a_change_of_colours() -> None:
    """Two seconds of red then two of blue: the second scene starts at the first blue picture."""
    cutter = SceneCutter()
    red, blue = np.zeros((2, 72, 128, 3), np.uint8)
    red[..., 0], blue[..., 2] = 200, 200
    for step in range(40):
        cutter.add(red if step < 20 else blue, step / 10)
    assert cutter.starts == [0.0, 2.0]


def test_cutter_ignores_a_slow_change_of_light() -> None:
    """A picture that brightens little by little is one scene."""
    cutter = SceneCutter()
    noise = np.random.default_rng(1).integers(0, 100, (72, 128, 3)).astype(np.uint8)
    for step in range(100):
        cutter.add(noise + np.uint8(step), step / 10)
    assert cutter.starts == [0.0]


def test_cutter_ignores_a_flash() -> None:
    """A flash of 0.2 seconds makes at most one scene, not two."""
    cutter = SceneCutter()
    dark, flash = np.full((72, 128, 3), 40, np.uint8), np.full((72, 128, 3), 255, np.uint8)
    for step in range(40):
        cutter.add(flash if step in (20, 21) else dark, step / 10)
    assert len(cutter.starts) <= 2

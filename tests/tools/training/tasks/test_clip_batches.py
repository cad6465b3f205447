"""A batch of clips: frames of one clip each, in time order, all changed alike."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dfedge.errors import UsageError
from dfedge_tools.training.config import LoopConfig
from dfedge_tools.training.tasks.clip_video_batches import Change, ClipBatches, even_frames
from dfedge_tools.training.tasks.stages import ClipStage

from .conftest import SIDE, ToyCrops, crops_of, sample

STAGE = ClipStage(
    name="clips",
    loop=LoopConfig(steps=1),
    img_size=SIDE,
    frames=4,
    clips=6,
    smallest_crop=0.5,
)


@pytest.fixture
def ramps() -> ToyCrops:
    """Four clips of four frames; red tells the clip, green the time, blue the place across.

    The store has each clip's frames in the wrong order.
    """
    samples, images = [], []
    across = np.linspace(0, 200, SIDE).astype(np.uint8)
    for clip in range(4):
        for frame in (2, 0, 3, 1):
            samples.append(sample(video_id=f"v{clip}", frame=frame, label=clip % 2))
            image = np.zeros((SIDE, SIDE, 3), np.uint8)
            image[..., 0], image[..., 1], image[..., 2] = 60 * clip + 10, 40 * frame, across
            images.append(image)
    return crops_of(samples, images)


def test_frames_are_of_one_clip_in_time_order(ramps: ToyCrops) -> None:
    """Red is one value over a clip, green rises by equal steps, the class fits the clip."""
    batch = ClipBatches(replace(STAGE, brightness=0.0), ramps)[0]
    assert (6, 4, 3, SIDE, SIDE) == tuple(batch.clips.shape)
    for clip, label in zip(batch.clips.numpy(), batch.classes.tolist(), strict=True):
        assert 1 == len(np.unique(clip[:, 0]))
        assert [0, 40, 80, 120] == [int(level) for level in clip[:, 1].max(axis=(1, 2))]
        assert label == int(clip[0, 0, 0, 0]) // 60 % 2


def test_all_frames_of_a_clip_are_changed_alike(ramps: ToyCrops) -> None:
    """One window, one mirroring and one brightness a clip, and others for other clips."""
    clips = ClipBatches(STAGE, ramps)[0].clips.numpy()
    for clip in clips:
        assert all(np.array_equal(clip[0, 2], frame[2]) for frame in clip)
    assert len({clip[0, 2].tobytes() for clip in clips}) == len(clips)
    assert {True, False} == {bool(clip[0, 2, 0, 0] > clip[0, 2, 0, -1]) for clip in clips}


def test_a_number_gives_the_same_batch_again(ramps: ToyCrops) -> None:
    """And another number another one."""
    first, again = ClipBatches(STAGE, ramps), ClipBatches(STAGE, ramps)
    assert np.array_equal(first[3].clips, again[3].clips)
    assert not np.array_equal(first[3].clips, again[4].clips)


def test_frames_are_evenly_spaced() -> None:
    """First and last among them; a clip with too few repeats some, in order."""
    assert [0, 3, 6, 9] == even_frames(range(10), 4)
    assert [5, 5, 6, 6] == even_frames([5, 6], 4)


def test_no_change_is_no_change(ramps: ToyCrops) -> None:
    """What validation sees is the stored picture."""
    assert np.array_equal(ramps.image(3), Change().apply(ramps.image(3), SIDE))


def test_clips_of_one_class_are_refused(ramps: ToyCrops) -> None:
    """With the way out."""
    ramps.rows = [row for row in ramps.rows if row.sample.label == 0]
    with pytest.raises(UsageError, match="2 genuine and 0 fake clips in split train"):
        ClipBatches(STAGE, ramps)

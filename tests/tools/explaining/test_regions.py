"""Where fakes were changed, and the share of a map that lies there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dfedge.bundles.store import resolve_detector
from dfedge.errors import UsageError
from dfedge_tools.data.manifest import Sample
from dfedge_tools.explaining.regions import (
    baselines,
    bootstrap_mean,
    clip_means,
    energy_share,
    gaussian,
    load_fakes,
)


def _sample(clip: str) -> Sample:
    return Sample(
        path=f"{clip}.jpg",
        kind="clip",
        source="ffpp",
        split="val",
        label=1,
        method="Deepfakes",
        compression="c23",
        video_id=clip,
        frame=0,
        target_id="1",
        source_id="2",
    )


def test_the_share_counts_what_is_positive_inside() -> None:
    """3 of 4 lie inside; the negative value counts as nothing."""
    region = np.array([[True, False], [False, True]])
    assert 0.75 == energy_share(np.array([[2.0, 1.0], [-5.0, 1.0]]), region)


def test_a_blank_map_counts_as_a_uniform_one() -> None:
    """It says nothing, so it earns what chance would."""
    region = np.array([[True, False], [False, False]])
    assert 0.25 == energy_share(np.zeros((2, 2)), region)


def test_a_blob_is_centred_and_as_wide_as_it_says() -> None:
    """The second moment of a narrow one is its sigma."""
    blob = gaussian(101, 0.1)
    places = (np.arange(101) + 0.5) / 101 - 0.5
    line = blob.sum(axis=0) / blob.sum()
    assert 0 == pytest.approx((line * places).sum(), abs=1e-9)
    assert 0.1 == pytest.approx(np.sqrt((line * places**2).sum()), rel=1e-3)


def test_clips_count_alike_however_many_frames_they_have() -> None:
    """Means of clips, in the order in which they come."""
    samples = [_sample("a"), _sample("a"), _sample("b")]
    np.testing.assert_allclose(clip_means([0.0, 1.0, 0.8], samples), [0.5, 0.8])


def test_the_interval_holds_the_mean_and_narrows_with_clips() -> None:
    """A bootstrap over clips, the same each time."""
    values = np.random.default_rng(0).random(200)
    mean, low, high = bootstrap_mean(values)
    assert low < mean < high
    few = bootstrap_mean(values[:20])
    assert high - low < few[2] - few[1]
    assert (mean, low, high) == bootstrap_mean(values)


def test_a_folder_without_frames_is_refused(tmp_path: Path) -> None:
    """With the folder named."""
    bundle, card = resolve_detector("dfedge-b0-int8")
    with pytest.raises(UsageError, match=str(tmp_path)):
        load_fakes(tmp_path, bundle, card, quiet=True)


def test_regions_of_real_fakes_lie_in_the_face(shared_data: Path) -> None:
    """On one frame of each clip of FaceForensics++ the changed region is inside the face, mostly.

    So the outline of the face, which knows where it is, holds more than a uniform map.
    """
    bundle, card = resolve_detector("dfedge-b0-int8")
    fakes = load_fakes(shared_data / "ffpp_frames", bundle, card, frames=1, quiet=True)
    assert len(fakes.samples) >= 30
    side = card.input.width
    assert (len(fakes.samples), side, side) == fakes.regions.shape
    assert (len(fakes.samples), 3, side, side) == fakes.inputs.shape
    known = baselines(fakes)
    shares = {
        name: np.mean([energy_share(*pair) for pair in zip(maps, fakes.regions, strict=True)])
        for name, maps in known.items()
    }
    assert shares["face outline"] > 2 * shares["uniform"]
    assert shares["gaussian 0.15"] > shares["gaussian 0.3"] > shares["uniform"]

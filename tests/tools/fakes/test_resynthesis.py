"""The traces of a generator: texture changes, the face stays."""

from __future__ import annotations

import cv2
import numpy as np

from dfedge.types import Image
from dfedge_tools.fakes.resynthesis import resynthesize, upsampled


def test_texture_changes_and_colour_stays(face: Image) -> None:
    """Whatever the trace, the picture differs, and its mean colour by less than 4 levels."""
    for seed in range(30):
        made = resynthesize(face, rng=np.random.default_rng(seed), strength=1.0)
        assert not np.array_equal(face, made)
        assert np.abs(made.mean(axis=(0, 1)) - face.mean(axis=(0, 1))).max() < 4


def test_upsampling_leaves_its_grid() -> None:
    """On a flat picture the grid shows as a few sharp peaks of the spectrum, and grows with it."""
    flat = np.full((128, 128, 3), 128, np.uint8)
    peaks = []
    for amplitude in (0.0, 0.03, 0.06):
        made = upsampled(flat, rng=np.random.default_rng(0), amplitude=amplitude)
        luma = cv2.cvtColor(made, cv2.COLOR_RGB2GRAY).astype(np.float32)
        spectrum = np.abs(np.fft.rfft2(luma - luma.mean()))
        peaks.append(float(spectrum.max()))
        assert amplitude == 0 or spectrum.max() > 50 * np.median(spectrum)
    assert 0 == peaks[0] < peaks[1] < peaks[2]

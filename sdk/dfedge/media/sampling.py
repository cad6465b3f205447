"""Which moments of a source are looked at: pure arithmetic and the scene cutter."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from dfedge.types import Image

FRAMES_A_SCENE = 6
"""Most frames taken of one scene by ``scene`` unless the caller says otherwise."""

CUT_DISTANCE = 0.45
"""Hellinger distance of HSV histograms, 0 to 1, from which two pictures are of different scenes.
Measured on talking-head clips: neighbours 0.1 s apart stay under 0.2, cuts are above 0.5."""

MIN_SCENE_SECONDS = 0.5
"""A shorter scene (a flash, a dissolve) belongs to the one before it."""


def even_times(count: int, duration: float) -> list[float]:
    """The centres of ``count`` equal parts of ``[0, duration)``: never the very first or last
    moment, which are often black."""
    return [(part + 0.5) * duration / count for part in range(count)]


def even_indices(total: int, count: int) -> list[int]:
    """At most ``count`` evenly spaced numbers of ``range(total)``, increasing, each once."""
    return sorted({int(time) for time in even_times(count, float(total))})


@dataclass(frozen=True, slots=True)
class Pick:
    """One moment to look at, in seconds from the start of the source."""

    seconds: float
    scene: int


class SceneCutter:
    """Finds cuts in a row of small pictures by the distance of their HSV histograms."""

    def __init__(self) -> None:
        self.starts: list[float] = []
        self._histogram: npt.NDArray[np.float32] | None = None

    def add(self, picture: Image, seconds: float) -> None:
        """Look at the next picture (about 128 pixels wide is enough), shown at ``seconds``."""
        histogram = hsv_histogram(picture)
        if self._histogram is None:
            self.starts.append(seconds)
        else:
            distance = cv2.compareHist(self._histogram, histogram, cv2.HISTCMP_BHATTACHARYYA)
            if distance >= CUT_DISTANCE and seconds - self.starts[-1] >= MIN_SCENE_SECONDS:
                self.starts.append(seconds)
        self._histogram = histogram


def hsv_histogram(picture: Image) -> npt.NDArray[np.float32]:
    """Joint histogram of hue (12), saturation (6) and value (6), summing to 1."""
    hsv = cv2.cvtColor(picture, cv2.COLOR_RGB2HSV)
    counts = cv2.calcHist([hsv], [0, 1, 2], None, [12, 6, 6], [0, 180, 0, 256, 0, 256])
    return np.asarray(counts, dtype=np.float32).reshape(-1) / np.float32(
        hsv.shape[0] * hsv.shape[1]
    )


def pick_scenes(
    starts: list[float], end: float, total: int, per_scene: int = FRAMES_A_SCENE
) -> list[Pick]:
    """Spread at most ``total`` moments over scenes that begin at ``starts`` and end at ``end``.

    Each scene gets one to ``per_scene``, the longer the more; when there are more scenes
    than moments the longest get one each. Within a scene they are evenly spaced.
    """
    ends = [*starts[1:], max(end, starts[-1])]
    lengths = [stop - start for start, stop in zip(starts, ends, strict=True)]
    share = [0] * len(starts)
    # Highest averages: the next moment goes to the scene with most seconds a moment; scenes
    # without any come first, the longest of them leading.
    heap = [(0, -length, scene) for scene, length in enumerate(lengths)]
    heapq.heapify(heap)
    for _ in range(min(total, per_scene * len(starts))):
        _, _, scene = heapq.heappop(heap)
        share[scene] += 1
        if share[scene] < per_scene:
            heapq.heappush(heap, (1, -lengths[scene] / (share[scene] + 1), scene))
    return [
        Pick(starts[scene] + time, scene)
        for scene, moments in enumerate(share)
        for time in even_times(moments, lengths[scene])
    ]

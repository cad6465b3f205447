"""Pictures that already lie in memory or in a folder, and sampling of any row of pictures."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from dfedge.errors import MediaError, MediaFormatError, MediaLimitError
from dfedge.media.files import IMAGE_SUFFIXES, VIDEO_SUFFIXES, display_name, open_regular_file
from dfedge.media.images import PictureFile, Pictures
from dfedge.media.info import MediaInfo, MediaLimits, Sampling
from dfedge.media.reader import Feed, Pace
from dfedge.media.sampling import FRAMES_A_SCENE, SceneCutter, even_indices, pick_scenes
from dfedge.types import Frame, Image

SECONDS_A_PICTURE = 1.0
"""Nominal time between pictures that carry no times: a folder, an array."""


class ArrayPictures:
    """RGB pictures in memory; raises MediaFormatError for anything that is not."""

    problems: tuple[str, ...] = ()

    def __init__(self, pictures: Sequence[Any] | np.ndarray[Any, Any], limits: MediaLimits) -> None:
        single = isinstance(pictures, np.ndarray) and pictures.ndim == 3
        self._pictures: list[Image] = [np.asarray(pictures)] if single else list(pictures)
        self.count = len(self._pictures)
        if self.count == 0:
            raise MediaFormatError("array", "holds no picture")
        for number, picture in enumerate(self._pictures):
            name = "array" if single else f"picture {number} of the array"
            check_picture(picture, name, limits)
        height, width = self._pictures[0].shape[:2]
        name = f"array of {self.count} pictures" if self.count > 1 else "array"
        self.info = MediaInfo(name, "array", width, height, None)

    def read(self, number: int) -> Frame:
        """The picture as it was given, not copied where it is contiguous."""
        picture = np.ascontiguousarray(self._pictures[number])
        return Frame(picture, number, number * SECONDS_A_PICTURE)

    def close(self) -> None:
        """Nothing to close."""


def check_picture(picture: object, name: str, limits: MediaLimits) -> None:
    """Raise MediaFormatError or MediaLimitError unless it is uint8 RGB of shape (H, W, 3)."""
    if not isinstance(picture, np.ndarray):
        raise MediaFormatError(
            name, f"is a {type(picture).__name__}, not a NumPy array of shape (height, width, 3)"
        )
    if picture.dtype != np.uint8:
        raise MediaFormatError(
            name, f"has the type {picture.dtype}; give uint8 RGB values from 0 to 255"
        )
    if picture.ndim != 3 or picture.shape[2] != 3:
        raise MediaFormatError(
            name,
            f"has the shape {picture.shape}; give RGB of shape (height, width, 3): grey pictures "
            "and pictures with alpha must be converted first",
        )
    if picture.size == 0:
        raise MediaFormatError(name, f"has the shape {picture.shape}: it is empty")
    if problem := limits.size_problem(picture.shape[1], picture.shape[0]):
        raise MediaLimitError(name, problem)


class FolderPictures:
    """The picture files of one folder in natural order (frame2 before frame10).

    Other files are passed over; videos among them are refused unless ``as_frames`` says that the
    folder is meant as one row of frames.
    """

    problems: tuple[str, ...] = ()

    def __init__(self, folder: Path, limits: MediaLimits, *, as_frames: bool) -> None:
        name = display_name(folder)
        self._limits = limits
        files = [path for path in folder.iterdir() if not path.name.startswith(".")]
        videos = [path for path in files if path.suffix.lower() in VIDEO_SUFFIXES]
        self._paths = sorted(
            (path for path in files if path.suffix.lower() in IMAGE_SUFFIXES), key=natural_key
        )
        if videos and not as_frames:
            raise MediaFormatError(
                name,
                f"is a folder with {len(videos)} videos: give them one by one, or say as_frames "
                "if its pictures are one row of frames",
            )
        if not self._paths:
            raise MediaFormatError(name, "is a folder without pictures")
        self.count = len(self._paths)
        self.info = MediaInfo(name, "frames", 0, 0, None)

    def read(self, number: int) -> Frame:
        """Decode one file of the folder."""
        path = self._paths[number]
        file = open_regular_file(path)
        try:
            pictures = PictureFile(file, display_name(path), self._limits)
            try:
                image = pictures.read(0).image
            finally:
                pictures.close()
        finally:
            file.close()
        return Frame(image, number, number * SECONDS_A_PICTURE)

    def close(self) -> None:
        """Files are open only while they are read."""


def natural_key(path: Path) -> list[tuple[int, int, str]]:
    """Sort key that orders the numbers in a name by value."""
    return [
        (0, int(part), "") if part.isdecimal() and part.isascii() else (1, 0, part)
        for part in re.split(r"([0-9]{1,18})", path.name.lower())
        if part
    ] + [(2, 0, path.name)]


class PictureRow:
    """Sampling of pictures of any kind. Takes over ``pictures`` and closes them.

    A damaged picture is passed over and becomes a problem; when all are, its error is raised.
    """

    def __init__(self, pictures: Pictures) -> None:
        self._pictures = pictures
        self.info = pictures.info
        self.problems = pictures.problems

    def close(self) -> None:
        """Close files."""
        self._pictures.close()

    def expected_frames(self, sampling: Sampling, frames: int) -> int | None:
        """How many frames a sampling will give if none is damaged; None for ``scene``."""
        count = self._pictures.count
        return None if sampling == "scene" and count > 1 else min(frames, count)

    def produce(
        self, feed: Feed, sampling: Sampling, frames: int, per_scene: int = FRAMES_A_SCENE
    ) -> None:
        """Read a sampling into a feed; ``fast`` is ``even`` here: there are no keyframes."""
        count = self._pictures.count
        scenes = dict.fromkeys(even_indices(count, frames), 0)
        if sampling == "scene" and count > 1:
            scenes = _find_scenes(feed, self._pictures, frames, per_scene)
        feed.expected = len(scenes)
        for frame in _read_good(feed, self._pictures, scenes):
            feed.put(replace(frame, scene=scenes[frame.index]))

    def play(self, feed: Feed, fps: float) -> None:
        """All pictures in real time, at most ``fps`` a second."""
        pace = Pace(feed, fps)
        for frame in _read_good(feed, self._pictures, range(self._pictures.count)):
            if pace.is_due(frame.pts_seconds):
                feed.put(frame)


def _read_good(feed: Feed, pictures: Pictures, numbers: Iterable[int]) -> Iterator[Frame]:
    failure: MediaError | None = None
    given = 0
    for number in numbers:
        feed.beat()
        try:
            frame = pictures.read(number)
        except MediaError as error:
            failure = failure or error
            feed.problems.append(str(error))
            continue
        given += 1
        yield frame
    if failure is not None and given == 0:
        raise failure


def _find_scenes(feed: Feed, pictures: Pictures, frames: int, per_scene: int) -> dict[int, int]:
    """Scene by number of the picture, for the pictures to take."""
    cutter = SceneCutter()
    times: list[tuple[float, int]] = []
    for number in range(pictures.count):
        feed.beat()
        try:
            frame = pictures.read(number)
        except MediaError:
            continue
        height = max(2, min(512, round(frame.height * 128 / frame.width)))
        small = cv2.resize(frame.image, (128, height), interpolation=cv2.INTER_AREA)
        cutter.add(np.asarray(small, np.uint8), frame.pts_seconds)
        times.append((frame.pts_seconds, number))
    if not times:
        return dict.fromkeys(even_indices(pictures.count, frames), 0)
    step = (times[-1][0] - times[0][0]) / max(1, len(times) - 1) or SECONDS_A_PICTURE
    chosen: dict[int, int] = {}
    place = 0
    for pick in pick_scenes(cutter.starts, times[-1][0] + step, frames, per_scene):
        while place + 1 < len(times) and times[place + 1][0] <= pick.seconds:
            place += 1
        chosen.setdefault(times[place][1], pick.scene)
    return chosen

"""From any source to a reader of frames."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol, get_args

import numpy as np

from dfedge.errors import MediaFetchError, MediaNotFoundError, UsageError
from dfedge.media.files import display_name, open_regular_file, stat_source
from dfedge.media.frames import ArrayPictures, FolderPictures, PictureRow
from dfedge.media.images import PictureFile, is_picture
from dfedge.media.info import MediaInfo, MediaLimits, Sampling, Source
from dfedge.media.inputs import is_address
from dfedge.media.reader import Feed, MediaReader, Produce
from dfedge.media.sampling import FRAMES_A_SCENE

if TYPE_CHECKING:
    from dfedge.media.live import Camera, RtspStream

DEFAULT_FRAMES = 20
LIVE_FPS = 2.0
MAX_FPS = 1000.0


def open_media(
    source: Source,
    *,
    sampling: Sampling = "even",
    frames: int = DEFAULT_FRAMES,
    frames_per_scene: int = FRAMES_A_SCENE,
    as_frames: bool = False,
    limits: MediaLimits | None = None,
) -> MediaReader:
    """Open a source and choose at most ``frames`` frames of it.

    A source is the path of a video, an animation, a picture or a folder of pictures; an http(s)
    address of a file; one RGB picture (height, width, 3); or pictures (N, height, width, 3).
    ``frames_per_scene`` bounds what ``sampling="scene"`` takes of one scene.
    ``as_frames`` takes the pictures of a folder as one row of frames even when videos lie among
    them. ``sampling="live"`` is :func:`open_live` at two frames a second.

    Raises MediaError when the source gives no picture, UsageError for arguments that cannot work.
    """
    limits = limits or MediaLimits()
    if sampling not in get_args(Sampling):
        raise UsageError(
            f"sampling must be one of {', '.join(get_args(Sampling))}, got {sampling!r}"
        )
    if isinstance(frames, bool) or not isinstance(frames, (int, np.integer)) or frames < 1:
        raise UsageError(f"frames must be a whole number from 1, got {frames!r}")
    if frames_per_scene < 1:
        raise UsageError(f"frames_per_scene must be at least 1, got {frames_per_scene!r}")
    if sampling == "live" and isinstance(source, (str, os.PathLike)):
        return open_live(os.fspath(source), limits=limits)
    opened = _open(source, limits, as_frames=as_frames)
    if sampling == "live":
        return _live_reader(
            opened.info, lambda feed: opened.play(feed, LIVE_FPS), opened.close, limits
        )
    return MediaReader(
        opened.info,
        sampling,
        lambda feed: opened.produce(feed, sampling, int(frames), frames_per_scene),
        expected_frames=opened.expected_frames(sampling, int(frames)),
        stall_seconds=limits.stall_seconds,
        problems=opened.problems,
        release=opened.close,
    )


def open_live(
    source: str | int, *, fps: float = LIVE_FPS, limits: MediaLimits | None = None
) -> MediaReader:
    """Open a camera (number or device), an ``rtsp://`` address, or a file played in real time.

    At most ``fps`` frames a second come, always the newest: frames that the caller was too slow
    for are gone. Times count from the first frame.

    Raises MediaError when it cannot be opened, UsageError for arguments that cannot work.
    """
    from dfedge.media.live import Camera, RtspStream, camera_source

    limits = limits or MediaLimits()
    if not 0 < fps <= MAX_FPS:
        raise UsageError(f"fps must be over 0 and at most {MAX_FPS:g}, got {fps!r}")
    if isinstance(source, bool) or not isinstance(source, (str, int)):
        raise UsageError(f"a live source is text or a number, got {type(source).__name__}")
    stream: Camera | RtspStream
    if isinstance(source, str) and source.lower().startswith(("rtsp://", "rtsps://")):
        stream = RtspStream(source, limits)
    elif (camera := camera_source(source)) is not None:
        stream = Camera(camera, limits)
    else:
        opened = _open(str(source), limits, as_frames=True)
        return _live_reader(opened.info, lambda feed: opened.play(feed, fps), opened.close, limits)
    return _live_reader(stream.info, lambda feed: stream.produce(feed, fps), stream.close, limits)


class _Opened(Protocol):
    """What each kind of source offers."""

    info: MediaInfo
    problems: tuple[str, ...]

    def expected_frames(self, sampling: Sampling, frames: int) -> int | None: ...
    def produce(self, feed: Feed, sampling: Sampling, frames: int, per_scene: int) -> None: ...
    def play(self, feed: Feed, fps: float) -> None: ...
    def close(self) -> None: ...


def _live_reader(
    info: MediaInfo, produce: Produce, release: Callable[[], None], limits: MediaLimits
) -> MediaReader:
    return MediaReader(
        info,
        "live",
        produce,
        expected_frames=None,
        stall_seconds=limits.stall_seconds,
        newest_only=True,
        release=release,
    )


def _open(source: Source, limits: MediaLimits, *, as_frames: bool) -> _Opened:
    if isinstance(source, np.ndarray):
        if source.ndim not in (3, 4):
            raise _wrong_source(f"an array of shape {source.shape}")
        return PictureRow(ArrayPictures(source, limits))
    if isinstance(source, (str, os.PathLike)):
        path = os.fspath(source)
        if not isinstance(path, str):
            raise _wrong_source("a path of bytes")
        return _open_text(path, limits, as_frames=as_frames)
    if isinstance(source, Sequence) and not isinstance(source, (bytes, bytearray, memoryview)):
        return PictureRow(ArrayPictures(source, limits))
    raise _wrong_source(f"a {type(source).__name__}")


def _open_text(text: str, limits: MediaLimits, *, as_frames: bool) -> _Opened:
    if text.lower().startswith(("http://", "https://")):
        from dfedge.media.remote import fetch, redact

        return _open_file(fetch(text, limits), redact(text), limits)
    if is_address(text):
        from dfedge.media.remote import redact

        scheme = text.split(":", 1)[0].lower()
        raise MediaFetchError(
            redact(text),
            "is a stream without an end: use `dfedge watch` or Detector.stream"
            if scheme.startswith("rts")
            else "only http and https addresses are fetched; give a path for a local file",
        )
    if not text:
        raise MediaNotFoundError("''", "an empty text is no path")
    stat_source(text)
    path = Path(text)
    if path.is_dir():
        return PictureRow(FolderPictures(path, limits, as_frames=as_frames))
    return _open_file(open_regular_file(text), display_name(text), limits)


def _open_file(file: BinaryIO, name: str, limits: MediaLimits) -> _Opened:
    """A picture or a video, by its content: suffixes lie. Closes ``file`` when it is neither."""
    try:
        if is_picture(file):
            return PictureRow(PictureFile(file, name, limits))
        from dfedge.media.video import VideoFile

        return VideoFile(file, name, limits)
    except BaseException:
        file.close()
        raise


def _wrong_source(what: str) -> UsageError:
    return UsageError(
        f"{what} is no source: give a path, an http(s) address, a uint8 RGB array of shape "
        "(height, width, 3) or (N, height, width, 3), or a list of such pictures"
    )

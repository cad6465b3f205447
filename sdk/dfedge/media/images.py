"""Picture files with Pillow: stills, and animations as the row of frames they are.

Only the formats named here are tried, whatever the suffix says; Pillow's other readers (some run
programs) never see the file.
"""

from __future__ import annotations

import importlib
import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import BinaryIO, Protocol

import numpy as np
from PIL import Image as Pillow
from PIL import ImageFile

from dfedge.errors import DfedgeError, MediaFormatError, MediaLimitError
from dfedge.media.files import read_head
from dfedge.media.info import MediaInfo, MediaLimits
from dfedge.types import Frame, Image

_PLUGINS = {
    "JPEG": "Jpeg",
    "PNG": "Png",
    "WEBP": "WebP",
    "GIF": "Gif",
    "BMP": "Bmp",
    "TIFF": "Tiff",
    "AVIF": "Avif",
}
"""Pillow's module for each format."""

FORMATS = tuple(_PLUGINS)
ANIMATED_FORMATS = frozenset({"GIF", "PNG", "WEBP", "AVIF"})

SHORTEST_DELAY_MS = 11
"""Browsers show frames with a delay of 10 ms or less for 100 ms; so do we."""
DEFAULT_DELAY_MS = 100

BACKGROUND = (255, 255, 255)
"""What shows through transparent pixels."""

# Without any handler Python prints what Pillow logs about damaged files on the terminal.
logging.getLogger("PIL").addHandler(logging.NullHandler())

_EXIF_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Pillow.Transpose.FLIP_LEFT_RIGHT,
    3: Pillow.Transpose.ROTATE_180,
    4: Pillow.Transpose.FLIP_TOP_BOTTOM,
    5: Pillow.Transpose.TRANSPOSE,
    6: Pillow.Transpose.ROTATE_270,
    7: Pillow.Transpose.TRANSVERSE,
    8: Pillow.Transpose.ROTATE_90,
}


class Pictures(Protocol):
    """A source that is a row of pictures: a still, an animation, a folder, an array."""

    info: MediaInfo
    count: int
    problems: tuple[str, ...]

    def read(self, number: int) -> Frame:
        """One picture; cheap when numbers increase. Raises MediaError for a damaged one."""

    def close(self) -> None:
        """Close files."""


class PictureFile:
    """A picture file, read on demand. Takes over ``file`` and closes it.

    Raises MediaFormatError or MediaLimitError.
    """

    def __init__(self, file: BinaryIO, name: str, limits: MediaLimits) -> None:
        self._file = file
        self._limits = limits
        self._picture = _open(file, name, limits)
        self.problems: tuple[str, ...] = ()
        try:
            self.count = _frame_count(self._picture, name)
        except MediaFormatError:
            self.count = _count_by_reading(self._picture)
            self.problems = (f"the file is cut off or damaged after frame {self.count}",)
            self._picture = _open(file, name, limits)
        width, height = self._picture.size
        if _orientation(self._picture) >= 5:
            width, height = height, width
        self.info = MediaInfo(name, "image" if self.count == 1 else "video", width, height, None)
        self._next = 0
        self._elapsed_ms = 0.0

    def read(self, number: int) -> Frame:
        """Decode up to a frame and convert it."""
        if number < self._next:
            self._next, self._elapsed_ms = 0, 0.0
        with _guarded(self.info.name):
            while self._next < number:
                self._elapsed_ms += self._load_next()
            shown_at = self._elapsed_ms
            self._elapsed_ms += self._load_next()
            image = to_rgb(self._picture, self.info.name)
        return Frame(image, number, shown_at / 1000)

    def close(self) -> None:
        """Close the file."""
        self._picture.close()
        self._file.close()

    def _load_next(self) -> float:
        """Decode the next frame; returns how long it is shown, in milliseconds."""
        if self.count > 1:
            self._picture.seek(self._next)
        self._picture.load()
        self._next += 1
        delay = self._picture.info.get("duration", 0) or 0
        return float(delay) if delay >= SHORTEST_DELAY_MS else float(DEFAULT_DELAY_MS)


def is_picture(file: BinaryIO) -> bool:
    """Whether the file begins like a picture that :class:`PictureFile` reads."""
    head = read_head(file)
    return any(_accepts(name, head) for name in _available_formats())


def to_rgb(picture: Pillow.Image, name: str) -> Image:
    """RGB, (height, width, 3), upright.

    Transparency is laid on white; 16-bit grey keeps its upper eight bits; CMYK and palettes are
    converted by Pillow; colour profiles are not applied.
    """
    transpose = _UPRIGHT.get(_orientation(picture))
    if transpose is not None:
        picture = picture.transpose(transpose)
    if picture.mode.startswith("I"):
        return _from_wide_grey(np.asarray(picture), name)
    if picture.mode == "F":
        raise MediaFormatError(name, "holds floating-point values: save it with 8 bits a colour")
    if "A" in picture.getbands() or "a" in picture.getbands() or "transparency" in picture.info:
        cut_out = picture.convert("RGBA")
        picture = Pillow.new("RGB", picture.size, BACKGROUND)
        picture.paste(cut_out, mask=cut_out.getchannel("A"))
    return np.array(picture if picture.mode == "RGB" else picture.convert("RGB"), np.uint8)


def _open(file: BinaryIO, name: str, limits: MediaLimits) -> ImageFile.ImageFile:
    """Read the header only. The plugins are called directly: ``Pillow.open`` would try all of its
    formats and warn about sizes that ``limits`` decides."""
    head = read_head(file)
    for form in _available_formats():
        if not _accepts(form, head):
            continue
        with _guarded(name):
            picture = Pillow.OPEN[form][0](file, "")
        width, height = picture.size
        if width < 1 or height < 1:
            raise MediaFormatError(name, f"is a picture of {width}x{height} pixels: it is empty")
        if problem := limits.size_problem(width, height):
            raise MediaLimitError(name, problem)
        return picture
    raise MediaFormatError(name, "is not a picture that can be read")


def _frame_count(picture: ImageFile.ImageFile, name: str) -> int:
    """Frames of an animation; 1 for stills, of which several pages or views may be in a file."""
    if picture.format not in ANIMATED_FORMATS:
        return 1
    with _guarded(name):
        return max(1, int(getattr(picture, "n_frames", 1)))


def _count_by_reading(picture: ImageFile.ImageFile) -> int:
    """Frames of a damaged animation up to the first that cannot be reached, at least 1."""
    count = 1
    with suppress(MediaFormatError), _guarded(""):
        while True:
            picture.seek(count)
            count += 1
    return count


def _available_formats() -> Iterator[str]:
    for name in FORMATS:
        if name not in Pillow.OPEN:
            with suppress(ImportError):  # AVIF came with Pillow 11.3
                importlib.import_module(f"PIL.{_PLUGINS[name]}ImagePlugin")
        if name in Pillow.OPEN:
            yield name


def _accepts(form: str, head: bytes) -> bool:
    accept = Pillow.OPEN[form][1]
    # The answer may be a sentence on why the picture cannot be read.
    return accept is not None and accept(head[:16]) is True


def _orientation(picture: Pillow.Image) -> int:
    try:
        return int(picture.getexif().get(_EXIF_ORIENTATION, 1))
    except Exception:  # damaged EXIF raises nearly anything; the picture itself may be fine
        return 1


def _from_wide_grey(values: np.ndarray[tuple[int, ...], np.dtype[np.generic]], name: str) -> Image:
    wide = values.astype(np.int64)
    if wide.ndim != 2:
        raise MediaFormatError(name, "has an unusual layout of colours: save it as PNG or JPEG")
    grey = np.clip(wide if wide.max() <= 255 else wide >> 8, 0, 255).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(grey[:, :, None], (*grey.shape, 3)))


class _NoWarnings:
    """Python's warnings are off while anyone is inside; two threads may be.

    The interpreter has one list of filters: the first to come changes it, the last to leave puts it
    back.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._former = ExitStack()

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._former.enter_context(warnings.catch_warnings())
                warnings.simplefilter("ignore")
            self._inside += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._former.close()


_NO_WARNINGS = _NoWarnings()


@contextmanager
def _guarded(name: str) -> Iterator[None]:
    """Turn what Pillow raises on damaged data, nearly any type, into a MediaFormatError.

    Its warnings (odd metadata) are no use to a reader of verdicts.
    """
    with _NO_WARNINGS:
        try:
            yield
        except (DfedgeError, MemoryError):
            raise
        except Pillow.DecompressionBombError as error:
            raise MediaLimitError(name, "is a picture over the limit of pixels") from error
        except Exception as error:
            raise MediaFormatError(name, "is a damaged or cut off picture") from error

"""What happens inside the process that opens media: decode, find faces, cut, tell.

Runs in a child of :mod:`dfedge_server.heavy.sandbox_main`, for one source.
"""

from __future__ import annotations

import io
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from PIL import Image as Pillow

from dfedge.crops import CropBox, visible
from dfedge.errors import MediaAccessError, MediaError, MediaFormatError, MediaLimitError
from dfedge.escalation.crops import sent_region
from dfedge.escalation.wire import CROP_SCALE
from dfedge.faces import FaceTracker, open_face_finder
from dfedge.media import MediaLimits, MediaReader, open_media
from dfedge.media.files import open_regular_file, read_head
from dfedge.media.images import PictureFile
from dfedge.types import Box, Frame, Image, TrackedFace
from dfedge_server.heavy.exchange import (
    MAX_FACES,
    MAX_PIXELS,
    Answer,
    End,
    FaceSeen,
    Failed,
    Failure,
    FrameSeen,
    OpenClip,
    OpenPictures,
    PictureSeen,
    Region,
    Request,
    pack,
    read_request,
)
from dfedge_server.heavy.landlock import code_folders, read_only

AHEAD: Final = 16
"""Messages that may wait to be taken, so that models need not wait for decoding ..."""
AHEAD_BYTES: Final = 64 * 1024**2
"""... with so many pixels together."""

SMALL_PIXELS: Final = 4096 * 2304
"""A picture of a face that has no more may be decoded beside another."""

_LIMITS: Final = MediaLimits(max_pixels=MAX_PIXELS)
_LOSSY_AND_NOT: Final = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")


class Opener:
    """Opens sources; loaded once, before the fork.

    Raises:
        DfedgeError: the face detector cannot be used.
    """

    def __init__(self, face_bundle: str) -> None:
        cv2.setNumThreads(1)  # threads do not outlive a fork
        self._finder = open_face_finder(model=Path(face_bundle), threads=1)
        self._finder.find(np.zeros((64, 64, 3), np.uint8))
        # Loaded here so that no child need load it.
        import dfedge.media.video  # noqa: F401

        _read_a_picture()

    def serve(self, talk: socket.socket) -> None:
        """Read one request, and answer it."""
        request = read_request(lambda count: _read(talk, count))
        read_only([*code_folders(), *_files(request)])
        threading.Thread(target=_die_with, args=(talk,), daemon=True).start()
        teller = _Teller(talk)
        try:
            if isinstance(request, OpenClip):
                self._open_clip(request, teller)
            else:
                _open_pictures(request, teller)
        except MediaError as error:
            teller.tell(Failed(kind=_kind(error), problem=error.problem[:500]))
        except MemoryError:
            teller.tell(_no_memory())
        except cv2.error as error:
            if error.code != cv2.Error.StsNoMem:
                raise
            teller.tell(_no_memory())
        teller.finish()

    def _open_clip(self, request: OpenClip, teller: _Teller) -> None:
        tracker, faces_seconds = FaceTracker(), 0.0
        with open_media(
            request.path, sampling=request.sampling, frames=request.frames, limits=_LIMITS
        ) as reader:
            duration = reader.info.duration_seconds
            if duration is not None and duration > request.max_seconds:
                raise MediaLimitError(
                    "", f"is longer than {request.max_seconds:g} seconds (max_duration_seconds)"
                )
            for frame in reader:
                started = time.perf_counter()
                tracked = tracker.update(self._finder.find(frame.image), frame)[:MAX_FACES]
                faces_seconds += time.perf_counter() - started
                teller.tell(*_told(frame, tracked, request, reader.expected_frames))
            teller.tell(_end(reader, faces_seconds))


def _files(request: Request) -> list[str]:
    """The media it is about."""
    if isinstance(request, OpenClip):
        return [request.path]
    return [path for path, _, _ in request.files]


def _told(
    frame: Frame, tracked: Sequence[TrackedFace], request: OpenClip, total: int | None
) -> tuple[FrameSeen, list[Image]]:
    """What is told of a frame, and the pixels that go with it."""
    whole = CropBox(0, 0, frame.width, frame.height)
    regions = [_region(face.face.box, request.scale, frame) or whole for face in tracked]
    numbers = list(range(len(tracked)))
    if tracked and (request.whole or sum(map(_pixels, regions)) > frame.width * frame.height):
        regions, numbers = [whole], [0] * len(tracked)
    answer = FrameSeen(
        index=frame.index,
        pts_seconds=round(max(frame.pts_seconds, 0.0), 6),
        width=frame.width,
        height=frame.height,
        total=total,
        regions=tuple(
            Region(left=each.left, top=each.top, width=each.width, height=each.height)
            for each in regions
        ),
        faces=tuple(
            FaceSeen(
                track_id=face.track_id,
                box=(box.left, box.top, box.right, box.bottom),
                score=min(max(face.face.score, 0.0), 1.0),
                region=number,
            )
            for face, number in zip(tracked, numbers, strict=True)
            for box in [face.face.box]
        ),
    )
    return answer, [visible(frame.image, each).copy() for each in regions]


def _region(box: Box, scale: float, frame: Frame) -> CropBox | None:
    """What is cut about a face: as a device does, or wider where a model needs it."""
    wider = scale / CROP_SCALE
    if wider > 1:
        (x, y), half = box.center, wider * max(box.width, box.height) / 2
        box = Box(x - half, y - half, x + half, y + half)
    return sent_region(box, frame.width, frame.height)


def _pixels(box: CropBox) -> int:
    return box.width * box.height


def _end(reader: MediaReader, faces_seconds: float) -> End:
    info = reader.info
    return End(
        kind="image" if info.kind == "image" else "video",
        width=info.width,
        height=info.height,
        duration_seconds=info.duration_seconds,
        problems=tuple(problem[:300] for problem in reader.problems[:20]),
        decode_seconds=reader.decode_seconds,
        faces_seconds=faces_seconds,
    )


def _open_pictures(request: OpenPictures, teller: _Teller) -> None:
    started = time.perf_counter()
    for number, picture in enumerate(_pictures(request)):
        try:
            image = picture()
        except MediaError as error:
            teller.tell(Failed(kind=_kind(error), problem=error.problem[:500], number=number))
            return
        teller.tell(PictureSeen(width=image.shape[1], height=image.shape[0]), [image])
    teller.tell(End(decode_seconds=time.perf_counter() - started))


def _pictures(request: OpenPictures) -> Iterator[Callable[[], Image]]:
    """Each picture in turn, when it is called for; small ones are decoded two at a time.

    A model waits for the first of them, and until then a second core has nothing to do.
    """
    tasks = [partial(_picture, *file) for file in request.files]
    if any(width * height > SMALL_PIXELS for _, width, height in request.files):
        yield from tasks
        return
    with ThreadPoolExecutor(2) as pool:
        ahead: deque[Future[Image]] = deque()
        for task in tasks:
            ahead.append(pool.submit(task))
            if len(ahead) > 2:
                yield ahead.popleft().result
        yield from (decoded.result for decoded in ahead)


def _read_a_picture() -> None:
    """One of our own: Pillow loads what it reads pictures with when it meets the first."""
    file = io.BytesIO()
    Pillow.new("RGB", (8, 8)).save(file, "PNG")
    picture = PictureFile(file, "", _LIMITS)
    picture.read(0)
    picture.close()


def _picture(path: str, width: int, height: int) -> Image:
    """One picture of a face; its formats are few, and it is no larger than what it shows."""
    file = open_regular_file(path)
    head = read_head(file)
    if not (head.startswith(_LOSSY_AND_NOT) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")):
        file.close()
        raise MediaFormatError("", "is no PNG, WebP or JPEG")
    picture = PictureFile(file, "", _LIMITS)
    try:
        if picture.count > 1:
            raise MediaFormatError("", "is an animation, not one picture")
        if picture.info.width > width or picture.info.height > height:
            raise MediaFormatError(
                "",
                f"has {picture.info.width}x{picture.info.height} pixels, which reach past the "
                "edge of the frame it is said to be from",
            )
        return picture.read(0).image
    finally:
        picture.close()


class _Teller:
    """Tells, in a thread of its own, so that decoding goes on while models work."""

    def __init__(self, talk: socket.socket) -> None:
        self._talk = talk
        self._waiting: deque[tuple[bytes, Sequence[Image]]] = deque()
        self._held_bytes = 0
        self._finished = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def tell(self, answer: Answer, pixels: Sequence[Image] = ()) -> None:
        """Tell next; waits while too much waits already."""
        size = _bytes_of(pixels)
        with self._changed:
            while self._waiting and (
                len(self._waiting) >= AHEAD or self._held_bytes + size > AHEAD_BYTES
            ):
                self._changed.wait()
            self._waiting.append((pack(answer), pixels))
            self._held_bytes += size
            self._changed.notify_all()

    def finish(self) -> None:
        """Wait until all is told."""
        with self._changed:
            self._finished = True
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        try:
            while (message := self._next()) is not None:
                self._talk.sendall(message[0])
                for pixels in message[1]:
                    self._talk.sendall(np.ascontiguousarray(pixels).data)
        except OSError:
            os._exit(1)  # nobody listens any more

    def _next(self) -> tuple[bytes, Sequence[Image]] | None:
        with self._changed:
            while not self._waiting and not self._finished:
                self._changed.wait()
            if not self._waiting:
                return None
            message = self._waiting.popleft()
            self._held_bytes -= _bytes_of(message[1])
            self._changed.notify_all()
            return message


def _bytes_of(pixels: Sequence[Image]) -> int:
    return sum(each.nbytes for each in pixels)


def _die_with(talk: socket.socket) -> None:
    """End when the other side is gone, whatever else is being done."""
    try:
        talk.recv(1)
    finally:
        os._exit(1)


def _read(talk: socket.socket, count: int) -> bytes:
    data = b"".join(_chunks(talk, count))
    if len(data) < count:
        os._exit(0)  # it was not needed
    return data


def _chunks(talk: socket.socket, count: int) -> Iterator[bytes]:
    while count and (chunk := talk.recv(count)):
        count -= len(chunk)
        yield chunk


def _kind(error: MediaError) -> Failure:
    if isinstance(error, MediaLimitError):
        return "limit"
    return "access" if isinstance(error, MediaAccessError) else "format"


def _no_memory() -> Failed:
    return Failed(kind="limit", problem="needs more memory to open than it may have")

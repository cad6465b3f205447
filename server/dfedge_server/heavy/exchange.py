"""What passes between a worker and the process that opens media.

A message is its length (4 bytes, big-endian), MessagePack, and the pixels it speaks of: RGB
``uint8``, row by row, one picture after the other. Nothing in it can be executed, and whatever
comes from the process is taken for hostile: :mod:`msgspec` checks the types, the checks here the
sizes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

from dfedge.escalation.wire import Pixels
from dfedge.verdict import Probability, Seconds

LENGTH_BYTES: Final = 4
MAX_MESSAGE_BYTES: Final = 1024**2
MAX_FACES: Final = 64
"""Faces in one frame; the least sure of a larger crowd are passed over."""
MAX_PIXELS: Final = 80_000_000
"""Of one frame, and of all pictures in one message: 240 MB."""

Failure: TypeAlias = Literal["format", "limit", "access"]
Offset: TypeAlias = Annotated[int, Meta(ge=0, le=16384)]


class _Message(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="is", forbid_unknown_fields=True
):
    """Base of the messages."""


class OpenClip(_Message, frozen=True, kw_only=True, tag="open_clip"):
    """Look at a clip or picture.

    Attributes:
        scale: side of what is cut about a face, in longer sides of its box.
        whole: frames with a face are wanted whole.
        max_seconds: longest clip.
    """

    path: str
    frames: int
    sampling: Literal["even", "scene"]
    scale: float
    whole: bool
    max_seconds: float


class OpenPictures(_Message, frozen=True, kw_only=True, tag="open_pictures"):
    """Decode pictures of faces; each file has a width and height it may have at most."""

    files: tuple[tuple[str, Pixels, Pixels], ...]


class Region(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of a frame whose pixels follow."""

    left: Offset
    top: Offset
    width: Pixels
    height: Pixels


class FaceSeen(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A face in a frame; ``region`` is the number of that which shows it."""

    track_id: Annotated[int, Meta(ge=0, le=1_000_000)]
    box: tuple[float, float, float, float]
    score: Probability
    region: Annotated[int, Meta(ge=0, lt=MAX_FACES)]


class FrameSeen(_Message, frozen=True, kw_only=True, tag="frame"):
    """A frame that was searched; ``total`` is how many there will be, as far as known."""

    index: Annotated[int, Meta(ge=0)]
    pts_seconds: Seconds
    width: Pixels
    height: Pixels
    total: Annotated[int, Meta(ge=0, le=100_000)] | None
    regions: Annotated[tuple[Region, ...], Meta(max_length=MAX_FACES)] = ()
    faces: Annotated[tuple[FaceSeen, ...], Meta(max_length=MAX_FACES)] = ()


class PictureSeen(_Message, frozen=True, kw_only=True, tag="picture"):
    """A picture that was decoded."""

    width: Pixels
    height: Pixels


class End(_Message, frozen=True, kw_only=True, tag="end"):
    """All is told; of pictures that were sent nothing but this is."""

    kind: Literal["video", "image"] = "image"
    width: Annotated[int, Meta(ge=0, le=16384)] = 0
    height: Annotated[int, Meta(ge=0, le=16384)] = 0
    duration_seconds: Seconds | None = None
    problems: Annotated[tuple[Annotated[str, Meta(max_length=300)], ...], Meta(max_length=20)] = ()
    decode_seconds: Seconds = 0.0
    faces_seconds: Seconds = 0.0


class Failed(_Message, frozen=True, kw_only=True, tag="failed"):
    """The media cannot be used; ``number`` is that of the picture."""

    kind: Failure
    problem: Annotated[str, Meta(max_length=500)]
    number: Annotated[int, Meta(ge=0, le=10_000)] | None = None


Request: TypeAlias = OpenClip | OpenPictures
Answer: TypeAlias = FrameSeen | PictureSeen | End | Failed

_encoder: Final = msgspec.msgpack.Encoder()
_requests: Final = msgspec.msgpack.Decoder(Request)
_answers: Final = msgspec.msgpack.Decoder(Answer)


def pack(message: Request | Answer) -> bytes:
    """A message as it travels, without pixels."""
    body = _encoder.encode(message)
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


def read_request(read: Callable[[int], bytes | bytearray]) -> Request:
    """The next request; ``read(n)`` gives exactly n bytes."""
    request: Request = _requests.decode(_body(read))
    return request


def read_answer(read: Callable[[int], bytes | bytearray]) -> Answer:
    """The next answer, its numbers checked against each other.

    Raises:
        ValueError: it is not what may come.
    """
    answer: Answer = _answers.decode(_body(read))
    if isinstance(answer, PictureSeen):
        _check(answer.width * answer.height <= MAX_PIXELS, "a picture is too large")
    if isinstance(answer, FrameSeen):
        _check_frame(answer)
    return answer


def _body(read: Callable[[int], bytes | bytearray]) -> bytes | bytearray:
    length = int.from_bytes(read(LENGTH_BYTES), "big")
    _check(0 < length <= MAX_MESSAGE_BYTES, "a message is too long")
    return read(length)


def _check_frame(frame: FrameSeen) -> None:
    pixels = frame.width * frame.height
    _check(pixels <= MAX_PIXELS, "a frame is too large")
    _check(sum(part.width * part.height for part in frame.regions) <= pixels, "too many pixels")
    for part in frame.regions:
        inside = part.left + part.width <= frame.width and part.top + part.height <= frame.height
        _check(inside, "a part lies outside its frame")
    _check(len({face.track_id for face in frame.faces}) == len(frame.faces), "one face twice")
    for face in frame.faces:
        left, top, right, bottom = face.box
        _check(all(map(math.isfinite, face.box)), "a box is no box")
        _check(0 < right - left <= 16384 and 0 < bottom - top <= 16384, "a box is no box")
        _check(face.region < len(frame.regions), "a face has no picture")


def _check(holds: bool, problem: str) -> None:
    if not holds:
        raise ValueError(problem)

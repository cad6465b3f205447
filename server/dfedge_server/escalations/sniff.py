"""What uploaded bytes are, by the bytes: what a client or a file name says of them counts nothing.

This only keeps out what is plainly no media and says how to serve it again. Whether a file can
really be decoded is found out by the process that opens it (:mod:`dfedge_server.heavy.sandbox`).
"""

from __future__ import annotations

from typing import Final

from dfedge.media.files import HEAD_BYTES, describe_content

__all__ = ["CROP_TYPES", "HEAD_BYTES", "media_type", "why_refused"]

CROP_TYPES: Final = frozenset({"image/png", "image/jpeg", "image/webp"})
"""What a face crop may be."""

_STARTS: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"\x1aE\xdf\xa3", "video/webm"),
    (b"FLV\x01", "video/x-flv"),
    (b"OggS", "video/ogg"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "video/x-ms-asf"),
    (b"\x00\x00\x01\xba", "video/mpeg"),
    (b"\x00\x00\x01\xb3", "video/mpeg"),
    (b"\x00\x00\x00\x01", "video/h264"),
    (b"\x00\x00\x01\x67", "video/h264"),
    (b"\x06\x0e\x2b\x34", "application/mxf"),
    (b"DKIF", "video/x-ivf"),
    (b".RMF", "application/vnd.rn-realmedia"),
)
_ATOMS: Final = frozenset({b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})
"""What a QuickTime file without ``ftyp`` may begin with."""

_PACKET: Final = 188
"""Bytes from one sync byte of an MPEG transport stream to the next; 192 with time codes."""


def media_type(head: bytes) -> str | None:
    """The media type of bytes that begin so; None for what is no picture and no video we take."""
    for start, kind in _STARTS:
        if head.startswith(start):
            return kind
    if head[:4] == b"RIFF":
        return {b"WEBP": "image/webp", b"AVI ": "video/x-msvideo"}.get(head[8:12])
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        if brand in (b"avif", b"avis"):
            return "image/avif"
        return "video/quicktime" if brand == b"qt  " else "video/mp4"
    if head[4:8] in _ATOMS:
        return "video/quicktime"
    if head[:1] == b"G" and head[_PACKET : _PACKET + 1] in (b"G", b""):
        return "video/mp2t"
    if head[4:5] == b"G" and head[_PACKET + 8 : _PACKET + 9] == b"G":
        return "video/mp2t"
    return None


def why_refused(head: bytes, *, crop: bool) -> str | None:
    """Why bytes that begin so are not taken, as the rest of a sentence; None when they are."""
    if not head:
        return "is empty"
    known = describe_content(head)
    if known is not None:
        return f"is {known}"
    kind = media_type(head)
    if crop and kind not in CROP_TYPES:
        return "is no PNG, JPEG or WebP picture"
    return None if kind else "is no picture and no video of a known format"

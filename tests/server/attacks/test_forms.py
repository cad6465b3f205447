"""Forms and bodies that are not what they seem, on every way in."""

from __future__ import annotations

import gzip
import socket
import struct
import time
import zlib
from collections.abc import Iterator

import pytest

from .conftest import FILE, FORM_TYPE, LIMIT_BYTES, MIB, Target, form
from .hostile import png

SOUND = png(8, 8, rows=b"\0\0" * 8)
MANIFEST = 'Content-Disposition: form-data; name="manifest"\r\nContent-Type: application/json'
REFUSED = {400, 404, 405, 408, 411, 413, 415, 422, 431}


def _named(name: str, filename: str = "a.png") -> str:
    return f'Content-Disposition: form-data; name="{name}"; filename="{filename}"'


FORMS: dict[str, tuple[dict[str, str], bytes]] = {
    "no boundary": ({"Content-Type": "multipart/form-data"}, form((FILE, SOUND))),
    "an empty boundary": ({"Content-Type": "multipart/form-data; boundary="}, form((FILE, SOUND))),
    "a boundary of 5000 letters": (
        {"Content-Type": "multipart/form-data; boundary=" + "a" * 5000},
        form((FILE, SOUND), boundary="a" * 5000),
    ),
    "another boundary": (FORM_TYPE, form((FILE, SOUND), boundary="other")),
    "no end": (FORM_TYPE, form((FILE, SOUND))[:-14]),
    "nothing": (FORM_TYPE, b""),
    "no part": (FORM_TYPE, form()),
    "noise": (FORM_TYPE, bytes(range(256)) * 100),
    "a part without a name": (FORM_TYPE, form(("Content-Type: image/png", SOUND))),
    "a part with an empty name": (FORM_TYPE, form((_named(""), SOUND))),
    "a part without headers": (FORM_TYPE, b"--frontier\r\n\r\nabc\r\n--frontier--\r\n"),
    "a part whose headers never end": (FORM_TYPE, b"--frontier\r\n" + b"X-A: b\r\n" * 100_000),
    "a header of a megabyte": (FORM_TYPE, form((FILE + "\r\nX: " + "a" * MIB, SOUND))),
    "the part twice": (FORM_TYPE, form((FILE, SOUND), (FILE, SOUND))),
    "10,000 parts": (FORM_TYPE, form(*[(FILE, b"")] * 10_000)),
    "a form in a form": (
        FORM_TYPE,
        form(
            (
                FILE.replace('; filename="a.png"', "") + "\r\n"
                "Content-Type: multipart/mixed; boundary=inner",
                form((FILE, SOUND), boundary="inner"),
            )
        ),
    ),
    "base64 of a part": (
        FORM_TYPE,
        form((FILE + "\r\nContent-Transfer-Encoding: base64", b"iVBORw0KGgo=")),
    ),
    "a name that climbs": (FORM_TYPE, form((_named("../../../etc/cron.d/x"), SOUND))),
    "an absolute name": (FORM_TYPE, form((_named("/etc/passwd"), SOUND))),
    "a name with a zero byte": (FORM_TYPE, form((_named("file\0.png"), SOUND))),
    "a name of 100 kB": (FORM_TYPE, form((_named("f" * 100_000), SOUND))),
    "a name that is no UTF-8": (FORM_TYPE, form((_named("\udcff\udcfe"), SOUND))),
    "a name in full-width letters": (FORM_TYPE, form((_named("\uff46\uff49\uff4c\uff45"), SOUND))),
    "urlencoded": ({"Content-Type": "application/x-www-form-urlencoded"}, b"file=" + b"a" * 9999),
    "json": ({"Content-Type": "application/json"}, b'{"file": "a"}'),
    "xml": (
        {"Content-Type": "application/xml"},
        b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    ),
    "no type": ({}, SOUND),
    "gzip as Content-Encoding": (
        FORM_TYPE | {"Content-Encoding": "gzip"},
        gzip.compress(form((FILE, SOUND))),
    ),
    "a gzip bomb as Content-Encoding": (
        FORM_TYPE | {"Content-Encoding": "gzip"},
        gzip.compress(bytes(200 * MIB), 9),
    ),
    "a deflate bomb as Content-Encoding": (
        FORM_TYPE | {"Content-Encoding": "deflate"},
        zlib.compress(bytes(200 * MIB), 9),
    ),
}


UPLOADS = ("/detect", "/detect/batch", "/detect/video", "/v1/escalations")


@pytest.mark.parametrize(
    ("name", "path"),
    [
        (name, path)
        for name in FORMS
        for path in UPLOADS
        if (name, path) != ("the part twice", "/detect/batch")  # that is what a batch is
    ],
)
def test_a_form_that_is_none_is_refused(target: Target, name: str, path: str) -> None:
    """With a problem that says so; nothing is kept of it."""
    headers, body = FORMS[name]
    if path == "/detect/batch":
        body = body.replace(b'name="file"', b'name="files"')
    before = set(target.server.settings.data_dir.rglob("media/jobs/*/media/*"))
    answer = target.post(path, content=body, headers=headers)
    if answer is not None:
        assert answer.status_code in REFUSED, answer.text
        assert "application/problem+json" == answer.headers["Content-Type"]
        assert answer.json()["code"]
    assert before == set(target.server.settings.data_dir.rglob("media/jobs/*/media/*"))


@pytest.mark.parametrize(
    ("filename", "shown"),
    [
        ("../../../../etc/passwd", "passwd"),
        ("..\\\\..\\\\windows\\\\win.ini", "win.ini"),
        ("/etc/shadow", "shadow"),
        ("a\0b.png", None),
        ("'; DROP TABLE job; --.png", "'; DROP TABLE job; --.png"),
        ("{{7*7}}${7*7}<%= 7*7 %>.png", None),
        ("<script>alert(1)</script>", None),
        ("\u202egnp.exe", "gnp.exe"),
        ("a" * 5000, "a" * 200),
        ("CON", "CON"),
        ("-rf .png", "-rf .png"),
        ("", None),
    ],
)
def test_a_file_name_is_only_shown(target: Target, filename: str, shown: str | None) -> None:
    """It is no path, no query, no template; without folders and letters that cannot be seen."""
    answer = target.client.post(
        "/detect", content=form((_named("file", filename), SOUND)), headers=FORM_TYPE
    )
    told = answer.json()
    if answer.status_code == 200:
        assert told["filename"] is None or told["filename"].isprintable()
        assert shown is None or shown == told["filename"]
    else:
        assert answer.status_code in REFUSED, answer.text
    kept = target.server.settings.data_dir
    assert [] == [path for path in kept.rglob("*") if path.name in ("passwd", "win.ini", "shadow")]


DEEP = b"[" * 100_000 + b"]" * 100_000
JSON: dict[str, bytes] = {
    "100,000 deep": DEEP,
    "objects 100,000 deep": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "a deep field": b'{"kind":"url","url":' + DEEP + b"}",
    "a deep unknown field": b'{"file_path":"http://10.0.0.1/","x":' + DEEP + b"}",
    "a number of 100,000 digits": b'{"num_frames":' + b"9" * 100_000 + b',"file_path":"a"}',
    "1e400": b'{"file_path":"http://10.0.0.1/","num_frames":1e400}',
    "NaN": b'{"file_path":"http://10.0.0.1/","num_frames":NaN}',
    "minus one": b'{"file_path":"http://10.0.0.1/","num_frames":-1}',
    "half a frame": b'{"file_path":"http://10.0.0.1/","num_frames":1.5}',
    "another net": b'{"file_path":"http://10.0.0.1/","net":"../../x"}',
    "no UTF-8": b'{"file_path":"http://\xff\xfe/"}',
    "half a surrogate": b'{"file_path":"http://\\ud800/"}',
    "UTF-16": '{"file_path":"http://10.0.0.1/"}'.encode("utf-16"),
    "a zero byte": b'{"file_path":"http://a\\u0000b/"}',
    "a name of a zero byte": b'{"kind":"url","url":"http://10.0.0.1/","name":"\\u0000"}',
    "a list": b"[]",
    "null": b"null",
    "nothing": b"",
    "cut off": b'{"file_path":',
    "a comment": b'{"file_path":"http://10.0.0.1/"/**/}',
    "a long address": b'{"file_path":"http://' + b"a" * 100_000 + b'/"}',
    "100,000 crops": b'{"kind":"crops","crops":[' + b"{}," * 99_999 + b"{}]}",
    "two kinds": b'{"kind":"url","url":"http://10.0.0.1/","crops":[],"frames":999}',
    "prototype": b'{"__proto__":{"admin":true},"kind":"url"}',
    "another schema": b'{"schema":"dfedge.escalation/9","kind":"url","url":"http://10.0.0.1/"}',
}


@pytest.mark.parametrize("path", ["/predict", "/v1/escalations", "/v1/batches", "/admin/threshold"])
@pytest.mark.parametrize("name", JSON)
def test_json_that_does_not_fit_is_refused(target: Target, name: str, path: str) -> None:
    """Depth, numbers, encodings and fields; never an error of the server."""
    answer = target.post(path, content=JSON[name], headers={"Content-Type": "application/json"})
    if answer is not None:
        assert answer.status_code in REFUSED, answer.text
        assert answer.json()["code"]


def _endless(length: int) -> Iterator[bytes]:
    yield form((FILE, SOUND))[:-14]
    for _ in range(length // MIB):
        yield bytes(MIB)


@pytest.mark.parametrize("path", ["/detect", "/v1/escalations", "/predict", "/admin/threshold"])
def test_ten_gigabytes_in_chunks_are_cut_off(target: Target, path: str) -> None:
    """The server hangs up soon after its limit, whatever is still to come, and holds none of it."""
    head = target.head(
        "Content-Type: multipart/form-data; boundary=frontier",
        "Transfer-Encoding: chunked",
        path=path,
    )
    sent = 0
    with target.connect() as connection:
        connection.sendall(head)
        try:
            for piece in _endless(10 * 1024 * MIB):
                connection.sendall(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
                sent += len(piece)
        except (ConnectionError, BrokenPipeError, TimeoutError):
            pass
    assert sent < LIMIT_BYTES + 32 * MIB


def test_ten_gigabytes_that_are_announced_are_not_read(target: Target) -> None:
    """A length over the limit is answered at once."""
    head = target.head(
        "Content-Type: multipart/form-data; boundary=frontier", f"Content-Length: {10 * 1024**3}"
    )
    with target.connect() as connection:
        connection.sendall(head)
        assert b" 413 " in connection.recv(65536)


RAW: dict[str, tuple[list[str], bytes]] = {
    "shorter than it says": (["Content-Length: 1000"], b"abc"),
    "longer than it says": (["Content-Length: 3"], form((FILE, SOUND))),
    "a negative length": (["Content-Length: -1"], b"abc"),
    "a length that is no number": (["Content-Length: 0x10"], b"abc"),
    "two lengths": (["Content-Length: 3", "Content-Length: 300"], b"abc"),
    "a length beyond 64 bits": (["Content-Length: " + "9" * 40], b"abc"),
    "length and chunks": (["Content-Length: 3", "Transfer-Encoding: chunked"], b"0\r\n\r\n"),
    "an unknown coding": (["Transfer-Encoding: gzip, chunked"], b"0\r\n\r\n"),
    "a coding in disguise": (["Transfer-Encoding: xchunked"], b"0\r\n\r\n"),
    "a chunk of no number": (["Transfer-Encoding: chunked"], b"zz\r\nabc\r\n0\r\n\r\n"),
    "a negative chunk": (["Transfer-Encoding: chunked"], b"-3\r\nabc\r\n0\r\n\r\n"),
    "a chunk beyond 64 bits": (["Transfer-Encoding: chunked"], b"f" * 20 + b"\r\nabc\r\n"),
    "an endless chunk extension": (["Transfer-Encoding: chunked"], b"3;" + b"a" * MIB),
    "100,000 headers": ([f"X-{number}: a" for number in range(100_000)], b""),
    "a header of 10 MB": (["X-A: " + "a" * 10 * MIB], b""),
    "a header without a colon": (["Content-Length 3"], b"abc"),
    "a header with a zero byte": (["X-A: a\0b"], b""),
    "a folded header": (["X-A: a\r\n b"], b""),
    "a second host": (["Host: 127.0.0.1"], b""),
    "an upgrade": (["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"], b""),
    "HTTP/2 settings": (["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c"], b""),
}


@pytest.mark.parametrize("name", RAW)
def test_http_that_is_none_is_refused(target: Target, name: str) -> None:
    """Lengths, codings and headers that contradict themselves: refused, or hung up on."""
    headers, body = RAW[name]
    answer = target.raw(
        target.head("Content-Type: multipart/form-data; boundary=frontier", *headers) + body
    )
    assert answer == b"" or answer.split(b" ")[1][:1] == b"4", answer[:300]


@pytest.mark.parametrize(
    "line",
    [
        "GET / HTTP/9.9",
        "GET /" + "a" * MIB + " HTTP/1.1",
        "GET http://169.254.169.254/ HTTP/1.1",
        "CONNECT 127.0.0.1:22 HTTP/1.1",
        "TRACE / HTTP/1.1",
        "PRI * HTTP/2.0",
        "G\0T / HTTP/1.1",
        "\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
        "GET /../../../../etc/passwd HTTP/1.1",
        "GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1",
        "GET /v1/escalations/..%2f..%2fetc%2fpasswd HTTP/1.1",
        "GET /v1/escalations/%00 HTTP/1.1",
        "GET /v1/escalations/1'%20OR%20'1'='1 HTTP/1.1",
        "GET /v1/escalations?cursor=%ff%fe HTTP/1.1",
        "GET /v1/escalations?limit=99999999999999999999 HTTP/1.1",
        "GET /static/..%5c..%5cetc/passwd HTTP/1.1",
        "GET /review/static/../../../etc/passwd HTTP/1.1",
        "GET /v1/openapi.json/../../metrics HTTP/1.1",
    ],
)
def test_a_strange_request_line_is_refused(target: Target, line: str) -> None:
    """No file of the machine is served, nothing is passed on, and no error is the server's."""
    headers = f"\r\nHost: dfedge\r\nAuthorization: Bearer {target.key}\r\nConnection: close\r\n\r\n"
    answer = target.raw((line + headers).encode("latin-1"))
    assert answer == b"" or answer.split(b" ")[1][:1] in (b"4", b"3"), answer[:300]
    assert b"root:" not in answer


def test_slow_senders_do_not_stop_others(target: Target) -> None:
    """While a hundred connections drip heads and bodies, others are answered at once."""
    slow = []
    head = target.head(
        "Content-Type: multipart/form-data; boundary=frontier", "Content-Length: 100000"
    )
    try:
        for number in range(100):
            connection = target.connect()
            slow.append(connection)
            connection.sendall(head[: len(head) - 2 * (number % 2)])
        for _ in range(5):
            for connection in slow:
                connection.sendall(b"a")
            started = time.monotonic()
            assert 200 == target.client.get("/ready").status_code
            assert time.monotonic() - started < 10
    finally:
        for connection in slow:
            connection.close()


def test_those_who_hang_up_leave_nothing(target: Target) -> None:
    """Uploads that are reset in the middle are not kept."""
    before = set(target.server.settings.data_dir.rglob("media/jobs/*/media/*"))
    body = form((FILE, SOUND + bytes(MIB)))
    for _ in range(20):
        connection = target.connect()
        reset = struct.pack("ii", 1, 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
        connection.sendall(
            target.head(
                "Content-Type: multipart/form-data; boundary=frontier",
                f"Content-Length: {len(body)}",
            )
            + body[: MIB // 2]
        )
        connection.close()
    deadline = time.monotonic() + 20
    while before != set(target.server.settings.data_dir.rglob("media/jobs/*/media/*")):
        assert time.monotonic() < deadline, "parts of uploads are left"
        time.sleep(0.1)


@pytest.mark.parametrize(
    "header",
    [
        "Bearer " + "a" * 8000,
        "Bearer dfe_' OR 1=1 --_x",
        "Bearer dfe_\u00ff_\u00fe",
        "Bearer dfe__",
        "Bearer ",
        "Basic YWRtaW46YWRtaW4=",
        "Bearer null",
        "Bearer dfe_00000000_" + "0" * 43,
    ],
)
def test_a_key_that_is_none_is_refused(target: Target, header: str) -> None:
    """Whatever is put in its place."""
    request = (
        f"GET /v1/models HTTP/1.1\r\nHost: dfedge\r\nAuthorization: {header}\r\n"
        "Connection: close\r\n\r\n"
    )
    answer = target.raw(request.encode("latin-1"))
    assert b" 401 " in answer.split(b"\r\n")[0], answer[:300]
    assert "application/problem+json" in answer.decode("latin-1")

"""The client against servers that are slow, busy, broken or hostile."""

from __future__ import annotations

import hashlib
import shutil
import socket
import ssl
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from dfedge.errors import EscalationError
from dfedge.escalation.client import ATTEMPTS, EscalationClient
from dfedge.escalation.http import MAX_ANSWER_BYTES, Stop
from dfedge.escalation.wire import Crop, Escalation, State, Submission

from .conftest import ID, Request, Script, escalation, refuses, says

KEY = "dfe_0123_secret"
DONE = says(escalation())
QUEUED = says(escalation(State.QUEUED), 202)


def submission() -> Submission:
    """One crop."""
    crop = Crop(
        part="crop-000",
        track_id=0,
        frame_index=0,
        pts_seconds=0.0,
        frame_width=64,
        frame_height=64,
        left=0,
        top=0,
        box=(10.0, 10.0, 30.0, 30.0),
        detection_score=0.9,
    )
    return Submission(kind="crops", crops=(crop,), frames_sampled=1)


def submit(
    server: Script | str, *, seconds: float = 20.0, media: Any = None, stop: Stop | None = None
) -> Escalation:
    """Submit and wait for the end."""
    client = EscalationClient(server if isinstance(server, str) else server.url, KEY)
    deadline, stop = time.monotonic() + seconds, stop or Stop()
    media = {"crop-000": b"\x89PNG 0"} if media is None else media
    accepted = client.submit(submission(), media, deadline=deadline, stop=stop)
    return client.wait(accepted, deadline=deadline, stop=stop)


def problem_of(server: Script | str, **options: Any) -> EscalationError:
    """The error of a submission; it never tells the key."""
    with pytest.raises(EscalationError) as caught:
        submit(server, **options)
    assert KEY not in f"{caught.value!r} {caught.value}"
    assert str(caught.value).isprintable()
    return caught.value


def test_a_submission_is_a_form_with_the_manifest_first(script: Script) -> None:
    """With the key, and an idempotency key that is made of the content."""
    script.answers = [DONE]
    submit(script)
    submit(script)
    first, second = script.requests
    assert list(first.parts) == ["manifest", "crop-000"]
    assert first.submission == submission()
    assert first.parts["crop-000"] == b"\x89PNG 0"
    assert first.headers["authorization"] == f"Bearer {KEY}"
    assert "prefer" not in first.headers, "the id is wanted at once"
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
    submit(script, media={"crop-000": b"\x89PNG 1"})
    assert script.requests[2].headers["idempotency-key"] != first.headers["idempotency-key"]


def test_a_clip_is_read_from_its_file(script: Script, tmp_path: Path) -> None:
    """Every byte of it."""
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(bytes(range(256)) * 4000)
    script.answers = [DONE]
    submit(script, media=clip)
    sent = script.requests[0].parts["clip"]
    assert hashlib.sha256(sent).digest() == hashlib.sha256(clip.read_bytes()).digest()


def test_a_slow_job_is_looked_at_until_it_ends(script: Script) -> None:
    """By its id, at the server that was named, whatever address its answers tell."""
    running = says(escalation(State.RUNNING))
    script.answers = [QUEUED, running, running, DONE]
    assert submit(script).state is State.DONE
    assert script.seen() == [
        ("POST", "/v1/escalations"),
        *[("GET", f"/v1/escalations/{ID}")] * 3,
    ]
    assert {request.headers.get("prefer") for request in script.requests[1:]} == {"wait=10"}


def test_a_server_that_stumbles_is_asked_again(script: Script) -> None:
    """With the same idempotency key, so that no second job is made."""
    script.answers = [refuses(500), refuses(503), QUEUED, refuses(502), DONE]
    assert submit(script).state is State.DONE
    keys = {request.headers.get("idempotency-key") for request in script.requests[:3]}
    assert len(keys) == 1


def test_a_server_that_stays_broken_is_given_up(script: Script) -> None:
    """After a few attempts."""
    script.answers = [refuses(500, "no disk")]
    assert "HTTP 500, no disk" in str(problem_of(script))
    assert len(script.requests) == ATTEMPTS


def test_a_busy_server_says_when_to_come_back(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Retry-After is waited for."""
    waits: list[float] = []
    monkeypatch.setattr(Stop, "wait", lambda self, seconds: waits.append(seconds))
    script.answers = [refuses(429, retry_after="7"), QUEUED, says(escalation(), retry_after="3")]
    submit(script)
    assert [seconds for seconds in waits if seconds >= 1] == [7.0]


def test_a_server_that_is_busy_for_too_long_is_not_waited_for(script: Script) -> None:
    """Where Retry-After lies past the deadline there is no use."""
    script.answers = [refuses(429, "the queue is full", retry_after="3600")]
    assert "is too busy (HTTP 429, the queue is full)" in str(problem_of(script))
    assert len(script.requests) == 1


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, "refused"),
        (401, "does not know the key"),
        (403, "does not allow this key"),
        (404, "knows no such address"),
        (413, "too large"),
        (422, "refused"),
    ],
)
def test_a_refusal_is_final(script: Script, status: int, words: str) -> None:
    """And told in words, with what the server says of it."""
    script.answers = [refuses(status, "of the moon")]
    problem = problem_of(script)
    assert words in str(problem)
    assert "of the moon" in str(problem)
    assert problem.for_all == (status in (401, 403))
    assert len(script.requests) == 1


def test_a_refusal_cannot_move_the_cursor(script: Script) -> None:
    """What a server says is shown with its control characters visible, and cut."""
    script.answers = [refuses(403, "\x1b[2J" + "x" * 5000)]
    problem = str(problem_of(script))
    assert "\\x1b[2J" in problem
    assert len(problem) < 500


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(script: Script, elsewhere: Script, status: int) -> None:
    """Neither the key nor a face goes where a server points."""
    elsewhere.answers = [DONE]
    script.answers = [says("", status, location=f"{elsewhere.url}/v1/escalations?a=b")]
    assert f"redirects to {elsewhere.url}/v1/escalations;" in str(problem_of(script))
    assert elsewhere.requests == []


def test_addresses_in_an_answer_are_not_asked(script: Script, elsewhere: Script) -> None:
    """``href`` is a hint for people."""
    elsewhere.answers = [DONE]
    script.answers = [says(escalation(State.QUEUED, href=f"{elsewhere.url}/x"), 202), DONE]
    submit(script)
    assert elsewhere.requests == []


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<html>welcome</html>",
        "[1, 2",
        "[" * 100_000,
        '{"id": 5}',
        '{"state": "done"}',
        b"\xff\xfe\x00",
        "null",
    ],
)
def test_nonsense_is_no_answer(script: Script, body: str | bytes) -> None:
    """It ends with a sentence, not with a traceback."""
    script.answers = [says(body)]
    assert "did not answer as an escalation server does" in str(problem_of(script))


def test_another_escalation_is_no_answer(script: Script) -> None:
    """A server may not hand out somebody else's."""
    other = escalation(id="0191e7c0-0000-7000-8000-00000000000f")
    script.answers = [QUEUED, says(other)]
    assert "another escalation" in str(problem_of(script))


def test_an_answer_that_says_it_is_huge_is_not_read(script: Script) -> None:
    """By its Content-Length."""
    script.answers = [says("{}", content_length=str(MAX_ANSWER_BYTES + 1))]
    assert "more than 16 MiB" in str(problem_of(script))
    assert len(script.requests) == 1


def test_an_answer_that_does_not_end_is_cut(script: Script) -> None:
    """One that tells no length is read up to the limit."""

    def endless(handler: BaseHTTPRequestHandler, request: Request) -> None:
        handler.send_response(200)
        handler.end_headers()
        for _ in range(MAX_ANSWER_BYTES // 1_000_000 + 2):
            handler.wfile.write(b" " * 1_000_000)

    script.answers = [endless]
    assert "more than 16 MiB" in str(problem_of(script))


def test_an_answer_that_breaks_off_is_no_answer(script: Script) -> None:
    """A body shorter than promised."""

    def broken(handler: BaseHTTPRequestHandler, request: Request) -> None:
        says("{}", content_length="100")(handler, request)
        handler.close_connection = True

    script.answers = [broken]
    assert "broke off" in str(problem_of(script))
    assert len(script.requests) == ATTEMPTS


def test_a_connection_that_is_reset_is_tried_again(script: Script) -> None:
    """The next attempt may do."""

    def reset(handler: BaseHTTPRequestHandler, request: Request) -> None:
        handler.close_connection = True

    script.answers = [reset, DONE]
    assert submit(script).state is State.DONE


def test_what_is_no_http_is_no_answer(script: Script) -> None:
    """Another service may listen there."""

    def noise(handler: BaseHTTPRequestHandler, request: Request) -> None:
        handler.wfile.write(b"220 mail.example.org ESMTP\r\n")
        handler.close_connection = True

    script.answers = [noise]
    assert "does not speak proper HTTP" in str(problem_of(script))


def test_a_server_that_drips_is_cut_at_the_deadline(script: Script) -> None:
    """However slowly the bytes come, the total is bounded."""
    over = threading.Event()

    def drip(handler: BaseHTTPRequestHandler, request: Request) -> None:
        handler.send_response(200)
        handler.end_headers()
        while not over.wait(0.02):
            handler.wfile.write(b" ")

    script.answers = [drip]
    try:
        assert "did not answer in time" in str(problem_of(script, seconds=0.5))
    finally:
        over.set()


def test_a_job_that_does_not_end_is_left_at_the_deadline(script: Script) -> None:
    """It goes on at the server."""
    script.answers = [QUEUED, says(escalation(State.RUNNING))]
    assert "was not done in time" in str(problem_of(script, seconds=2.0))
    assert ("POST", f"/v1/escalations/{ID}/cancel") not in script.seen()


def test_a_refusal_before_all_is_sent_is_heard(script: Script, tmp_path: Path) -> None:
    """A server that has seen enough answers and closes; the answer counts."""
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(bytes(40_000_000))
    address, ended = _early_refusal()
    problem = problem_of(address, media=clip)
    ended.wait(10)
    assert "too large" in str(problem) or "broke off" in str(problem)


def _early_refusal() -> tuple[str, threading.Event]:
    """A server that reads the head of one request and answers 413."""
    listener = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def serve() -> None:
        for _ in range(ATTEMPTS):
            listener.settimeout(2)
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                break
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\n{}")
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(1 << 20):
                    pass
        listener.close()
        ended.set()

    threading.Thread(target=serve, daemon=True).start()
    return f"http://127.0.0.1:{listener.getsockname()[1]}", ended


def test_nobody_there_is_told(script: Script) -> None:
    """With a hint; and the next request would fare the same."""
    problem = problem_of("http://127.0.0.1:9")
    assert "refused the connection; is the server running?" in str(problem)
    assert problem.for_all


def test_an_unknown_host_is_told() -> None:
    """Names under .invalid never resolve."""
    assert "not known" in str(problem_of("https://dfedge.invalid"))


def test_a_certificate_nobody_signed_is_refused(tmp_path: Path) -> None:
    """TLS is verified before anything is sent, and it is not tried again."""
    listener = socket.create_server(("127.0.0.1", 0))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_self_signed(tmp_path))
    heard: list[bytes] = []

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            try:
                heard.append(context.wrap_socket(connection, server_side=True).recv(10))
            except OSError:
                heard.append(b"")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with listener:
        problem = problem_of(f"https://127.0.0.1:{listener.getsockname()[1]}")
        thread.join(10)
    assert "its certificate is not trusted" in str(problem)
    assert heard == [b""]


def _self_signed(folder: Path) -> Path:
    """Key and certificate of 127.0.0.1 in one file."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("needs openssl to make a certificate")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    words += " -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    subprocess.run(
        [program, *words.split(), "-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
    )
    both = folder / "both.pem"
    both.write_bytes(key.read_bytes() + certificate.read_bytes())
    return both


def test_a_stop_ends_all_waiting(script: Script) -> None:
    """From another thread, also in the middle of an answer that does not come."""
    stop, reached, over = Stop(), threading.Event(), threading.Event()

    def hang(handler: BaseHTTPRequestHandler, request: Request) -> None:
        reached.set()
        over.wait(30)
        handler.close_connection = True

    script.answers = [QUEUED, hang]
    threading.Thread(target=lambda: (reached.wait(10), stop.set()), daemon=True).start()
    try:
        assert "stopped" in str(problem_of(script, stop=stop))
    finally:
        over.set()
    assert len(script.requests) == 2


def test_a_job_that_was_sent_whole_is_still_named_after_a_stop(script: Script) -> None:
    """So that it can be cancelled: it was taken, though nobody waits any more."""
    stop = Stop()

    def slowly(handler: BaseHTTPRequestHandler, request: Request) -> None:
        stop.set()
        time.sleep(0.2)
        QUEUED(handler, request)

    script.answers = [slowly]
    client = EscalationClient(script.url, KEY)
    deadline = time.monotonic() + 20
    parts = {"crop-000": b"\x89PNG 0"}
    assert ID == client.submit(submission(), parts, deadline=deadline, stop=stop).id


def test_nothing_is_sent_again_after_a_stop(script: Script) -> None:
    """However the first attempt ended."""
    stop = Stop()

    def busy(handler: BaseHTTPRequestHandler, request: Request) -> None:
        stop.set()
        refuses(503)(handler, request)

    script.answers = [busy]
    assert "stopped" in str(problem_of(script, stop=stop))
    assert 1 == len(script.requests)


def test_a_job_nobody_names_in_time_is_given_up_after_a_stop(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server takes the submission and says nothing."""
    monkeypatch.setattr("dfedge.escalation.client.CANCEL_SECONDS", 0.2)
    stop, over = Stop(), threading.Event()

    def silent(handler: BaseHTTPRequestHandler, request: Request) -> None:
        stop.set()
        over.wait(30)
        handler.close_connection = True

    script.answers = [silent]
    try:
        assert "stopped" in str(problem_of(script, stop=stop))
    finally:
        over.set()
    assert 1 == len(script.requests)


def test_cancelling_never_fails(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tried once, and nothing depends on it."""
    script.answers = [refuses(500)]
    EscalationClient(script.url, KEY).cancel(ID)
    assert script.seen() == [("POST", f"/v1/escalations/{ID}/cancel")]
    EscalationClient("http://127.0.0.1:9", KEY).cancel(ID)

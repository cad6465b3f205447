"""A server that does as it is told, and one that judges, both real and in a thread."""

from __future__ import annotations

import email
import email.policy
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import UUID

import msgspec
import pytest
from msgspec.structs import replace

from dfedge.escalation.wire import Escalation, Problem, Stage, State, Submission, Thresholds
from dfedge.verdict import Label, ModelInfo, Opinion, Verdict

ID = UUID("0191e7c0-0000-7000-8000-000000000001")


@dataclass
class Request:
    """What a server was sent; names of headers are lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def parts(self) -> dict[str, bytes]:
        """The parts of a form by name, as an independent parser reads them."""
        head = f"Content-Type: {self.headers['content-type']}\r\n\r\n".encode()
        message = email.message_from_bytes(head + self.body, policy=email.policy.HTTP)
        return {
            str(part.get_param("name", header="content-disposition")): part.get_payload(decode=True)
            for part in message.iter_parts()  # type: ignore[attr-defined]
        }

    @property
    def submission(self) -> Submission:
        """The manifest."""
        return msgspec.json.decode(self.parts["manifest"], type=Submission)


Answer = Callable[[BaseHTTPRequestHandler, Request], None]


@dataclass
class Script:
    """A server that gives the answers of a list in order, and the last one for ever.

    Attributes:
        requests: all that came.
    """

    answers: list[Answer] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    url: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self, request: Request) -> Answer:
        """Write down the request and choose its answer."""
        with self._lock:
            self.requests.append(request)
            return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def seen(self) -> list[tuple[str, str]]:
        """Method and path of all that came."""
        return [(request.method, request.path) for request in self.requests]


@pytest.fixture
def script() -> Iterator[Script]:
    """A running :class:`Script`."""
    yield from _serve()


@pytest.fixture
def elsewhere() -> Iterator[Script]:
    """Another one, at another address."""
    yield from _serve()


def _serve() -> Iterator[Script]:
    script = Script()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", 0)))
            request = Request(self.command, self.path, headers, body)
            script.next(request)(self, request)

        do_GET = do_POST  # noqa: N815

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *arguments: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    script.url = f"http://127.0.0.1:{server.server_port}"
    yield script
    server.shutdown()
    server.server_close()
    thread.join()


def says(body: bytes | str | msgspec.Struct, status: int = 200, **headers: str) -> Answer:
    """An answer with this body; ``retry_after="5"`` is the header Retry-After."""
    if isinstance(body, msgspec.Struct):
        body = msgspec.json.encode(body)
    data = body.encode() if isinstance(body, str) else body

    def answer(handler: BaseHTTPRequestHandler, request: Request) -> None:
        handler.send_response(status)
        for name, value in {"content_length": str(len(data)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(data)

    return answer


def refuses(status: int, detail: str = "because", **headers: str) -> Answer:
    """A problem."""
    problem = Problem(title="Refused", status=status, detail=detail, code="refused")
    return says(problem, status, **headers)


def escalation(state: State = State.DONE, **fields: Any) -> Escalation:
    """One of the server."""
    return msgspec.convert(
        {
            "id": ID,
            "state": state,
            "kind": "crops",
            "name": "",
            "created_at": datetime.now(UTC),
            "stage": Stage(name="models"),
            "href": "http://elsewhere.example/v1/escalations/1",
            "review_href": "http://elsewhere.example/review/1",
            **fields,
        },
        Escalation,
    )


def judged(device: Verdict, probability: float = 0.9, **fields: Any) -> Verdict:
    """A server's verdict on what a device said."""
    opinion = Opinion(
        model="heavy-one", tier="heavy", label=Label.FAKE, fake_probability=probability
    )
    model = ModelInfo(name="heavy-one", version="1.0", sha256="cd" * 32, role="heavy")
    changes = {
        "label": Label.FAKE,
        "fake_probability": probability,
        "confidence": probability,
        "reasons": (),
        "opinions": (*device.opinions, opinion),
        "models": (*device.models, model),
    }
    return replace(device, **(changes | fields))


def judges(handler: BaseHTTPRequestHandler, request: Request) -> None:
    """An answer: done at once, FAKE."""
    device = request.submission.device_verdict
    assert device is not None
    done = escalation(
        kind=request.submission.kind,
        verdict=judged(device),
        thresholds=Thresholds(real=0.3, fake=0.7),
        notes=("No heavier model is installed.",),
    )
    says(done)(handler, request)


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dfedge.escalation.client.FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr("dfedge.escalation.client.POLL_SECONDS", (0.01, 0.02))

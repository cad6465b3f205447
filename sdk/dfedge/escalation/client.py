"""The API of an escalation server, as far as a device needs it: submit, look, cancel.

Standard library only. The key goes to the server that was named and nowhere else: redirects are not
followed, and addresses in answers are not fetched.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final
from uuid import UUID

import msgspec

from dfedge import __version__
from dfedge.errors import EscalationError
from dfedge.escalation.http import Answer, Body, ExchangeError, Stop, exchange
from dfedge.escalation.wire import FINAL, Escalation, Problem, Stage, Submission
from dfedge.report.wording import printable

ATTEMPTS: Final = 4
"""Of one request, before the server is given up."""
FIRST_PAUSE_SECONDS: Final = 0.5
POLL_SECONDS: Final = (0.1, 5.0)
"""Between two looks at a job: at first, and at most."""
LOOK_WAIT_SECONDS: Final = 10
"""``Prefer: wait`` of a look. A submission does not wait: its id must be known at once, so that it
can be cancelled, and fetched later if the server goes away."""
CANCEL_SECONDS: Final = 3.0
"""For telling a server to cancel, and before that for the name of the job."""

_CHUNK_BYTES = 256 * 1024
_TRY_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_MEANINGS = {
    401: "does not know the key",
    403: "does not allow this key to escalate",
    404: "knows no such address; is it an escalation server?",
    413: "finds it too large",
    429: "is too busy",
}


class EscalationClient:
    """Talks to one server with one key. Safe to use from several threads."""

    def __init__(self, server: str, api_key: str) -> None:
        self._server = server
        self._headers = {
            "Authorization": f"Bearer {api_key}",
            "Accept": "application/json, application/problem+json",
            "User-Agent": f"dfedge/{__version__}",
        }

    def __repr__(self) -> str:
        return f"EscalationClient(server={self._server!r})"

    def address(self, escalation_id: UUID) -> str:
        """Where an escalation can be looked up with the key."""
        return f"{self._server}/v1/escalations/{escalation_id}"

    def submit(
        self,
        submission: Submission,
        media: Mapping[str, bytes] | Path,
        *,
        deadline: float,
        stop: Stop,
    ) -> Escalation:
        """Send a submission; a repeated attempt makes no second job.

        A stop ends the sending at once; the name of a job that was sent whole is still waited for,
        so that it can be cancelled.

        Args:
            media: the parts of crops by name, or the file of a clip.
            deadline: on the clock of :func:`time.monotonic`.

        Raises:
            EscalationError: it was not taken.
        """
        manifest = msgspec.json.encode(submission)
        try:
            digest = _digest(manifest, media)
            body = _multipart(manifest, media, boundary=f"dfedge-{digest[:40]}")
        except OSError as error:
            problem = f"nothing was sent: the file cannot be read again ({error.strerror})"
            raise EscalationError(self._server, problem) from error
        answer = self._request(
            "POST",
            "/v1/escalations",
            deadline,
            stop,
            headers={"Idempotency-Key": digest},
            body=body,
            grace_seconds=CANCEL_SECONDS,
        )
        return self._escalation(answer)

    def get(self, escalation_id: UUID, *, deadline: float, stop: Stop) -> tuple[Escalation, float]:
        """An escalation once it is final, or after a while as it stands then; and the seconds that
        the server asks to wait, 0 if none.

        Raises:
            EscalationError: it cannot be had.
        """
        path = f"/v1/escalations/{escalation_id}"
        left = max(0, min(LOOK_WAIT_SECONDS, int(deadline - time.monotonic()) - 1))
        headers = {"Prefer": f"wait={left}"}
        answer = self._request("GET", path, deadline, stop, headers=headers)
        escalation = self._escalation(answer)
        if escalation.id != escalation_id:
            raise EscalationError(self._server, "answered with another escalation")
        return escalation, _retry_after(answer) or 0.0

    def wait(
        self,
        escalation: Escalation,
        *,
        deadline: float,
        stop: Stop,
        looked: Callable[[Stage], None] = lambda stage: None,
    ) -> Escalation:
        """Look until it is final, more and more seldom.

        Raises:
            EscalationError: the server went away, or was not done by the deadline.
        """
        pause, most = POLL_SECONDS
        asked = 0.0
        while escalation.state not in FINAL:
            looked(escalation.stage)
            self._pause(max(_jittered(pause), asked), deadline, stop, "was not done in time")
            pause = min(pause * 1.5, most)
            escalation, asked = self.get(escalation.id, deadline=deadline, stop=stop)
        return escalation

    def cancel(self, escalation_id: UUID) -> None:
        """Tell the server to stop; one short attempt, and no error if it fails."""
        try:
            exchange(
                "POST",
                f"{self.address(escalation_id)}/cancel",
                headers=self._headers,
                deadline=time.monotonic() + CANCEL_SECONDS,
                stop=Stop(),
            )
        except ExchangeError:
            return

    def _request(
        self,
        method: str,
        path: str,
        deadline: float,
        stop: Stop,
        *,
        headers: Mapping[str, str] | None = None,
        body: Body | None = None,
        grace_seconds: float = 0.0,
    ) -> Answer:
        """A successful answer, after a few attempts where another may help."""
        pause = FIRST_PAUSE_SECONDS
        for attempt in range(1, ATTEMPTS + 1):
            last = attempt == ATTEMPTS
            asked = 0.0
            try:
                answer = exchange(
                    method,
                    self._server + path,
                    headers={**self._headers, **(headers or {})},
                    body=body,
                    deadline=deadline,
                    stop=stop,
                    grace_seconds=grace_seconds,
                )
            except ExchangeError as error:
                problem, for_all = str(error), not stop.is_set
                if last or not error.again:
                    raise EscalationError(self._server, problem, for_all=for_all) from error
            else:
                if answer.status in (200, 201, 202):
                    return answer
                problem, for_all = _refusal(answer), answer.status in (401, 403)
                asked = _retry_after(answer) or 0.0
                if last or answer.status not in _TRY_AGAIN:
                    raise EscalationError(self._server, problem, for_all=for_all)
            self._pause(max(_jittered(pause), asked), deadline, stop, problem, for_all=for_all)
            pause *= 2
        raise AssertionError("the last attempt returns or raises")

    def _pause(
        self, seconds: float, deadline: float, stop: Stop, problem: str, *, for_all: bool = False
    ) -> None:
        """Wait, or give up at once where the pause would outlast the deadline."""
        if time.monotonic() + seconds >= deadline:
            raise EscalationError(self._server, problem, for_all=for_all)
        try:
            stop.wait(seconds)
        except ExchangeError as error:
            raise EscalationError(self._server, str(error)) from error

    def _escalation(self, answer: Answer) -> Escalation:
        try:
            return msgspec.json.decode(answer.body, type=Escalation)
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            said = printable(str(error))[:200]
            raise EscalationError(
                self._server, f"did not answer as an escalation server does ({said})"
            ) from error


def _refusal(answer: Answer) -> str:
    """What the server says of its refusal, in words that can be shown."""
    if 300 <= answer.status < 400:
        target = printable(answer.headers.get("location", "nowhere").partition("?")[0])[:200]
        return f"redirects to {target}; name that server instead if you trust it with the key"
    meaning = _MEANINGS.get(answer.status, "refused")
    try:
        problem = msgspec.json.decode(answer.body, type=Problem)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return f"{meaning} (HTTP {answer.status})"
    return f"{meaning} (HTTP {answer.status}, {printable(problem.detail)[:300]})"


def _retry_after(answer: Answer) -> float | None:
    """Seconds; dates, which our servers do not send, are not understood."""
    text = answer.headers.get("retry-after", "").strip()
    return float(text) if text.isascii() and text.isdigit() and len(text) < 8 else None


def _jittered(seconds: float) -> float:
    """Up to a quarter more or less, so that many devices do not come at once."""
    return seconds * random.uniform(0.75, 1.25)


def _digest(manifest: bytes, media: Mapping[str, bytes] | Path) -> str:
    """SHA-256 of what is sent, hexadecimal."""
    digest = hashlib.sha256(hashlib.sha256(manifest).digest())
    if isinstance(media, Path):
        with media.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    else:
        for name, data in media.items():
            digest.update(hashlib.sha256(name.encode()).digest())
            digest.update(hashlib.sha256(data).digest())
    return digest.hexdigest()


def _multipart(manifest: bytes, media: Mapping[str, bytes] | Path, *, boundary: str) -> Body:
    """``multipart/form-data``, the manifest first; a clip is read from its file as it is sent."""

    def head(name: str, media_type: str, file: str = "") -> bytes:
        told = f'; filename="{file}"' if file else ""
        return (
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{told}\r\n'
            f"Content-Type: {media_type}\r\n\r\n"
        ).encode()

    parts: list[tuple[bytes, bytes | Path, int]] = [
        (head("manifest", "application/json"), manifest, len(manifest))
    ]
    if isinstance(media, Path):
        size = media.stat().st_size
        parts.append((head("clip", "application/octet-stream", "clip"), media, size))
    else:
        parts += [
            (head(name, "image/png", f"{name}.png"), data, len(data))
            for name, data in media.items()
        ]
    end = f"--{boundary}--\r\n".encode()

    def chunks() -> Iterator[bytes]:
        for start, content, size in parts:
            yield start
            yield from _content(content, size)
            yield b"\r\n"
        yield end

    length = sum(len(start) + size + 2 for start, _, size in parts) + len(end)
    return Body(f"multipart/form-data; boundary={boundary}", length, chunks)


def _content(content: bytes | Path, size: int) -> Iterator[bytes]:
    """Exactly ``size`` bytes, whatever happens to the file meanwhile."""
    if isinstance(content, bytes):
        yield content
        return
    left = size
    with content.open("rb") as file:
        while left and (chunk := file.read(min(left, _CHUNK_BYTES))):
            left -= len(chunk)
            yield chunk
    if left:
        raise OSError(None, "the file became shorter while it was sent")

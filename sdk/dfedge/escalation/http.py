"""One HTTP exchange with one server: bounded in time and size, never redirected, never proxied.

TLS certificates are checked against those the system trusts (``SSL_CERT_FILE`` names others).
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

CONNECT_SECONDS: Final = 10.0
STALL_SECONDS: Final = 30.0
"""Without a byte for so long, the other side is taken for dead."""
MAX_ANSWER_BYTES: Final = 16 * 1024**2


class ExchangeError(Exception):
    """No answer came; the text says why, fit for a user.

    Attributes:
        again: whether it may go better the next time.
    """

    def __init__(self, problem: str, *, again: bool = True) -> None:
        self.again = again
        super().__init__(problem)


@dataclass(frozen=True, slots=True)
class Body:
    """What is sent: exactly ``length`` bytes, made anew for each attempt."""

    content_type: str
    length: int
    chunks: Callable[[], Iterator[bytes]] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; names of headers are lower case."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class Stop:
    """Ends all waiting, from another thread: sleeps end, open connections are cut."""

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._sockets: dict[socket.socket, float] = {}  # with the seconds each is spared

    @property
    def is_set(self) -> bool:
        """Whether it was stopped."""
        return self._stopped.is_set()

    def set(self) -> None:
        """From now on nothing waits."""
        self._stopped.set()
        with self._lock:
            for sock, seconds in self._sockets.items():
                if seconds:
                    _cut_in(seconds, sock)
                else:
                    _cut(sock)

    def wait(self, seconds: float) -> None:
        """Sleep, but not past the stop.

        Raises:
            ExchangeError: it was stopped.
        """
        if self._stopped.wait(max(seconds, 0.0)):
            raise ExchangeError("stopped", again=False)

    @contextmanager
    def watching(self, sock: socket.socket) -> Iterator[None]:
        """Cut this connection at the stop."""
        with self._lock:
            self._sockets[sock] = 0.0
        try:
            self.wait(0)
            yield
        finally:
            with self._lock:
                del self._sockets[sock]

    def spare(self, sock: socket.socket, seconds: float) -> None:
        """Cut a connection that is watched only so long after the stop."""
        with self._lock:
            self._sockets[sock] = seconds


def exchange(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    deadline: float,
    stop: Stop,
    body: Body | None = None,
    grace_seconds: float = 0.0,
) -> Answer:
    """Send one request and read its answer, whatever its status.

    Args:
        url: http or https, already checked.
        deadline: on the clock of :func:`time.monotonic`; then the connection is cut, however slowly
            the other side drips.
        grace_seconds: for so long after the stop the answer to what was sent whole is waited for.

    Raises:
        ExchangeError: there is no whole answer.
    """
    parts = urlsplit(url)
    try:
        connection = _connect(parts.scheme, parts.hostname or "", parts.port, deadline)
    except (OSError, UnicodeError) as error:
        raise ExchangeError(_explain(error), again=_may_help(error)) from error
    sock = connection.sock
    timer = _cut_in(max(0.0, deadline - time.monotonic()), sock)
    try:
        with stop.watching(sock):
            if isinstance(sock, ssl.SSLSocket):
                sock.do_handshake()
            sock.settimeout(STALL_SECONDS)
            _send(connection, method, parts.path, headers, body)
            if grace_seconds:
                stop.spare(sock, grace_seconds)
            answer = _read(connection)
            if not grace_seconds:
                stop.wait(0)
            if time.monotonic() >= deadline:
                raise TimeoutError  # the timer may have cut it, which reads like its end
            return answer
    except (OSError, http.client.HTTPException, ValueError) as error:
        stop.wait(0)
        if time.monotonic() >= deadline:
            raise ExchangeError("did not answer in time", again=False) from error
        raise ExchangeError(_explain(error), again=_may_help(error)) from error
    finally:
        timer.cancel()
        connection.close()
        sock.close()


def _connect(
    scheme: str, host: str, port: int | None, deadline: float
) -> http.client.HTTPConnection:
    port = port or (443 if scheme == "https" else 80)
    patience = max(0.01, min(CONNECT_SECONDS, deadline - time.monotonic()))
    connection = http.client.HTTPConnection(host, port, timeout=patience)
    plain = socket.create_connection((host, port), timeout=patience)
    try:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if scheme == "https":
            context = ssl.create_default_context()
            connection.sock = context.wrap_socket(
                plain, server_hostname=host, do_handshake_on_connect=False
            )
        else:
            connection.sock = plain
    except BaseException:
        plain.close()
        raise
    return connection


def _send(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: Body | None,
) -> None:
    """Send all of it, or as much as the other side will hear before it answers."""
    connection.putrequest(method, path, skip_accept_encoding=True)
    for name, value in {**headers, "Accept-Encoding": "identity", "Connection": "close"}.items():
        connection.putheader(name, value)
    if body is not None:
        connection.putheader("Content-Type", body.content_type)
    connection.putheader("Content-Length", str(body.length if body is not None else 0))
    connection.endheaders()
    if body is None:
        return
    try:
        for chunk in body.chunks():
            connection.send(chunk)
    except (BrokenPipeError, ConnectionResetError):
        return  # it may have answered, such as 413, and closed its ear; the answer tells


def _read(connection: http.client.HTTPConnection) -> Answer:
    with connection.getresponse() as answer:
        if answer.length is not None and answer.length > MAX_ANSWER_BYTES:
            raise ExchangeError(_TOO_LARGE, again=False)
        body = answer.read(MAX_ANSWER_BYTES + 1)
        if len(body) > MAX_ANSWER_BYTES:
            raise ExchangeError(_TOO_LARGE, again=False)
        if answer.length:
            raise http.client.IncompleteRead(body, answer.length)
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, headers, body)


_TOO_LARGE = f"answered with more than {MAX_ANSWER_BYTES // 1024**2} MiB"


def _cut_in(seconds: float, sock: socket.socket) -> threading.Timer:
    timer = threading.Timer(seconds, _cut, (sock,))
    timer.daemon = True
    timer.start()
    return timer


def _cut(sock: socket.socket) -> None:
    try:
        # Not the method of SSLSocket, which would take the connection from under a reader.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
    except OSError:
        return


def _may_help(error: Exception) -> bool:
    return not isinstance(error, (ssl.SSLError, UnicodeError)) or isinstance(error, TimeoutError)


def _explain(error: Exception) -> str:
    if isinstance(error, socket.gaierror):
        return "this host is not known; check the address and the network"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    if isinstance(error, TimeoutError):
        return "did not answer in time"
    if isinstance(error, ssl.SSLError):
        return "the secure connection (TLS) failed"
    if isinstance(error, ConnectionRefusedError):
        return "refused the connection; is the server running?"
    if isinstance(error, http.client.IncompleteRead):
        return "broke off before the end of its answer"
    if isinstance(error, (ConnectionError, http.client.RemoteDisconnected)):
        return "broke off without an answer"
    if isinstance(error, (http.client.HTTPException, ValueError)):
        return "does not speak proper HTTP"
    return "the connection failed" + (f" ({error.strerror})" if error.strerror else "")  # type: ignore[attr-defined]

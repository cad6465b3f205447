"""Fetching an http(s) address into an unnamed temporary file, within limits.

Each address, redirects included, is resolved once, checked, and connected to by the very number
that was checked, so a name cannot change its meaning in between. Proxies are not used.
"""

from __future__ import annotations

import base64
import errno
import http.client
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit

from dfedge.errors import MediaError, MediaFetchError, MediaLimitError, MediaNotFoundError
from dfedge.media.addresses import connect
from dfedge.media.files import display_name
from dfedge.media.info import MediaLimits

CHUNK_BYTES = 256 * 1024
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_USER_AGENT = "dfedge"


def redact(url: str) -> str:
    """The address without user name, password, query and fragment, fit for a terminal."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return display_name(url.split("?")[0].split("@")[-1])
    host = f"[{host}]" if ":" in host else host
    query = "?..." if parts.query else ""
    return display_name(f"{parts.scheme}://{host}{port}{parts.path}{query}")


def fetch(url: str, limits: MediaLimits) -> BinaryIO:
    """Download to a temporary file that vanishes when closed; it stands at its start.

    Raises MediaFetchError, MediaNotFoundError or MediaLimitError.
    """
    file: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115
    try:
        fetch_into(file, url, limits)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


def fetch_into(file: BinaryIO, url: str, limits: MediaLimits) -> None:
    """Download to the end of an open file; what came before an error stays in it.

    Raises MediaFetchError, MediaNotFoundError or MediaLimitError.
    """
    name = redact(url)
    deadline = time.monotonic() + limits.max_seconds
    target = url
    for _ in range(limits.max_redirects + 1):
        target = _Request(target, name, limits, deadline, first=url).run(file)
        if not target:
            return
    raise MediaFetchError(name, f"redirects more than {limits.max_redirects} times (max_redirects)")


class _Request:
    """One request of a chain of redirects."""

    def __init__(
        self, url: str, name: str, limits: MediaLimits, deadline: float, *, first: str
    ) -> None:
        self._url = url
        self._name = name
        self._limits = limits
        self._deadline = deadline
        self._parts = self._split(url)
        self._with_login = self._origin(self._parts) == self._origin(urlsplit(first))

    def run(self, file: BinaryIO) -> str:
        """Write the body into ``file`` and return "", or return the address of a redirect."""
        with self._translated():
            connection = self._connect()
            with self._watched(connection):
                if isinstance(connection.sock, ssl.SSLSocket):
                    connection.sock.do_handshake()
                connection.request("GET", self._path(), headers=self._headers())
                answer = connection.getresponse()
                with answer:
                    if answer.status in _REDIRECTS:
                        return self._redirect(answer)
                    self._check(answer)
                    self._save(answer, file)
                    return ""

    def _split(self, url: str) -> SplitResult:
        try:
            parts = urlsplit(url)
            _ = parts.port
        except ValueError as error:
            raise MediaFetchError(self._name, "is not a valid address") from error
        if parts.scheme not in ("http", "https"):
            raise MediaFetchError(
                self._name,
                f"leads to {parts.scheme or 'no'}://: only http and https addresses are fetched",
            )
        if not parts.hostname:
            raise MediaFetchError(self._name, "names no host")
        return parts

    @staticmethod
    def _origin(parts: SplitResult) -> tuple[str, str | None, int]:
        default = 443 if parts.scheme == "https" else 80
        return parts.scheme, parts.hostname, parts.port or default

    def _connect(self) -> http.client.HTTPConnection:
        scheme, host, port = self._origin(self._parts)
        assert host is not None
        connection = http.client.HTTPConnection(host, port, timeout=self._patience())
        plain = connect(
            host,
            port,
            name=self._name,
            allow_private=self._limits.allow_private_addresses,
            patience=self._patience,
        )
        try:
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

    def _patience(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise self._too_slow()
        return min(left, self._limits.stall_seconds)

    def _too_slow(self) -> MediaError:
        return MediaLimitError(
            self._name, f"took longer than {self._limits.max_seconds:g} seconds (max_seconds)"
        )

    def _path(self) -> str:
        path = quote(self._parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
        query = quote(self._parts.query, safe="/%:@!$&'()*+,;=~-._?")
        return f"{path}?{query}" if query else path

    def _headers(self) -> dict[str, str]:
        scheme, host, port = self._origin(self._parts)
        name = (host or "").encode("idna").decode() if ":" not in (host or "") else f"[{host}]"
        plain = port == (443 if scheme == "https" else 80)
        headers = {
            "Host": name if plain else f"{name}:{port}",
            "User-Agent": _USER_AGENT,
            "Accept": "video/*, image/*, */*;q=0.5",
            "Accept-Encoding": "identity",
            "Connection": "close",
        }
        if self._with_login and self._parts.username is not None:
            login = f"{unquote(self._parts.username)}:{unquote(self._parts.password or '')}"
            headers["Authorization"] = f"Basic {base64.b64encode(login.encode()).decode()}"
        return headers

    def _redirect(self, answer: http.client.HTTPResponse) -> str:
        target = answer.getheader("Location")
        if not target:
            raise MediaFetchError(self._name, f"answers {answer.status} without a new address")
        return urljoin(self._url, target)

    def _check(self, answer: http.client.HTTPResponse) -> None:
        if answer.status in (404, 410):
            raise MediaNotFoundError(self._name, f"is not there (HTTP {answer.status})")
        if answer.status in (401, 403, 407):
            raise MediaFetchError(
                self._name,
                f"refuses access (HTTP {answer.status}): it needs a login; download it yourself",
            )
        if answer.status != 200:
            raise MediaFetchError(self._name, f"answers HTTP {answer.status}; try again later")
        encoding = answer.getheader("Content-Encoding", "identity").lower()
        if encoding not in ("identity", ""):
            raise MediaFetchError(self._name, f"is sent compressed ({encoding!r}), unasked")
        if answer.length is not None and answer.length > self._limits.max_bytes:
            raise self._too_large()

    def _save(self, answer: http.client.HTTPResponse, file: BinaryIO) -> None:
        promised = answer.length
        written = 0
        while chunk := answer.read1(CHUNK_BYTES):
            written += len(chunk)
            if written > self._limits.max_bytes:
                raise self._too_large()
            self._patience()
            file.write(chunk)
        self._patience()  # the watch may have cut the connection, which reads like its end
        if promised is not None and written < promised:
            raise MediaFetchError(
                self._name, f"broke off after {written} of {promised} bytes; try again"
            )
        if written == 0:
            raise MediaFetchError(self._name, "answers with nothing (0 bytes)")

    def _too_large(self) -> MediaError:
        return MediaLimitError(
            self._name, f"is larger than {self._limits.max_bytes} bytes (max_bytes)"
        )

    @contextmanager
    def _watched(self, connection: http.client.HTTPConnection) -> Iterator[None]:
        """Cut the connection at the deadline, however slowly the other side drips."""
        sock = connection.sock
        timer = threading.Timer(max(0.0, self._deadline - time.monotonic()), _cut, (sock,))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()
            connection.close()
            sock.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn what the standard library raises into this project's errors."""
        try:
            yield
        except MediaError:
            raise
        except (OSError, http.client.HTTPException, UnicodeError, ValueError) as error:
            if time.monotonic() >= self._deadline:
                raise self._too_slow() from error
            raise MediaFetchError(self._name, _explain(error)) from error


def _cut(sock: socket.socket) -> None:
    try:
        # Not the method of SSLSocket, which would take the connection from under a reader.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
    except OSError:
        return


def _explain(error: Exception) -> str:
    if isinstance(error, socket.gaierror):
        return "the host is not known; check the address and the network"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    if isinstance(error, ssl.SSLError):
        return "the secure connection (TLS) failed"
    if isinstance(error, TimeoutError):
        return "does not answer (stall_seconds); try again later"
    if isinstance(error, ConnectionRefusedError):
        return "refuses the connection; check host and port"
    if isinstance(error, http.client.IncompleteRead):
        return "broke off before its end; try again"
    if isinstance(error, http.client.HTTPException):
        return "does not speak proper HTTP"
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return "does not fit on the disk for temporary files (TMPDIR)"
    return f"the connection failed ({error})"

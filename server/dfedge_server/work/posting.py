"""Posting to an address that a stranger named: checked, by number, without redirects or proxies."""

from __future__ import annotations

import http.client
import ssl
import time
from urllib.parse import SplitResult, quote, urlsplit

from dfedge import __version__
from dfedge.errors import MediaFetchError
from dfedge.media.addresses import connect

PATIENCE_SECONDS = 10.0
"""For the whole exchange; its answer is not read past the status."""

_SAFE = "/%:@!$&'()*+,;=~-._"


def post(url: str, body: bytes, headers: dict[str, str], *, allow_private: bool) -> str | None:
    """Send a body; None where the answer is 2xx, else a few words on what went wrong."""
    try:
        status = _post(urlsplit(url), body, headers, allow_private=allow_private)
    except MediaFetchError as error:
        return error.problem
    except (OSError, http.client.HTTPException, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    if 200 <= status < 300:
        return None
    return f"answers HTTP {status}" + (": redirects are not followed" if status // 100 == 3 else "")


def _post(parts: SplitResult, body: bytes, headers: dict[str, str], *, allow_private: bool) -> int:
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("only http and https addresses are told")
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    deadline = time.monotonic() + PATIENCE_SECONDS

    def patience() -> float:
        return max(0.1, deadline - time.monotonic())

    plain = connect(
        parts.hostname, port, name="webhook", allow_private=allow_private, patience=patience
    )
    connection = http.client.HTTPConnection(parts.hostname, port)
    connection.sock = plain
    try:
        if secure:
            context = ssl.create_default_context()
            connection.sock = context.wrap_socket(plain, server_hostname=parts.hostname)
        connection.sock.settimeout(patience())
        target = quote(parts.path or "/", safe=_SAFE)
        if parts.query:
            target += "?" + quote(parts.query, safe=_SAFE + "?")
        connection.request(
            "POST",
            target,
            body,
            {**headers, "Host": _host(parts), "User-Agent": f"dfedge/{__version__}"},
        )
        connection.sock.settimeout(patience())
        return connection.getresponse().status
    finally:
        connection.close()
        plain.close()


def _host(parts: SplitResult) -> str:
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host.encode("idna").decode()
    return f"{host}:{parts.port}" if parts.port else host

"""Which addresses a checkpoint may come from: HTTPS, through every redirect."""

from __future__ import annotations

import re
import urllib.request
from http.client import HTTPMessage
from typing import IO
from urllib.parse import urlsplit

from dfedge.errors import UsageError

_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LINKED_ETAG = "X-Linked-Etag"
"""How Hugging Face tells the sha256 of a large file when it redirects to it."""


def check_address(url: str) -> None:
    """Refuse what is not HTTPS; HTTP is allowed to this machine, where a mirror may run.

    Raises:
        UsageError: it is refused.
    """
    if not (_is_secure(url) or _is_local(url)):
        raise UsageError(f"{shown(url)}: is no HTTPS address; only those are downloaded from")


def shown(url: str) -> str:
    """The address for messages: without the query, which may hold a secret."""
    return url.partition("?")[0]


class CheckedRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to allowed addresses only.

    Attributes:
        sha256: of the file, hexadecimal, if a redirect told it; else None.
    """

    def __init__(self, url: str) -> None:
        self._from_here = _is_local(url)
        self.sha256: str | None = None

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """The next request.

        Raises:
            UsageError: it would leave HTTPS.
        """
        if not (_is_secure(newurl) or (self._from_here and _is_local(newurl))):
            raise UsageError(
                f"{shown(req.full_url)}: redirects to {shown(newurl)}, which is not HTTPS; it was "
                "not followed"
            )
        told = (headers.get(_LINKED_ETAG) or "").strip('"')
        if _SHA256.fullmatch(told):
            self.sha256 = told
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _is_secure(url: str) -> bool:
    scheme, host = _parts(url)
    return scheme == "https" and host is not None


def _is_local(url: str) -> bool:
    scheme, host = _parts(url)
    return scheme == "http" and host in _LOCAL


def _parts(url: str) -> tuple[str, str | None]:
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname
    except ValueError:  # for example a bracket that is not closed
        return "", None

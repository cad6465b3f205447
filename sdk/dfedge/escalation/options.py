"""What a caller may decide about escalation: which server, when, and what may leave the device."""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

from dfedge.errors import UsageError

KEY_VARIABLE = "DFEDGE_API_KEY"

What: TypeAlias = Literal["crops", "clip"]
When: TypeAlias = Literal["uncertain", "always"]

_HEADER_TEXT = re.compile(r"[\x21-\x7e]{1,512}")


@dataclass(frozen=True, slots=True)
class EscalationOptions:
    """Where and what to escalate. Naming a server is the consent: ask those whose clip it is.

    Attributes:
        server: its address, such as ``https://dfedge.example.org``.
        api_key: never shown, logged or sent anywhere else; None for ``$DFEDGE_API_KEY``.
        what: ``crops`` sends pictures of the faces; ``clip`` sends the whole file as it is, or
            crops where the source is no local file.
        when: ``uncertain`` for verdicts that are UNCERTAIN, ``always`` for all with a face.
        send_name: tell the server the name of the file (never its folder).
        keep: False asks the server to delete the media as soon as it has answered.
        timeout_seconds: the device's verdict is given after so long without an answer.
        allow_http: send key and faces unencrypted to other machines than this one.
    """

    server: str
    api_key: str | None = field(default=None, repr=False)
    what: What = "crops"
    when: When = "uncertain"
    send_name: bool = False
    keep: bool = True
    timeout_seconds: float = 120.0
    allow_http: bool = False

    def __post_init__(self) -> None:
        if self.what not in ("crops", "clip"):
            raise UsageError(f"escalation: what is crops or clip, got {self.what!r}")
        if self.when not in ("uncertain", "always"):
            raise UsageError(f"escalation: when is uncertain or always, got {self.when!r}")
        if not 0 < self.timeout_seconds < float("inf"):
            raise UsageError(
                f"escalation: timeout_seconds is greater than 0, got {self.timeout_seconds}"
            )
        object.__setattr__(self, "server", _checked(self.server, allow_http=self.allow_http))

    def with_key(self, api_key: str | None) -> EscalationOptions:
        """The same with the key that is given, else its own, else that of the environment.

        Raises:
            UsageError: there is none, or it cannot be one.
        """
        key = api_key or self.api_key or os.environ.get(KEY_VARIABLE, "")
        return replace(self, api_key=checked_key(key, f"api_key or ${KEY_VARIABLE}"))


def checked_key(text: str, where: str) -> str:
    """A key that can stand in a header; the message of an error never repeats it.

    Raises:
        UsageError: it is empty, or holds what a key cannot.
    """
    key = text.strip()
    if not key:
        raise UsageError(f"escalation needs a key of the server: give it by {where}")
    if not _HEADER_TEXT.fullmatch(key):
        raise UsageError(f"the key given by {where} is not one: one line of printable ASCII")
    return key


def _checked(server: str, *, allow_http: bool) -> str:
    """The address without a slash at its end."""
    try:
        parts = urlsplit(server)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise UsageError("escalate: this is not a valid address") from error
    if parts.username is not None or parts.password is not None:
        raise UsageError("escalate: leave user name and password out; the server takes a key")
    shown = ascii(server)
    if parts.scheme not in ("http", "https") or not host or not server.isprintable():
        raise UsageError(f"escalate {shown}: give an address such as https://dfedge.example.org")
    if parts.query or parts.fragment or " " in server or not parts.path.isascii():
        raise UsageError(f"escalate {shown}: give the address alone, without ? and #")
    if parts.scheme == "http" and not allow_http and not _is_this_machine(host):
        raise UsageError(
            f"escalate {shown}: http:// would send key and faces unencrypted; use https://, or "
            "allow it explicitly (--escalate-allow-http, allow_http=True)"
        )
    return server.rstrip("/")


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

"""Which numeric addresses count as public."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from dfedge.errors import MediaFetchError
from dfedge.media.addresses import connect, is_public

PRIVATE = [
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "239.1.1.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fec0::1",
    "ff02::1",
    "2001:db8::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::127.0.0.1",
    "::10.0.0.1",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::7f00:1",
    "::ffff:0:7f00:1",
    "2001:0:7f00:1::",
]
PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "93.184.216.34",
    "2606:4700:4700::1111",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_what_is_not_one_public_machine_is_refused(address: str) -> None:
    """Own, private, shared, reserved, multicast, and IPv6 forms that lead to any of them."""
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_machine_is_public(address: str) -> None:
    """Also where IPv6 carries an IPv4 address."""
    assert is_public(address)


def test_one_private_address_among_public_ones_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is connected to: which of them answers would be the attacker's choice."""

    def answers(*_: Any, **__: Any) -> list[Any]:
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (number, 80))
            for number in ("8.8.8.8", "127.0.0.1")
        ]

    monkeypatch.setattr(socket, "getaddrinfo", answers)
    with pytest.raises(MediaFetchError, match="private or local network"):
        connect("two.example", 80, name="two", allow_private=False, patience=lambda: 1.0)

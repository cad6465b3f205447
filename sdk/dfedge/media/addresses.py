"""Names to addresses that may be connected to: resolved once, checked, and used by number.

A server that fetches what strangers name must not become their way into its own network. Whoever
connects with :func:`connect` reaches the very address that was checked, so a name whose meaning
changes in between gains nothing.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterator

from dfedge.errors import MediaFetchError

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_SITE_LOCAL = ipaddress.ip_network("fec0::/10")


def connect(
    host: str, port: int, *, name: str, allow_private: bool, patience: Callable[[], float]
) -> socket.socket:
    """A TCP connection to a host, by an address that was checked.

    Args:
        host: name or number, without brackets.
        name: what messages call the address.
        allow_private: whether it may lead to this machine or a private network.
        patience: seconds that may still be waited, asked before each attempt.

    Raises:
        MediaFetchError: one of the host's addresses is private, and that is not allowed.
        OSError: the host is not known, or does not answer.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    if not allow_private and not all(is_public(str(address[0])) for *_, address in found):
        raise MediaFetchError(
            name, "leads to a private or local network (allow_private_addresses is off)"
        )
    failure: OSError = OSError("the name has no address")
    for family, kind, protocol, _, address in found:
        plain = socket.socket(family, kind, protocol)
        try:
            plain.settimeout(patience())
            plain.connect(address)
        except BaseException as error:
            plain.close()
            if not isinstance(error, OSError):
                raise
            failure = error
        else:
            return plain
    raise failure


def is_public(address: str) -> bool:
    """Whether a numeric address is that of one machine on the public Internet.

    IPv6 forms that carry an IPv4 address (mapped, 6to4, Teredo, NAT64) count as what they carry.
    """
    number = ipaddress.ip_address(address.split("%")[0])
    return all(
        each.is_global
        and not each.is_multicast
        and not each.is_reserved
        and each not in _SITE_LOCAL
        for each in _meanings(number)
    )


def _meanings(
    number: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> Iterator[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """The address where it stands for itself, else the IPv4 addresses it leads to."""
    if isinstance(number, ipaddress.IPv4Address):
        yield number
    elif number.ipv4_mapped is not None:
        yield number.ipv4_mapped
    elif number.sixtofour is not None:
        yield number.sixtofour
    elif number.teredo is not None:
        yield from number.teredo
    elif number in _NAT64:
        yield ipaddress.IPv4Address(int(number) & 0xFFFFFFFF)
    elif int(number) >> 32 == 0:  # ::a.b.c.d, long out of use, and ::1
        yield number
        yield ipaddress.IPv4Address(int(number))
    else:
        yield number

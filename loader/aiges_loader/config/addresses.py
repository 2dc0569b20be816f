"""Addresses to listen on, as they are written in the file. No I/O."""

import re
from contextlib import suppress
from ipaddress import AddressValueError, IPv6Address, ip_address

from aiges_loader.config.values import ListenAddress

_LAST_PORT = 65_535
_ADDRESS = re.compile(r"(?:\[(?P<bracketed>[^\[\]]*)\]|(?P<bare>[^\[\]:]*)):(?P<port>[0-9]{0,5})")


def listen_address(text: str) -> ListenAddress | None:
    """Read "0.0.0.0:1888", ":1888" or "[::1]:1888"; no port is port 0. None if it is no address."""
    match = _ADDRESS.fullmatch(text or ":")
    if match is None:
        return None
    port = int(match["port"] or 0)
    if port > _LAST_PORT:
        return None
    return ListenAddress(match["bracketed"] or match["bare"] or "", port)


def is_ipv6(text: str) -> bool:
    """Say whether `text` is an IPv6 address, not a name or an IPv4 address."""
    with suppress(AddressValueError):
        IPv6Address(text.removeprefix("[").removesuffix("]"))
        return True
    return False


def is_loopback(host: str) -> bool:
    """Say whether only this machine reaches `host`; a name other than localhost may be anything."""
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"

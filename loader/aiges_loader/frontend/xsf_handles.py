"""The names that the XSF service gives to sessions whose clients bring none. No I/O.

Clients connect to the address that is in a handle to go on with its session, and take none of
fewer than 26 characters.
"""

from ipaddress import IPv4Address
from typing import Final

_VERSION: Final = "0"
_COUNTS: Final = 1 << 24
_SECONDS: Final = 1 << 28


class Handles:
    """Makes handles, each one once in eight years."""

    def __init__(self, address: str, port: int, *, first: int) -> None:
        """Make it.

        Args:
            address: IPv4 address at which clients reach this service.
            port: Likewise.
            first: Where to begin counting: best at random, so that a handle from before a restart
                is none of a session from after it.
        """
        self._place = f"{_VERSION}{int(IPv4Address(address)):08x}{port:04x}"
        self._count = first

    def make(self, age_s: float) -> str:
        """Make a handle: version, address, port, a counter, the service's age in seconds."""
        self._count = (self._count + 1) % _COUNTS
        return f"{self._place}{self._count:06x}{int(age_s) % _SECONDS:07x}"

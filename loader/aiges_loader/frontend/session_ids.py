"""The names of WebSocket sessions, as the original makes them. Pure."""

import ipaddress
from typing import Final

LOCATION: Final = "local"
VERSION: Final = "2"


class SessionIds:
    """Makes names that begin with the service's `sub` and end with where and when.

    Layout: sub, padded on the left to 3; process id & 0xFF and a counter from 1, 4 hexadecimal
    digits each; @; a place; milliseconds since the epoch in 11 such digits; the last two octets of
    the service's IPv4 address in 4; the first two digits of its gRPC port; 2.
    """

    def __init__(self, pid: int, host: str, port: int) -> None:
        """Take what does not change.

        Args:
            pid: Of this process.
            host: The service's address; one that is no IPv4 address counts as 0.0.0.0.
            port: Of the gRPC service.
        """
        try:
            octets = ipaddress.IPv4Address(host).packed
        except ValueError:
            octets = bytes(4)
        self._pid = pid & 0xFF
        self._count = 0
        self._place = f"{octets[2]:02x}{octets[3]:02x}{port:02d}"[:6] + VERSION

    def next(self, sub: str, now_ms: int) -> str:
        """Make the next name.

        Args:
            sub: Of the schema; "" is "src".
            now_ms: Milliseconds since the epoch.
        """
        self._count += 1
        numbers = f"{self._pid:04x}{self._count & 0xFFFF:04x}"
        return f"{sub or 'src':>3}{numbers}@{LOCATION}{now_ms:011x}{self._place}"

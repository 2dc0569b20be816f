"""What every way to a service offers: single calls, and sessions."""

from collections.abc import Sequence
from typing import Protocol

from aiges.client.data import Piece, Result
from aiges.client.description import Description
from aiges.client.json_messages import Opening


class TransportSession(Protocol):
    """One stream of inputs and results."""

    async def send(self, pieces: Sequence[Piece]) -> None:
        """Send a package; raise `ClientError`."""

    async def receive(self) -> Result:
        """Wait for the next result; raise `ClientError`."""

    async def close(self) -> None:
        """End it, whatever state it is in; never raises `ClientError`."""


class Transport(Protocol):
    """A way to a service. Connections are kept for the next call; `close` ends them."""

    async def describe(self) -> Description:
        """Ask the service what it is; raise `ClientError`."""

    async def once(
        self, route: str, opening: Opening, pieces: Sequence[Piece], limit_s: float
    ) -> Result:
        """Make one call; who waits ends it after `limit_s`. Raise `ClientError`."""

    async def open(
        self, route: str, opening: Opening, pieces: Sequence[Piece], *, is_complete: bool
    ) -> TransportSession:
        """Begin a session and send its first package; raise `ClientError`.

        Args:
            route: Where to.
            opening: What it begins with.
            pieces: May be none.
            is_complete: Nothing follows.
        """

    async def close(self) -> None:
        """End all connections."""

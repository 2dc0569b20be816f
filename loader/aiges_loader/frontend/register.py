"""The connections of a server: who is there, who has spoken, how many requests run."""

import asyncio
from contextlib import suppress
from typing import Final, Protocol

FIRST_REQUEST_S: Final = 1.0
"""When the door closes: how long somebody who has just come in may take to speak."""


class Closable(Protocol):
    """A connection that the register can close."""

    @property
    def is_busy(self) -> bool:
        """Say whether a request has begun and not been answered."""

    def close(self) -> None:
        """Hang up, once what was written has left."""

    def abort(self) -> None:
        """Hang up at once."""


class Register:
    """Connections, and the requests on them.

    Attributes:
        idle: No request runs.
    """

    def __init__(self) -> None:
        self.idle = asyncio.Event()
        self.idle.set()
        self._busy = 0
        self._closable: set[Closable] = set()
        self._all_left = asyncio.Event()
        self._all_left.set()
        self._unheard: set[object] = set()
        self._all_heard = asyncio.Event()

    def __len__(self) -> int:
        """Count the connections that can be closed here."""
        return len(self._closable)

    @property
    def busy(self) -> int:
        """How many requests run."""
        return self._busy

    def begun(self) -> None:
        """Note that a request has begun; `ended` follows."""
        self._busy += 1
        self.idle.clear()

    def ended(self) -> None:
        """Note that a request has ended."""
        self._busy -= 1
        if not self._busy:
            self.idle.set()

    def came(self, connection: object) -> None:
        """Note a connection that has made no request yet."""
        self._unheard.add(connection)

    def heard(self, connection: object) -> None:
        """Note that a connection has made a request, or has gone."""
        self._unheard.discard(connection)
        if not self._unheard:
            self._all_heard.set()

    def joined(self, connection: Closable) -> None:
        """Note a connection that is to be closed from here until it has `left`."""
        self._closable.add(connection)
        self._all_left.clear()

    def left(self, connection: Closable) -> None:
        """Note that a connection is closed, or somebody else's."""
        self._closable.discard(connection)
        if not self._closable:
            self._all_left.set()

    async def hear_everybody(self, limit_s: float) -> None:
        """Wait until every connection has made a request, or has gone."""
        if self._unheard:
            self._all_heard.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(limit_s):
                    await self._all_heard.wait()

    async def rest(self, limit_s: float) -> None:
        """Wait until no request runs, at most `limit_s` seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await self.idle.wait()

    def close_idle(self) -> None:
        """Close idle connections; busy ones go after their answer."""
        for connection in list(self._closable):
            if not connection.is_busy:
                connection.close()

    async def close(self, limit_s: float) -> None:
        """Close every connection once its answers have left, at most `limit_s` seconds later."""
        for connection in list(self._closable):
            connection.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await self._all_left.wait()
        for connection in list(self._closable):
            connection.abort()

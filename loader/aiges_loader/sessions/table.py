"""Which session a handle means, and what became of those that are no more. Pure."""

from collections import OrderedDict
from typing import Final, Generic, TypeVar

from aiges_loader.errors import EndedHandleError, HandleTakenError, UnknownHandleError

S = TypeVar("S")

REMEMBERED: Final = 1000
"""Handles of ended sessions that are told apart from those that never were."""


class SessionTable(Generic[S]):
    """Sessions by handle, the one that was asked for least recently first."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, tuple[S, float]] = OrderedDict()
        self._ended: OrderedDict[str, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._open)

    def add(self, handle: str, session: S, now: float) -> None:
        """Take a session in; raise `HandleTakenError` if one of that handle is open."""
        if handle in self._open:
            raise HandleTakenError(handle)
        self._ended.pop(handle, None)
        self._open[handle] = (session, now)

    def find(self, handle: str, now: float) -> S:
        """Return the session called `handle`, which was asked for just now.

        Raises:
            EndedHandleError: It has ended.
            UnknownHandleError: There was none, or it has expired.
        """
        found = self._open.get(handle)
        if found is None:
            raise EndedHandleError if handle in self._ended else UnknownHandleError
        session = found[0]
        self._open[handle] = (session, now)
        self._open.move_to_end(handle)
        return session

    def end(self, handle: str, session: S) -> None:
        """Let a session go, and remember that it has ended; nothing if it is not there."""
        if self.forget(handle, session):
            self.remember(handle)

    def forget(self, handle: str, session: S) -> bool:
        """Let a session go as if it had never been; return False if it is not there."""
        found = self._open.get(handle)
        if found is None or found[0] is not session:
            return False
        del self._open[handle]
        return True

    def remember(self, handle: str) -> None:
        """Remember a handle as of something that has ended."""
        self._ended[handle] = None
        self._ended.move_to_end(handle)
        if len(self._ended) > REMEMBERED:
            self._ended.popitem(last=False)

    def take_expired(self, asked_before: float) -> list[S]:
        """Remove and return the sessions that were last asked for before that; forget them."""
        expired: list[S] = []
        while self._open:
            handle, (session, asked_at) = next(iter(self._open.items()))
            if asked_at >= asked_before:
                break
            del self._open[handle]
            expired.append(session)
        return expired

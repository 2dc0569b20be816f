"""A backend of the XSF services that has no workers: tests say what comes of calls and sessions."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from aiges_loader.calls import Call, Datum, Reply
from aiges_loader.errors import (
    CallError,
    EndedHandleError,
    HandleTakenError,
    NoLicenceError,
    UnknownHandleError,
)
from aiges_loader.sessions.session import Opening, Result


class MemorySession:
    """A session that notes what is written, and gives what a test has put into it."""

    def __init__(self, opening: Opening, ended: Callable[["MemorySession"], None]) -> None:
        self.opening = opening
        self.handle = opening.handle
        self.written: list[tuple[int, tuple[Datum, ...]]] = []
        self.room = asyncio.Event()
        self.room.set()
        self._ended = ended
        self._coming: deque[Result | CallError] = deque()
        self._news = asyncio.Event()

    def give(self, coming: Result | CallError) -> None:
        self._coming.append(coming)
        self._news.set()

    async def write(self, number: int, inputs: Sequence[Datum]) -> None:
        await self.room.wait()
        if self._coming and isinstance(self._coming[0], CallError):
            raise self._coming[0]
        self.written.append((number, tuple(inputs)))

    def read_now(self) -> Result | None:
        if not self._coming:
            return None
        coming = self._coming.popleft()
        if isinstance(coming, CallError):
            self._ended(self)
            raise coming
        if coming.is_last:
            self._ended(self)
        return coming

    async def read(self, limit_s: float | None) -> Result | None:
        try:
            async with asyncio.timeout(limit_s):
                while not self._coming:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return None
        return self.read_now()

    def abort(self) -> None:
        self._ended(self)


class MemoryBackend:
    """Has as many sessions as its limit allows; `answer` is what once calls get."""

    def __init__(self, answer: Callable[[Call], Awaitable[Reply]], *, licences: int = 8) -> None:
        self.answer = answer
        self.calls: list[Call] = []
        self.licences_limit = licences
        self.live: dict[str, MemorySession] = {}
        self.ended: set[str] = set()

    @property
    def licences_taken(self) -> int:
        return len(self.live)

    def set_licences(self, limit: int) -> None:
        self.licences_limit = limit

    async def once(self, call: Call) -> Reply:
        self.calls.append(call)
        return await self.answer(call)

    async def open(self, opening: Opening) -> MemorySession:
        if opening.handle in self.live:
            raise HandleTakenError(opening.handle)
        if len(self.live) >= self.licences_limit:
            raise NoLicenceError
        self.live[opening.handle] = session = MemorySession(opening, self._end)
        return session

    def find(self, handle: str) -> MemorySession:
        if handle in self.live:
            return self.live[handle]
        raise EndedHandleError if handle in self.ended else UnknownHandleError

    def remember(self, handle: str) -> None:
        self.ended.add(handle)

    def _end(self, session: MemorySession) -> None:
        if self.live.get(session.handle) is session:
            del self.live[session.handle]
            self.ended.add(session.handle)

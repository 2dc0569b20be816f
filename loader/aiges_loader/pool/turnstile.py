"""A queue of tasks that wait to be handed something: a licence, a place at a worker."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Turnstile(Generic[T]):
    """First come, first served; nothing handed out is lost when a waiter has just left."""

    def __init__(self, take_back: Callable[[T], None]) -> None:
        """Make an empty queue; `take_back` gets what was handed to a waiter that has left."""
        self._take_back = take_back
        self._waiting: deque[asyncio.Future[T]] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    async def wait(self, limit_s: float | None) -> T:
        """Wait to be handed something; raise TimeoutError after `limit_s` seconds."""
        waiter: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            if limit_s is None:
                return await waiter
            async with asyncio.timeout(limit_s):
                return await waiter
        except (TimeoutError, asyncio.CancelledError):
            if waiter in self._waiting:
                self._waiting.remove(waiter)
            elif not waiter.cancelled() and waiter.exception() is None:
                self._take_back(waiter.result())
            raise

    def hand(self, thing: T) -> bool:
        """Give `thing` to the first who waits; return False if nobody does."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():  # cancelled, and about to notice
                waiter.set_result(thing)
                return True
        return False

    def refuse_all(self, error: Exception) -> None:
        """Raise `error` in everybody who waits."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_exception(error)

"""A queue of calls that wait to be handed something: a licence, a place at a worker."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Ticket(Generic[T]):
    """A place in the queue."""

    __slots__ = ("_queue", "hand", "refuse")

    def __init__(
        self,
        queue: "deque[Ticket[T]]",
        hand: Callable[[T], bool],
        refuse: Callable[[Exception], None],
    ) -> None:
        self._queue = queue
        self.hand = hand
        self.refuse = refuse

    def leave(self) -> bool:
        """Wait no more; return False if it was over before."""
        try:
            self._queue.remove(self)
        except ValueError:
            return False
        return True


class Turnstile(Generic[T]):
    """First come, first served; nothing handed out is lost when a waiter has just left."""

    def __init__(self, take_back: Callable[[T], None]) -> None:
        """Make an empty queue; `take_back` gets what was handed to a waiter that has left."""
        self._take_back = take_back
        self._waiting: deque[Ticket[T]] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def line_up(self, hand: Callable[[T], bool], refuse: Callable[[Exception], None]) -> Ticket[T]:
        """Wait without a task.

        Args:
            hand: Gets what there is; returns False if it is not wanted any more.
            refuse: Gets the reason if there will be nothing.
        """
        ticket = Ticket(self._waiting, hand, refuse)
        self._waiting.append(ticket)
        return ticket

    async def wait(self, limit_s: float | None) -> T:
        """Wait to be handed something; raise TimeoutError after `limit_s` seconds."""
        waiter: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def hand(thing: T) -> bool:
            if waiter.done():  # cancelled, and about to notice
                return False
            waiter.set_result(thing)
            return True

        def refuse(error: Exception) -> None:
            if not waiter.done():
                waiter.set_exception(error)

        ticket = self.line_up(hand, refuse)
        try:
            if limit_s is None:
                return await waiter
            async with asyncio.timeout(limit_s):
                return await waiter
        except (TimeoutError, asyncio.CancelledError):
            if not ticket.leave() and not waiter.cancelled() and waiter.exception() is None:
                self._take_back(waiter.result())
            raise

    def hand(self, thing: T) -> bool:
        """Give `thing` to the first who waits; return False if nobody does."""
        while self._waiting:
            if self._waiting.popleft().hand(thing):
                return True
        return False

    def refuse_all(self, error: Exception) -> None:
        """Tell everybody who waits that it is in vain."""
        while self._waiting:
            self._waiting.popleft().refuse(error)

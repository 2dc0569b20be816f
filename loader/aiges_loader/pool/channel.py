"""What carries calls to a worker: the same for every version of the protocol."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from aiges_loader.calls import Call, Reply

Asked: TypeAlias = tuple[Call, asyncio.Future[Reply]]
"""A call, and what gets its reply or its error."""


class CallChannel(Protocol):
    """The calls of one worker.

    Attributes:
        batches: `begin_together` may be asked for.
        broken: Resolves with a reason when the worker stops talking to us though it may live.
        last_answer_at: When it last answered any call, by the clock of the loop.
    """

    batches: bool
    broken: asyncio.Future[str]
    last_answer_at: float

    @property
    def listens(self) -> bool:
        """Say whether answers of the worker can still come."""

    @property
    def ahead(self) -> int:
        """How many calls more than its concurrency the worker may be given, to begin them next."""

    async def once(self, call: Call, on_done: Callable[[], None]) -> Reply:
        """Run one call and return its reply.

        Args:
            call: With a sid that no other call here has.
            on_done: Called exactly once, when the worker is done with the call: after this returns
                or raises, or later if the caller was cancelled and the worker still works.

        Raises:
            CallError: As the worker or its wrapper failed.
            NotBegunError: The worker died first.
        """

    def begin_together(self, batch: Sequence[Asked], on_done: Callable[[], None]) -> None:
        """Have a batch of calls run at once, where `batches`.

        Args:
            batch: At least one; their futures end as `once` would.
            on_done: Called for each of them, when the worker is done with it.
        """

    def longest_call_s(self) -> float:
        """Return for how long the worker has had its oldest call in user code, 0 if it has none."""

    def fail_all(self, reason: str) -> tuple[str, ...]:
        """End every call that the worker has, for it is dead or as good as; return their sids."""

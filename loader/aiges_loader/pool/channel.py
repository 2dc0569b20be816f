"""What carries calls to a worker: the same for every version of the protocol."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from aiges_loader.calls import Call
from aiges_loader.pool.pending import Pending, Resolve

Asked: TypeAlias = tuple[Call, Resolve]
"""A call, and what gets its outcome."""


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

    def begin(self, call: Call, resolve: Resolve, on_done: Callable[[], None]) -> Pending:
        """Have one call run.

        Args:
            call: With a sid that no other call here has.
            resolve: Gets the outcome, never before this returns.
            on_done: Called exactly once, when the worker is done with the call: after `resolve`, or
                later if the call was abandoned and the worker still works.
        """

    def abandon(self, pending: Pending) -> None:
        """Take in that nobody waits for that call any more."""

    def begin_together(self, batch: Sequence[Asked], on_done: Callable[[], None]) -> None:
        """Have a batch of calls run at once, where `batches`.

        Args:
            batch: At least one.
            on_done: Called for each of them, when the worker is done with it.
        """

    def longest_call_s(self) -> float:
        """Return for how long the worker has had its oldest call in user code, 0 if it has none."""

    def fail_all(self, reason: str) -> tuple[str, ...]:
        """End every call that the worker has, for it is dead or as good as; return their sids."""

"""Calls that a worker has, until the worker is done with them."""

import asyncio
from collections.abc import Callable
from typing import TypeAlias

from aiges_loader.calls import Reply
from aiges_loader.errors import CallError


class NotBegunError(Exception):
    """The worker died before it began the call: another one may do it."""


class NotBatchedError(Exception):
    """The worker takes no batches: the call goes to it, or to another one, by itself."""


Outcome: TypeAlias = Reply | CallError | NotBegunError
Resolve: TypeAlias = Callable[[Outcome], None]
"""Gets how a call ended; must not raise."""


def into(answer: "asyncio.Future[Reply]") -> Resolve:
    """Return what gives an outcome to somebody who awaits `answer`, or has given up to."""

    def resolve(outcome: Outcome) -> None:
        if answer.done():
            return
        if isinstance(outcome, Reply):
            answer.set_result(outcome)
        else:
            answer.set_exception(outcome)

    return resolve


class Pending:
    """One call that a worker has.

    Attributes:
        sid: Its name.
        began_at: When user code got it, by the clock of the loop; corrected as more is known.
        begun: The worker has said that it began, or it follows from its answers.
        abandoned: Nobody waits for the answer any more.
        returned: The RPC has ended well; only the answer is missing.
    """

    __slots__ = ("_resolve", "abandoned", "began_at", "begun", "on_done", "returned", "sid")

    def __init__(
        self, sid: str, resolve: Resolve, began_at: float, on_done: Callable[[], None]
    ) -> None:
        """Make it.

        Args:
            sid: Its name.
            resolve: Gets the outcome, unless the call is abandoned.
            began_at: See above.
            on_done: Called once, when the worker is done with the call.
        """
        self.sid = sid
        self.on_done = on_done
        self.began_at = began_at
        self.begun = False
        self.abandoned = False
        self.returned = False
        self._resolve = resolve

    def end(self, outcome: Outcome) -> None:
        """Tell the caller, if it still waits."""
        if not self.abandoned:
            self.abandoned = True
            # Whoever resolves usually holds us: a circle would wait for the garbage collector.
            resolve, self._resolve = self._resolve, _nobody
            resolve(outcome)


def _nobody(outcome: Outcome) -> None:
    """Stand for a caller that has been told."""

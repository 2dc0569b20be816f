"""Calls that a worker has, until the worker is done with them."""

import asyncio
from collections.abc import Callable

from aiges_loader.calls import Reply
from aiges_loader.errors import CallError


class NotBegunError(Exception):
    """The worker died before it began the call: another one may do it."""


class NotBatchedError(Exception):
    """The worker takes no batches: the call goes to it, or to another one, by itself."""


class Pending:
    """One call that a worker has.

    Attributes:
        sid: Its name.
        answer: What the caller waits for.
        began_at: When user code got it, by the clock of the loop; corrected as more is known.
        begun: The worker has said that it began, or it follows from its answers.
        abandoned: Nobody waits for the answer any more.
        returned: The RPC has ended well; only the answer is missing.
    """

    __slots__ = ("abandoned", "answer", "began_at", "begun", "on_done", "returned", "sid")

    def __init__(
        self, sid: str, answer: asyncio.Future[Reply], began_at: float, on_done: Callable[[], None]
    ) -> None:
        """Make it; `on_done` is called once, when the worker is done with the call."""
        self.sid = sid
        self.answer = answer
        self.on_done = on_done
        self.began_at = began_at
        self.begun = False
        self.abandoned = False
        self.returned = False

    def succeed(self, reply: Reply) -> None:
        """Give the caller the answer, if it still waits."""
        if not self.answer.done():
            self.answer.set_result(reply)

    def fail(self, error: CallError | NotBegunError) -> None:
        """Tell the caller, if it still waits."""
        if not self.answer.done():
            self.answer.set_exception(error)

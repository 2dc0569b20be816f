"""The call that user code is running: whether anybody still waits for it, and for how long.

A wrapper that works for long looks now and then, and stops early:

    call = current_call()
    for step in steps:
        if call is not None and call.is_cancelled:
            return Response().response_err(1)
        ...
"""

from contextvars import ContextVar
from typing import Protocol

__all__ = ["RunningCall", "current_call"]


class RunningCall(Protocol):
    """One request, from the moment that its wrapper gets it. May be asked from any thread."""

    @property
    def sid(self) -> str:
        """The name of the call."""

    @property
    def is_cancelled(self) -> bool:
        """Say whether nobody waits any more: the client has gone, or its deadline has passed."""

    @property
    def remaining_s(self) -> float | None:
        """How many seconds are left until the deadline, not below 0; None if there is none."""


_current: ContextVar[RunningCall | None] = ContextVar("running call", default=None)


def current_call() -> RunningCall | None:
    """Return the call that this thread runs.

    None in a batch, in other threads than the one in which `wrapperOnceExec` was called, and under
    hosts that speak version 1 of the worker protocol: those do not say what becomes of a call.
    """
    return _current.get()

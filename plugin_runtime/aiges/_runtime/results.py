"""Where results that wrappers push leave this process. Pure but for one variable.

The runtime connects its sink before it loads the wrapper; `callback`, in all its spellings, pushes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiges._runtime.convert import NoAnswerError
    from aiges.dto import Response

    Sink = Callable[[Response | NoAnswerError, str], int]

_sink: Sink | None = None


class NotConnectedError(RuntimeError):
    """A result was pushed, but no runtime is there to take it."""


def connect(sink: Sink) -> None:
    """Send every later push to `sink`, which any thread may call. It replaces an earlier one.

    Args:
        sink: Gets whatever the wrapper pushed, even if it is no Response, and the routing key.
            Returns 0 if it took the result, otherwise what `callback` is to return.
    """
    global _sink  # noqa: PLW0603 - one process, one runtime
    _sink = sink


def connected() -> bool:
    """Say whether a runtime takes what is pushed."""
    return _sink is not None


def push(response: Response | NoAnswerError, key: object) -> int:
    """Hand a result to the runtime, from any thread.

    Args:
        response: What the wrapper wants to send, or why that is nothing.
        key: The usrTag or the sid that the wrapper was given; bytes are taken as UTF-8.

    Returns:
        What the sink says: 0 if it took the result.

    Raises:
        NotConnectedError: There is no runtime.
    """
    sink = _sink
    if sink is None:
        raise NotConnectedError("no runtime is connected: this wrapper does not run in a worker")
    return sink(response, key.decode("utf-8", "replace") if isinstance(key, bytes) else str(key))

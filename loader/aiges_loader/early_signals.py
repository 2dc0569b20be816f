"""Signals that come before there is an event loop to take them: noted, and acted on later.

Imports next to nothing, so that the defaults, which end the program, are gone at once.
"""

import os
import signal
from types import FrameType
from typing import Final

STOPPING: Final = (signal.SIGTERM, signal.SIGINT)

_HELD: Final = (*STOPPING, signal.SIGHUP)
_arrived: set[int] = set()


def hold() -> None:
    """From now on note SIGTERM, SIGINT and SIGHUP instead of dying of them."""
    for number in _HELD:
        signal.signal(number, _note)


def arrived(*numbers: signal.Signals) -> bool:
    """Say whether one of these has come since `hold`, or since it was forgotten."""
    return not _arrived.isdisjoint(numbers)


def forget(number: signal.Signals) -> None:
    """Take it that what `number` asks for is just being done."""
    _arrived.discard(number)


def release() -> None:
    """Restore the defaults, and let what has come meanwhile have its effect."""
    for number in _HELD:
        by_default = signal.default_int_handler if number is signal.SIGINT else signal.SIG_DFL
        signal.signal(number, by_default)
    for number in _HELD:
        if number in _arrived:
            signal.raise_signal(number)


def _note(number: int, frame: FrameType | None) -> None:
    if number in _arrived and number in STOPPING:
        os._exit(0)  # asked twice: something that we wait for, as a file on a network, takes long
    _arrived.add(number)

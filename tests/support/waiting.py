"""Waits with a limit, for tests."""

import asyncio
import os
import select
import time
from collections.abc import Callable
from pathlib import Path

LIMIT_S = 20.0
"""Far more than anything takes; a test that meets it has failed."""


async def until(condition: Callable[[], object], what: str) -> None:
    """Return once `condition` holds; fail with `what` if it does not within the limit."""
    try:
        async with asyncio.timeout(LIMIT_S):
            while not condition():
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise AssertionError(f"not within {LIMIT_S} s: {what}") from None


def eventually(condition: Callable[[], object], what: str = "the condition") -> None:
    """The same for a thread that may wait."""
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, f"not within {LIMIT_S} s: {what}"
        time.sleep(0.005)


def dies_within(pid: int, seconds: float) -> bool:
    """Wait for `pid` to be dead: a pidfd turns readable then, zombie or not."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    with os.fdopen(pidfd) as pidfile:
        return bool(select.select([pidfile], [], [], seconds)[0])


def open_fds() -> int:
    """Count the file descriptors of this process."""
    return len(list(Path("/proc/self/fd").iterdir()))

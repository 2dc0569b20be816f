"""File descriptors: as many as this process may have, and a word when they run out."""

import asyncio
import logging
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

PERIOD_S: Final = 1.0
"""How often they are counted."""

FEW: Final = 16
"""So few left are said: another worker needs half a dozen."""

log = logging.getLogger(__name__)


class _AsFound:
    """The soft limit that this process was started with."""

    soft: int | None = None


def raise_limit() -> None:
    """Take all that the hard limit allows, as Go programs do: each connection needs one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if _AsFound.soft is None:
        _AsFound.soft = soft
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@contextmanager
def limit_as_found() -> Iterator[None]:
    """Let processes started in the block inherit the limit that we found.

    User code may rest on it: select() cannot take descriptors over 1023.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    found = soft if _AsFound.soft is None else _AsFound.soft
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(found, hard), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def in_use() -> int:
    """Count those of this process."""
    return len(os.listdir("/proc/self/fd")) - 1  # without the one that lists them


async def watch() -> None:
    """Say when hardly any are left, and when there are enough again; cancel to end."""
    said = False
    while True:
        await asyncio.sleep(PERIOD_S)
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        used = _counted(limit)
        if used > limit - FEW and not said:
            said = True
            log.error(
                "file descriptors run out used=%d limit=%d: further connections are closed"
                " unanswered; raise the hard limit (ulimit -Hn, LimitNOFILE) or close clients",
                used,
                limit,
            )
        elif used <= limit - 2 * FEW and said:
            said = False
            log.info("there are file descriptors again used=%d limit=%d", used, limit)


def _counted(limit: int) -> int:
    try:
        return in_use()
    except OSError:  # not even one to count them with
        return limit

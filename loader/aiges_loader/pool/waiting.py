"""Waiting for the first of several things."""

import asyncio
from collections.abc import Coroutine
from typing import Any


async def first_of(
    *waits: asyncio.Future[Any] | Coroutine[Any, Any, object], limit_s: float | None = None
) -> None:
    """Return when the first of `waits` does, or after `limit_s` seconds.

    Coroutines that have not finished are cancelled, and awaited; futures are left alone.
    """
    waiting = {
        wait if isinstance(wait, asyncio.Future) else asyncio.ensure_future(wait) for wait in waits
    }
    ours = waiting - set(waits)
    try:
        await asyncio.wait(waiting, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in ours:
            task.cancel()
        if ours:
            await asyncio.wait(ours)

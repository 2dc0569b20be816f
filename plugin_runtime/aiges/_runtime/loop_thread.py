"""An event loop in a thread of its own, for wrappers with asynchronous methods."""

import asyncio
import threading
from collections.abc import Awaitable
from typing import Any, Final, NamedTuple

END_LIMIT_S: Final = 5.0
"""How long what still runs there may take to be cancelled."""


class _Outcome(NamedTuple):
    value: Any
    error: BaseException | None


class LoopThread:
    """One loop for the life of a wrapper, so that what its methods open there stays usable."""

    def __init__(self) -> None:
        """Start it."""
        self._started = threading.Event()
        self._loop: asyncio.AbstractEventLoop
        self._ended: asyncio.Event
        self._thread = threading.Thread(target=self._main, name="wrapper-loop", daemon=True)
        self._thread.start()
        self._started.wait()

    def run(self, awaited: Awaitable[Any]) -> Any:  # noqa: ANN401 - whatever it returns
        """Await something there, in this thread's context, and wait; raise what it raises."""
        outcome = asyncio.run_coroutine_threadsafe(_outcome(awaited), self._loop).result()
        if outcome.error is not None:
            raise outcome.error
        return outcome.value

    def close(self) -> bool:
        """Cancel what still runs there and end the thread; say whether it has ended in time."""
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(END_LIMIT_S)
        return not self._thread.is_alive()

    def _main(self) -> None:
        with asyncio.Runner() as runner:
            self._loop = runner.get_loop()
            runner.run(self._stay())

    async def _stay(self) -> None:
        self._ended = asyncio.Event()
        self._started.set()
        await self._ended.wait()


async def _outcome(awaited: Awaitable[Any]) -> _Outcome:
    """Await something; even sys.exit() in it must not end the loop that others run on."""
    try:
        return _Outcome(await awaited, None)
    except BaseException as error:
        return _Outcome(None, error)

"""The client for threads: the one for asyncio, on an event loop in a thread of its own."""

import asyncio
import threading
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Coroutine,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from concurrent.futures import CancelledError
from contextlib import suppress
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Self, TypeVar, cast

from aiges.client.async_client import CONNECT_TIMEOUT_S, TIMEOUT_S, AsyncClient
from aiges.client.data import Data, Expect, Input, Package, Params, Result
from aiges.client.description import Description
from aiges.client.errors import ConnectionLostError

T = TypeVar("T")


class Client:
    """Makes calls and streams; connections are kept and used again. Threads may share one.

    Use it in `with`, or `close` it.
    """

    def __init__(
        self,
        url: str,
        *,
        description: Description | None = None,
        header: Mapping[str, str] | None = None,
        timeout_s: float = TIMEOUT_S,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
    ) -> None:
        """Say where the service is; see `AsyncClient`."""
        self._client = AsyncClient(
            url,
            description=description,
            header=header,
            timeout_s=timeout_s,
            connect_timeout_s=connect_timeout_s,
        )
        self._is_closed = False
        self._submitting = threading.Lock()
        self._loop = asyncio.new_event_loop()
        # A client that nobody closes must not keep the program from ending.
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="aiges-client", daemon=True
        )
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all connections, and with them all streams; nothing if that has been done."""
        with self._submitting:
            if self._is_closed:
                return
            self._is_closed = True
            ending = asyncio.run_coroutine_threadsafe(self._end(), self._loop)
        ending.result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def describe(self) -> Description:
        """Say what the service is; see `AsyncClient.describe`."""
        return self._run(self._client.describe())

    def once(
        self,
        inputs: Package | None = None,
        /,
        *,
        params: Params | None = None,
        expect: Expect | None = None,
        timeout_s: float | None = None,
        **named: Data,
    ) -> Result:
        """Make one call; see `AsyncClient.once`."""
        call = self._client.once(inputs, params=params, expect=expect, timeout_s=timeout_s, **named)
        return self._run(call)

    def stream(
        self,
        inputs: Package | Iterable[Package] | None = None,
        /,
        *,
        params: Params | None = None,
        expect: Expect | None = None,
        timeout_s: float | None = None,
        **named: Data,
    ) -> Iterator[Result]:
        """Open a session, send all inputs, and yield its results; see `AsyncClient.stream`.

        Inputs that are neither a list nor one package are taken in a thread of their own, so that
        results come while the next input is awaited.
        """
        at_once = inputs is None or isinstance(inputs, bytes | str | Input | Mapping | Sequence)
        results = self._client.stream(
            inputs if at_once else _pulled(cast("Iterable[Package]", inputs)),
            params=params,
            expect=expect,
            timeout_s=timeout_s,
            **named,
        )
        try:
            while (result := self._run(_next(results))) is not None:
                yield result
        finally:
            with suppress(_ClosedError):  # that has ended it
                self._run(_close(results))

    def load_resource(
        self,
        resource_id: str,
        content: Data,
        *,
        name: str = "resource",
        timeout_s: float | None = None,
    ) -> None:
        """Have all workers load a resource; see `AsyncClient.load_resource`."""
        self._run(self._client.load_resource(resource_id, content, name=name, timeout_s=timeout_s))

    def unload_resource(self, resource_id: str, *, timeout_s: float | None = None) -> None:
        """Have all workers unload a resource; see `AsyncClient.unload_resource`."""
        self._run(self._client.unload_resource(resource_id, timeout_s=timeout_s))

    async def _end(self) -> None:
        await self._client.close()
        work = asyncio.all_tasks() - {asyncio.current_task()}
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)  # theirs to whoever waits for them
        await asyncio.get_running_loop().shutdown_asyncgens()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the loop; an exception here, such as Ctrl-C, cancels it."""
        with self._submitting:  # what is submitted before the end is cancelled by it
            if self._is_closed:
                work.close()
                raise _ClosedError("the client is closed")
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except CancelledError:
            raise ConnectionLostError("the client was closed") from None
        except BaseException:
            future.cancel()
            raise


class _ClosedError(RuntimeError):
    """The client is used after its end."""


async def _next(results: AsyncIterator[Result]) -> Result | None:
    return await anext(results, None)


async def _close(results: AsyncGenerator[Result]) -> None:
    await results.aclose()


async def _pulled(packages: Iterable[Package]) -> AsyncIterator[Package]:
    """Yield what a thread takes from an iterable that may block, one when one is wanted."""
    loop = asyncio.get_running_loop()
    asked: SimpleQueue[asyncio.Future[Package | None] | None] = SimpleQueue()
    # Nobody can interrupt somebody else's iterator, so nobody waits for this thread: it ends with
    # the item that it is at.
    threading.Thread(
        target=_pull, args=(packages, asked, loop), name="aiges-client-inputs", daemon=True
    ).start()
    try:
        while True:
            answer: asyncio.Future[Package | None] = loop.create_future()
            asked.put(answer)
            package = await answer
            if package is None:
                return
            yield package
    finally:
        asked.put(None)


def _pull(
    packages: Iterable[Package],
    asked: "SimpleQueue[asyncio.Future[Package | None] | None]",
    loop: asyncio.AbstractEventLoop,
) -> None:
    iterator: Iterator[Package] | None = None
    while (answer := asked.get()) is not None:
        package: Package | None = None
        problem: Exception | None = None
        try:
            iterator = iter(packages) if iterator is None else iterator
            package = next(iterator, None)
        except Exception as error:
            problem = error
        with suppress(RuntimeError):  # the loop is closed: nobody wants it any more
            loop.call_soon_threadsafe(_settle, answer, package, problem)


def _settle(
    answer: "asyncio.Future[Package | None]", package: Package | None, problem: Exception | None
) -> None:
    if answer.done():
        return
    if problem is None:
        answer.set_result(package)
    else:
        answer.set_exception(problem)

"""One stream of inputs and results, at one worker, from its first package to its end."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from aiges_loader.calls import Datum
from aiges_loader.errors import CallError, EndedHandleError, WorkerDiedError
from aiges_loader.pool.session_channel import SessionPort
from aiges_loader.sessions.ordering import GAP_S, InputOrder
from aiges_loader.sessions.streams import InputStreams, is_last

MAX_PACKAGES: Final = 500
MAX_PACKAGE_BYTES: Final = 16 << 20
"""Input of one session that waits here; then whoever brings more waits. One may be larger."""

MAX_RESULTS: Final = 256
MAX_RESULT_BYTES: Final = 4 << 20
"""Results of one session that wait here; then its worker waits. One may be larger."""

_OVERFLOW: Final = 16
"""Where a worker cannot be made to wait: so many times as much, and the session fails."""

NOT_READ: Final = "the session's results are not read: too many wait"


class Opening(NamedTuple):
    """What a session begins with.

    Attributes:
        handle: Names the session; the worker's tag.
        params: What the wrapper gets; contains "sid".
        base: Number of its first package.
        expires: Ends if nobody asks for it for too long; others end with their connection.
    """

    handle: str
    params: Mapping[str, str]
    base: int
    expires: bool = True


class Result(NamedTuple):
    """What the wrapper produced at once.

    Attributes:
        outputs: In the wrapper's order.
        is_last: Nothing follows.
    """

    outputs: tuple[Datum, ...]
    is_last: bool


class Session:
    """A session, as front ends use it. It has no task: every turn is taken by who causes it.

    Attributes:
        handle: Its name.
        licence_held: Whether it counts among the service's licences.
    """

    def __init__(
        self,
        opening: Opening,
        *,
        results_at_once: bool,
        give_back: "Callable[[Session], None]",
        on_over: "Callable[[Session, CallError | None], None]",
    ) -> None:
        """Make one whose worker is still to be found: `attach` follows, or `abort`.

        Args:
            opening: What it begins with.
            results_at_once: Results may be read before the input is complete.
            give_back: Takes the licence back.
            on_over: Called once, when nothing more is to be had of it: with None after its last
                result or `abort`.
        """
        self.handle = opening.handle
        self.licence_held = False
        self._loop = asyncio.get_running_loop()
        self._results_at_once = results_at_once
        self._give_back = give_back
        self._on_over = on_over
        self._port: SessionPort | None = None
        self._order: InputOrder[tuple[Datum, ...]] = InputOrder(opening.base)
        self._order_bytes = 0
        self._streams = InputStreams()
        self._gap_timer: asyncio.TimerHandle | None = None
        self._results: deque[Result] = deque()
        self._result_bytes = 0
        self._is_paused = False
        self._has_finished = False  # the last result has come
        self._error: CallError | None = None
        self._is_over = False
        self._is_gone = False  # from its worker
        self._readers: deque[asyncio.Future[None]] = deque()
        self._writers: deque[asyncio.Future[None]] = deque()

    @property
    def is_over(self) -> bool:
        """Say whether nothing more is to be had of it."""
        return self._is_over

    @property
    def input_is_complete(self) -> bool:
        """Say whether every input stream seen so far has ended."""
        return self._streams.are_complete

    def attach(self, port: SessionPort) -> None:
        """Begin at a worker; nothing if it is over by now."""
        self._port = port
        if self._is_over:
            self._is_gone = False
            port.close()
        else:
            self._pump()

    # For front ends:

    async def write(self, number: int, inputs: Sequence[Datum]) -> None:
        """Take a package, and wait while too much waits before it.

        What comes after the input is complete, or after the last result, is ignored.

        Args:
            number: Its place in the client's order; the first is the opening's base.
            inputs: None: it only takes its number.

        Raises:
            CallError: The session has failed, or is over.
        """
        while len(self._order) >= MAX_PACKAGES or self._order_bytes > MAX_PACKAGE_BYTES:
            if self._error is not None or self._is_over or self._has_finished:
                break
            await self._wait_in(self._writers)
        if self._error is not None:
            raise self._fail()
        if self._is_over:
            raise EndedHandleError
        package = tuple(inputs)
        self._order_bytes += _size(package)
        if (dropped := self._order.put(number, package)) is not None:
            self._order_bytes -= _size(dropped)
        self._pump()

    def read_now(self) -> Result | None:
        """Return the next result, None if none is there; the last one ends the session.

        Raises:
            CallError: The session has failed, and everything before that has been read.
        """
        if self._results and self._may_be_read():
            result = self._results.popleft()
            self._result_bytes -= _size(result.outputs)
            self._relax()
            if result.is_last:
                self.end(None)
            return result
        if self._error is not None:
            raise self._fail()
        if self._is_over:
            raise EndedHandleError
        return None

    async def read(self, limit_s: float | None) -> Result | None:
        """Wait for the next result; see `read_now`. None: there is none within `limit_s`."""
        try:
            async with asyncio.timeout(limit_s):
                while (result := self.read_now()) is None:
                    await self._wait_in(self._readers)
                return result
        except TimeoutError:
            return None

    def abort(self) -> None:
        """Drop it; nothing if it is over."""
        self.end(None)

    def end(self, error: CallError | None) -> None:
        """End it, with an error for whoever still asks or waits; nothing if it is over."""
        if self._is_over:
            return
        self._is_over = True
        self._error = error
        self._close()
        self._results.clear()
        self._wake(self._readers)
        self._wake(self._writers)
        self._on_over(self, error)
        self._return_licence()

    # As `SessionEvents`:

    def room(self) -> None:
        """See `SessionEvents`."""
        self._pump()

    def result(self, outputs: tuple[Datum, ...]) -> None:
        """See `SessionEvents`."""
        if self._has_finished or self._is_over or self._error is not None or not outputs:
            return
        result = Result(outputs, is_last(outputs))
        self._results.append(result)
        self._result_bytes += _size(outputs)
        if result.is_last:
            self._has_finished = True
            self._close()
            self._wake(self._writers)
        elif self._has_too_many(1):
            if self._has_too_many(_OVERFLOW):
                self.failed(WorkerDiedError(NOT_READ))
            elif not self._is_paused and self._port is not None and self._may_be_read():
                self._is_paused = True
                self._port.pause()
        self._wake(self._readers)

    def failed(self, error: CallError) -> None:
        """See `SessionEvents`."""
        if self._error is None and not self._has_finished and not self._is_over:
            self._error = error
            self._close()
            self._return_licence()
            self._wake(self._readers)
            self._wake(self._writers)

    def ended(self, error: CallError | None) -> None:
        """See `SessionEvents`."""
        self._is_gone = True
        if not self._has_finished and not self._is_over and self._error is None:
            self._error = error or WorkerDiedError("it ended the session without a last result")
        self._wake(self._readers)
        self._wake(self._writers)
        self._return_licence()

    # Inside:

    def _pump(self) -> None:
        """Give the worker what it may have."""
        port = self._port
        if port is None:
            return
        while port.has_room and not self._is_gone:
            package = self._order.take()
            if package is None:
                break
            self._order_bytes -= _size(package)
            if not package or self._has_finished or self._streams.are_complete:
                continue
            self._streams.note(package)
            port.write(package)
            if self._streams.are_complete and self._results:
                self._wake(self._readers)  # they may have been held back until now
        self._wake(self._writers)
        if self._order.has_gap and self._gap_timer is None and not self._is_over:
            self._gap_timer = self._loop.call_later(GAP_S, self._skip_gap)
        elif not self._order.has_gap and self._gap_timer is not None:
            self._stop_waiting_for_gap()

    def _skip_gap(self) -> None:
        self._gap_timer = None
        self._order.skip_gap()
        self._pump()

    def _stop_waiting_for_gap(self) -> None:
        if self._gap_timer is not None:
            self._gap_timer.cancel()
            self._gap_timer = None

    def _may_be_read(self) -> bool:
        return (
            self._results_at_once
            or self._streams.are_complete
            or self._has_finished
            or self._error is not None
        )

    def _has_too_many(self, times: int) -> bool:
        return (
            len(self._results) > times * MAX_RESULTS
            or self._result_bytes > times * MAX_RESULT_BYTES
        )

    def _relax(self) -> None:
        if (
            self._is_paused
            and len(self._results) < MAX_RESULTS // 2
            and self._result_bytes < MAX_RESULT_BYTES // 2
        ):
            self._is_paused = False
            if self._port is not None and not self._is_gone:
                self._port.resume()

    def _fail(self) -> CallError:
        """End with the error that there is, and return it."""
        assert self._error is not None
        self.end(self._error)
        return self._error

    def _close(self) -> None:
        self._stop_waiting_for_gap()
        if self._port is None:
            self._is_gone = self._is_over or self._is_gone
        elif not self._is_gone:
            self._port.close()

    def _return_licence(self) -> None:
        """Give the licence back once the worker is done with a session that is over, or failed."""
        if self.licence_held and self._is_gone and (self._is_over or self._error is not None):
            self.licence_held = False
            self._give_back(self)

    async def _wait_in(self, queue: deque[asyncio.Future[None]]) -> None:
        waiter = self._loop.create_future()
        queue.append(waiter)
        try:
            await waiter
        finally:
            if waiter in queue:
                queue.remove(waiter)

    @staticmethod
    def _wake(queue: deque[asyncio.Future[None]]) -> None:
        for waiter in queue:
            if not waiter.done():
                waiter.set_result(None)


def _size(data: Sequence[Datum]) -> int:
    return sum(len(datum.data) for datum in data)

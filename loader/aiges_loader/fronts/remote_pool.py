"""The pool as a front-end process sees it: calls go to the supervisor, outcomes come back."""

import asyncio
from collections.abc import Callable
from functools import partial

from aiges_loader.calls import Call, Reply
from aiges_loader.errors import CallError
from aiges_loader.fronts.messages import NUMBERS, error_of
from aiges_loader.pool.call_frames import call_buffers, reply_of
from aiges_loader.pool.lane import Lane
from aiges_loader.pool.pending import into
from aiges_wire import frames
from aiges_wire.frames import Buffer, Header, Kind

Resolve = Callable[[Reply | CallError], None]


class RemotePool:
    """Runs calls in the supervisor, many at once over one connection.

    Attributes:
        is_ready: Whether it takes calls is the supervisor's to know, and to say.
    """

    is_ready = True

    def __init__(self, lane: Lane) -> None:
        """Make it; `took` is to get what comes."""
        self._lane = lane
        self._number = 0
        self._waiting: dict[int, Resolve] = {}

    async def once(self, call: Call) -> Reply:
        """Run one call; raise `CallError`."""
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        abandon = self.begin(call, into(answer))
        try:
            return await answer
        finally:
            abandon()

    def begin(self, call: Call, resolve: Resolve) -> Callable[[], None]:
        """Begin one call; see `Backend`. Everything that it may have to wait for is elsewhere."""
        number = self._number = (self._number + 1) % NUMBERS
        buffers = call_buffers(number, call)
        if self._waiting:  # under load others come in this turn: together they cost less
            self._lane.send_soon(buffers)
        else:
            self._lane.send(buffers)
        self._waiting[number] = resolve
        return partial(self._abandon, number)

    def took(self, header: Header, meta: Buffer, data: Buffer) -> None:
        """Take an outcome; raise `FrameError` if it is none."""
        if header.kind is Kind.ANSWER:
            outcome: Reply | CallError = reply_of(header, meta, data)
        elif header.kind is Kind.FAILURE:
            outcome = error_of(header, meta)
        else:
            raise frames.FrameError(f"a {header.kind.name} from the supervisor")
        resolve = self._waiting.pop(header.call, None)
        if resolve is not None:  # else it was abandoned when the answer was on its way
            resolve(outcome)

    def _abandon(self, number: int) -> None:
        if self._waiting.pop(number, None) is not None:
            self._lane.send_soon([frames.note(Kind.CANCEL, number)])

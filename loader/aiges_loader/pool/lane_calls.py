"""The calls of a worker that speaks version 2: over lanes of the native data channel."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import orjson

from aiges_loader.calls import Call, Reply
from aiges_loader.errors import BodyTooLargeError, CallError, WorkerDiedError
from aiges_loader.pool.call_frames import call_buffers, reply_of
from aiges_loader.pool.channel import Asked
from aiges_loader.pool.lane import Lane, connect
from aiges_loader.pool.messages import error_for
from aiges_loader.pool.pending import NotBegunError, Pending, Resolve
from aiges_wire import frames
from aiges_wire.frames import Buffer, Header, Kind

MAX_AHEAD: Final = 16
"""Calls that wait in a lane behind the one that runs."""

AHEAD_US: Final = 1000
"""They wait there only if together they take no longer: elsewhere a place may become free."""

_WEIGHT: Final = 0.05  # of the newest call in the average of what calls take
_A_CROWD: Final = 2.0  # calls in all lanes
_MOST_AT_ONCE: Final = 4.0  # a single call counts as at most so many times the average
_NUMBERS: Final = 1 << 32


class LaneCalls:
    """Gives calls to lanes: each has one that runs, and a few more if calls are short.

    The worker runs the calls of one lane in order, so the first that is not answered is the one
    that has begun.
    """

    def __init__(
        self,
        path: str,
        concurrency: int,
        *,
        batches: bool = False,
        on_abandoned: Callable[[list[str]], None] = lambda _: None,
    ) -> None:
        """Make it without lanes; they are opened when they are needed.

        Args:
            path: Where the worker listens.
            concurrency: How many lanes it takes.
            batches: Its wrapper takes several calls at once.
            on_abandoned: Gets the names of calls that the worker has though nobody waits for them.
        """
        self.batches = batches
        self._on_abandoned = on_abandoned
        self._abandoned: list[str] = []
        self._loop = asyncio.get_running_loop()
        self._path = path
        self._concurrency = concurrency
        self._lanes: list[_Line] = []
        self._idle: list[_Line] = []  # the one used last is the last: its thread is still warm
        self._number = 0
        self._running = 0  # calls in all lanes
        self._crowd = 0.0  # the same, on the average of late, when another call comes
        self._average_us = 2.0 * AHEAD_US  # until we know better, calls are long
        self.last_answer_at = self._loop.time()
        self.broken: asyncio.Future[str] = self._loop.create_future()

    @property
    def listens(self) -> bool:
        """Say whether answers of the worker can still come."""
        return not self.broken.done()

    @property
    def ahead(self) -> int:
        """How many calls more than its concurrency the worker may be given, to begin them next."""
        return self._concurrency * self._ahead_per_lane()

    def begin(self, call: Call, resolve: Resolve, on_done: Callable[[], None]) -> Pending:
        """Have one call run; see `CallChannel`."""
        pending = Pending(call.sid, resolve, self._loop.time(), on_done)
        try:
            buffers = self._frame(call)  # first, for one that does not fit takes no lane
            line = self._pick()
        except frames.FrameError as error:
            self._loop.call_soon(_refuse, pending, error)
            return pending
        except OSError as error:
            self._loop.call_soon(self._lane_refused, [pending], error)
            return pending
        # Under load others come in this very turn of the loop: together they cost the worker, and
        # us, one waking up. The only call there is should not wait for a turn, though.
        self._crowd += _WEIGHT * (self._running - self._crowd)
        if line.calls or self._crowd > _A_CROWD:
            line.lane.send_soon(buffers)
        else:
            line.lane.send(buffers)
        line.calls.append((self._number, pending))
        self._running += 1
        return pending

    def abandon(self, pending: Pending) -> None:
        """Take in that nobody waits for that call any more."""
        if pending.abandoned:  # it has ended
            return
        pending.abandoned = True
        if not self._abandoned:  # all that leave in this turn of the loop go in one message
            self._loop.call_soon(self._tell_abandoned)
        self._abandoned.append(pending.sid)

    def _tell_abandoned(self) -> None:
        sids, self._abandoned = self._abandoned, []
        self._on_abandoned(sids)

    def begin_together(self, batch: Sequence[Asked], on_done: Callable[[], None]) -> None:
        """Have a batch of calls run at once; see `CallChannel`."""
        now = self._loop.time()
        fitting: list[tuple[Call, int, Pending, list[Buffer]]] = []
        for call, resolve in batch:
            pending = Pending(call.sid, resolve, now, on_done)
            try:
                buffers = self._frame(call)
            except frames.FrameError as error:
                self._loop.call_soon(_refuse, pending, error)
            else:
                fitting.append((call, self._number, pending, buffers))
        if not fitting:
            return
        try:
            line = self._pick()
        except OSError as error:
            self._loop.call_soon(
                self._lane_refused, [pending for _, _, pending, _ in fitting], error
            )
            return
        first, number, _, _ = fitting[0]
        together = call_buffers(number, first, more=len(fitting) - 1)
        for _, _, _, buffers in fitting[1:]:
            together += buffers
        line.running = len(fitting)
        line.calls.extend((number, pending) for _, number, pending, _ in fitting)
        self._running += len(fitting)
        line.lane.send(together)

    def open(self) -> None:
        """Open the first lane; raise OSError if nobody listens there."""
        self._idle.append(self._new_line())

    def longest_call_s(self) -> float:
        """Return for how long the worker has had its oldest call in user code, 0 if it has none."""
        began = (line.calls[0][1].began_at for line in self._lanes if line.calls)
        return max((self._loop.time() - at for at in began), default=0.0)

    def fail_all(self, reason: str) -> tuple[str, ...]:
        """End every call that the worker has, for it is dead or as good as; return their sids."""
        for line in self._lanes:
            line.lane.read_all()
        sids = []
        for line in self._lanes:
            begun = line.running
            if len(line.calls) == begun and line.lane.has_unread():
                begun = 0
            while line.calls:
                _, pending = line.calls.popleft()
                sids.append(pending.sid)
                pending.end(WorkerDiedError(reason) if begun > 0 else NotBegunError(reason))
                pending.on_done()
                begun -= 1
        self._idle.clear()
        self._running = 0
        return tuple(sids)

    def close(self) -> None:
        """Hang up."""
        for line in self._lanes:
            line.lane.close()

    def _frame(self, call: Call) -> list[Buffer]:
        """Write a CALL frame under the next number; raise `FrameError` if it does not fit one."""
        self._number = (self._number + 1) % _NUMBERS
        return call_buffers(self._number, call)

    def _lane_refused(self, pendings: Sequence[Pending], error: OSError) -> None:
        reason = f"no lane to it can be opened: {error.strerror}"
        self.hang_up(reason)
        for pending in pendings:
            pending.end(NotBegunError(reason))
            pending.on_done()

    def _learn(self, spent_us: int) -> None:
        """Take another duration into the average; a call that the kernel held up counts little."""
        counted = min(spent_us, _MOST_AT_ONCE * self._average_us)
        self._average_us = max(1.0, self._average_us + _WEIGHT * (counted - self._average_us))

    def _ahead_per_lane(self) -> int:
        return min(MAX_AHEAD, int(AHEAD_US / self._average_us))

    def _pick(self) -> "_Line":
        if self._idle:
            return self._idle.pop()
        if len(self._lanes) < self._concurrency:
            return self._new_line()
        return min(self._lanes, key=lambda line: len(line.calls))

    def _new_line(self) -> "_Line":
        line = _Line()
        line.lane = Lane(
            connect(self._path),
            lambda header, meta, data: self._came(line, header, meta, data),
            self.hang_up,
        )
        self._lanes.append(line)
        return line

    def _came(self, line: "_Line", header: Header, meta: Buffer, data: Buffer) -> None:
        """Take the answer to the first call of a line."""
        if not line.calls or line.calls[0][0] != header.call:
            raise frames.FrameError(f"an answer to call {header.call}, which is not the next")
        now = self._loop.time()
        pending = line.calls[0][1]
        outcome: Reply | CallError
        if header.kind is Kind.ANSWER:
            outcome = reply_of(header, meta, data)
        elif header.kind is Kind.FAILURE:
            outcome = error_for(*frames.read_failure(header, meta, loads=orjson.loads))
        else:
            raise frames.FrameError(f"a {header.kind.name} from a worker")
        line.calls.popleft()
        self._running -= 1
        self.last_answer_at = now
        self._learn(header.number)
        if line.running > 1:  # the next one of a batch: it began with this one
            line.running -= 1
        else:
            line.running = 1
            if line.calls:
                line.calls[0][1].began_at = now
            else:
                self._idle.append(line)
        pending.end(outcome)
        pending.on_done()

    def hang_up(self, reason: str) -> None:
        """Give the worker nothing any more, and say why; of several reasons the first counts."""
        if not self.broken.done():
            self.broken.set_result(reason)


class _Line:
    """A lane, and the calls that are in it, those that run first.

    Attributes:
        calls: Their numbers, and who waits for them.
        running: How many of them the worker runs once it has read them: 1, or what is left of a
            batch.
    """

    __slots__ = ("calls", "lane", "running")

    lane: Lane

    def __init__(self) -> None:
        self.calls: deque[tuple[int, Pending]] = deque()
        self.running = 1


def _refuse(pending: Pending, error: frames.FrameError) -> None:
    """End a call that fits no frame; the worker has never heard of it."""
    pending.end(BodyTooLargeError(str(error)))
    pending.on_done()

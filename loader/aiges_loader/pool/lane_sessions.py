"""The sessions of a worker that speaks version 2: a connection of the data channel for each."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence

import orjson

from aiges_loader.calls import Datum
from aiges_loader.errors import CallError, NoWorkerError, SessionStepError
from aiges_loader.pool.call_frames import datums_of, items_of
from aiges_loader.pool.lane import Lane, connect
from aiges_loader.pool.open_ports import OpenPorts
from aiges_loader.pool.session_channel import MAX_STEP_BYTES, MAX_STEPS, SessionEvents
from aiges_wire import frames
from aiges_wire.codes import Code
from aiges_wire.frames import Buffer, Header, Kind

NO_SESSIONS = "the wrapper takes no sessions: it defines neither wrapperCreate nor wrapperStream"


class LaneSessions(OpenPorts["_Port"]):
    """Opens a lane for each session; see `SessionChannel`."""

    def __init__(self, path: str, on_broken: Callable[[str], None]) -> None:
        """Make it.

        Args:
            path: Where the worker listens for sessions; "" if its wrapper takes none.
            on_broken: Gets the reason when the worker hung up or broke the protocol.
        """
        super().__init__()
        self._path = path
        self.on_broken = on_broken

    def open(
        self,
        tag: str,
        params: Mapping[str, str],
        events: SessionEvents,
        on_done: Callable[[], None],
    ) -> "_Port":
        """See `SessionChannel`."""
        if not self._path:
            raise SessionStepError(Code.CREATE_FAILED, Code.EXEC_FAILED, NO_SESSIONS)
        try:
            port = _Port(self, self._path, tag, events, on_done)
        except OSError as error:
            raise NoWorkerError(f"it takes no further session now: {error.strerror}") from None
        self._remember(port)
        port.lane.send([frames.open_session(tag, params, dumps=orjson.dumps)])
        return port


class _Port:
    """One session; see `SessionPort`.

    Attributes:
        tag: Its name.
        lane: Its connection.
    """

    def __init__(
        self,
        sessions: LaneSessions,
        path: str,
        tag: str,
        events: SessionEvents,
        on_done: Callable[[], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._sessions = sessions
        self._events = events
        self._on_done = on_done
        self._is_closing = False
        self._is_over = False
        self._number = 0
        self._steps = deque([(0, 0)])  # number and bytes of those that have not returned; 0: OPEN
        self._step_bytes = 0
        self.tag = tag
        self._step_began_at = self._loop.time()
        self.lane = Lane(connect(path), self._came, self._broke)

    @property
    def step_began_at(self) -> float:
        """See `Port`; the session's end counts as a step."""
        return self._step_began_at if self._steps or self._is_closing else 0.0

    def die(self, error: CallError) -> None:
        """See `Port`."""
        self.lane.resume()
        self.lane.read_all()  # what the worker sent before it died
        self.end(error)

    @property
    def has_room(self) -> bool:
        """See `SessionPort`."""
        return len(self._steps) < MAX_STEPS and self._step_bytes < MAX_STEP_BYTES

    def write(self, inputs: Sequence[Datum]) -> None:
        """See `SessionPort`."""
        if not self._steps:
            self._step_began_at = self._loop.time()
        self._number += 1
        items = items_of(inputs)
        head = frames.write(self._number, items, dumps=orjson.dumps)
        size = sum(item[1] for item in items)
        self._steps.append((self._number, size))
        self._step_bytes += size
        self.lane.send([head, *(datum.data for datum in inputs)])

    def pause(self) -> None:
        """See `SessionPort`."""
        if not self._is_closing:
            self.lane.pause()

    def resume(self) -> None:
        """See `SessionPort`."""
        self.lane.resume()

    def close(self) -> None:
        """See `SessionPort`."""
        if self._is_closing or self._is_over:
            return
        self._is_closing = True
        if not self._steps:
            self._step_began_at = self._loop.time()
        self.lane.resume()  # its end comes behind what nobody wants any more
        self.lane.finish()

    def end(self, error: CallError | None) -> None:
        """Say that the worker is done with it, once."""
        if self._is_over:
            return
        self._is_over = True
        self.lane.close()
        self._sessions.forget(self)
        self._events.ended(error)
        self._on_done()

    def _came(self, header: Header, meta: Buffer, data: Buffer) -> None:
        self._sessions.heard()
        if header.kind is Kind.DONE:
            self._returned(header.call)
            self._events.room()
        elif header.kind is Kind.ANSWER:
            items = frames.read_answer(header, meta, loads=orjson.loads)
            self._events.result(datums_of(items, data))
        elif header.kind is Kind.FAILURE:
            code, text, told = frames.read_failure(header, meta, loads=orjson.loads)
            step = Code.READ_FAILED if told == Code.READ_FAILED else Code.RESULT_FAILED
            if header.call != frames.RESULT:
                self._returned(header.call)
                step = Code.WRITE_FAILED if header.call else Code.CREATE_FAILED
            self._events.failed(SessionStepError(step, code, text))
        else:
            raise frames.FrameError(f"a {header.kind.name} on a session's lane")

    def _returned(self, number: int) -> None:
        if not self._steps or self._steps[0][0] != number:
            raise frames.FrameError(f"step {number} has returned, which is not the next")
        self._step_bytes -= self._steps.popleft()[1]
        self._step_began_at = self._loop.time()

    def _broke(self, reason: str) -> None:
        if self._is_closing:
            self.end(None)
            return
        # Most often it is dead; whoever finds out how ends all its sessions, with that reason.
        self._sessions.on_broken(reason)

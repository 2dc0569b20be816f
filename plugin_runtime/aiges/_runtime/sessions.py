"""The sessions of this worker: the wrapper's methods in their order, results to who waits for them.

Nothing here knows how a session's inputs come or its results go: that is `Outlet`'s business, and
its callers'.
"""

import logging
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, Protocol, TypeVar

from aiges import running
from aiges._runtime import convert
from aiges._runtime.calling import WrapperHost
from aiges._runtime.replies import Answer, Failure, Input, Output, Reply
from aiges._runtime.session_methods import SessionMethods, handle_of, has_something
from aiges.core.types import DataBegin, DataContinue, DataEnd, Once
from aiges.dto import DataListCls
from aiges_wire.codes import Code

MAX_QUEUED: Final = 64
"""Inputs that wait for a generator and count as taken; those behind them do not."""

ROOM_CHECK_S: Final = 1.0
"""How often whoever waits for a generator to take something looks whether it is over."""

READ_PAUSE_S: Final = 0.01
"""Between two wrapperRead of a session whose input is complete, while there is nothing to read."""

END_LIMIT_S: Final = 5.0
"""How long a session's own thread may take to see that the session is closed."""

TAKEN: Final = 0
NOT_TAKEN: Final = -1
"""What `callback` returns: whether the result is on its way."""

NO_SESSIONS: Final = (
    "the wrapper takes no sessions: it defines neither wrapperCreate nor wrapperStream"
)

_LAST: Final = (DataEnd, Once)

log = logging.getLogger("aiges.worker")

T = TypeVar("T")


class Outlet(Protocol):
    """Where the results of one session go."""

    def send(self, reply: Reply) -> bool:
        """Send a result, from any thread; return False if nobody takes it any more."""


class Sessions:
    """All sessions that are open."""

    def __init__(self, host: WrapperHost) -> None:
        """Have none yet."""
        self._host = host
        self._by_tag: dict[str, Session] = {}
        self._by_sid: dict[str, list[Session]] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._by_tag)

    @property
    def available(self) -> bool:
        """Say whether the wrapper takes sessions; known after wrapperInit."""
        return self._host.session_methods is not None

    def open(
        self, tag: str, sid: str, params: dict[str, str], outlet: Outlet
    ) -> "Session | Failure":
        """Begin a session, in this thread.

        Args:
            tag: Names it among ours; what wrappers get as usrTag.
            sid: The client's name for it; "" is taken as `tag`.
            params: The client's parameters.
            outlet: Gets the results.
        """
        methods = self._host.session_methods
        if methods is None:
            return Failure(Code.EXEC_FAILED, NO_SESSIONS)
        kind = Session if methods.stream is None else StreamSession
        if methods.read is not None:
            kind = ReadSession
        session = kind(self._host, methods, tag, sid or tag, params, outlet, self._forget)
        with self._lock:
            if tag in self._by_tag:
                return Failure(Code.EXEC_FAILED, f"there is a session {tag} already")
            # Known before the wrapper is: it may push a result from within wrapperCreate.
            self._by_tag[tag] = session
            self._by_sid.setdefault(session.sid, []).append(session)
        failure = session.create()
        if failure is not None:
            self._forget(session)
            return failure
        return session

    def find(self, tag: str) -> "Session | None":
        """Return the session that is called `tag`."""
        return self._by_tag.get(tag)

    def knows(self, key: str) -> bool:
        """Say whether a session has `key` as its tag or sid."""
        return key in self._by_tag or key in self._by_sid

    def push(self, key: str, reply: Reply) -> int | None:
        """Send a result to the session that a wrapper means by `key`, its usrTag or its sid.

        Returns:
            What `callback` returns; None if no session is called so.
        """
        session = self._by_tag.get(key)
        if session is None:
            with self._lock:
                same_sid = self._by_sid.get(key, [])
                if not same_sid:
                    return None
                if len(same_sid) > 1:  # never guess whose result it is
                    log.error("callback by sid %s, which %d sessions have", key, len(same_sid))
                    return NOT_TAKEN
                session = same_sid[0]
        return TAKEN if session.send(reply) else NOT_TAKEN

    def _forget(self, session: "Session") -> None:
        with self._lock:
            if self._by_tag.get(session.tag) is session:
                del self._by_tag[session.tag]
            same_sid = self._by_sid.get(session.sid, [])
            if session in same_sid:
                same_sid.remove(session)
                if not same_sid:
                    del self._by_sid[session.sid]


class Session:
    """One session of a wrapper that pushes its results; to user code it is a `RunningCall`.

    Attributes:
        tag: Its name.
        sid: The client's name for it.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what a session is made of
        self,
        host: WrapperHost,
        methods: SessionMethods,
        tag: str,
        sid: str,
        params: dict[str, str],
        outlet: Outlet,
        forget: "Callable[[Session], None]",
    ) -> None:
        self.tag = tag
        self.sid = sid
        self._host = host
        self._methods = methods
        self._params = params
        self._personal_id = host.personal_id(params)
        self._outlet = outlet
        self._forget = forget
        self._handle: object = ""
        self._in_wrapper = threading.Lock()  # one method at a time
        self._sending = threading.Lock()
        self._is_over = False  # the last result has been sent, or nobody takes any
        self._is_closed = False
        self._statuses: dict[str, int] = {}

    @property
    def is_cancelled(self) -> bool:
        """See `RunningCall`."""
        return self._is_closed

    @property
    def remaining_s(self) -> float | None:
        """See `RunningCall`: a session has no deadline of its own."""
        return None

    @property
    def input_is_complete(self) -> bool:
        """Say whether every input stream seen so far has ended."""
        return bool(self._statuses) and all(status in _LAST for status in self._statuses.values())

    def create(self) -> Failure | None:
        """Run wrapperCreate; return why there is no session, None if there is one."""
        method = self._methods.create
        assert method is not None

        def work() -> tuple[object, int]:
            return handle_of(method(**self._values()))

        with self._in_wrapper:
            made = self._run("wrapperCreate", work)
        if isinstance(made, Failure):
            return made
        self._handle, code = made
        return self._host.failure(code) if code else None

    def write(self, items: Sequence[Input]) -> Failure | None:
        """Run wrapperWrite; return why it failed. One write at a time."""
        self._note(items)
        method = self._methods.write
        if method is None or self._is_over:
            return None

        def work() -> int:
            inputs = convert.inputs_from(items)
            return _taken(method(**self._values(), inputs=inputs))

        with self._in_wrapper:
            code = self._run("wrapperWrite", work)
        if isinstance(code, Failure):
            return code
        return self._host.failure(code) if code else None

    def begin_write(self, items: Sequence[Input], on_taken: Callable[[], None]) -> Failure | None:
        """Write, but do not wait for user code that is slow to take it; one write at a time.

        Args:
            items: The inputs.
            on_taken: Called once the session can take more: before this returns, or later, by any
                thread. Not called if the write fails.
        """
        failure = self.write(items)
        if failure is None:
            on_taken()
        return failure

    def close(self) -> None:
        """Run wrapperDestroy, once; what is pushed from now on goes nowhere."""
        with self._sending:
            if self._is_closed:
                return
            self._is_closed = self._is_over = True
        self._end()
        self._forget(self)

    def send(self, reply: Reply) -> bool:
        """Send a result; return False if the session has had its last, or nobody takes it."""
        is_last = not isinstance(reply, Answer) or any(o.status in _LAST for o in reply.outputs)
        with self._sending:
            if self._is_over:
                return False
            self._is_over = is_last
        return self._outlet.send(reply)

    def _end(self) -> None:
        method = self._methods.destroy
        if method is None:
            return
        with self._in_wrapper:
            self._run("wrapperDestroy", lambda: method(**self._values()))

    def _values(self) -> dict[str, object]:
        """Return what any method may ask for by its parameters' names."""
        return {
            "params": self._params,
            "handle": self._handle,
            "sid": self.sid,
            "tag": self.tag,
            "personal_id": self._personal_id,
        }

    def _note(self, items: Sequence[Input]) -> None:
        for item in items:
            self._statuses[item.key] = item.status

    def _run(self, name: str, work: Callable[[], T]) -> T | Failure:
        token = running._current.set(self)
        try:
            return self._host.guarded(name, work)
        finally:
            running._current.reset(token)


class ReadSession(Session):
    """One session of a wrapper that is asked for its results.

    While input still comes it is asked once after each write, unless it wants to have the input
    whole: whatever it answers then, there is no more until the next. After the last write a thread
    asks until the last result has come.
    """

    _thread: threading.Thread | None = None

    def write(self, items: Sequence[Input]) -> Failure | None:
        """See `Session`."""
        failure = super().write(items)
        if failure is not None or self._is_over:
            return failure
        if not self.input_is_complete:
            if not self._methods.reads_at_end:
                self._read_once()
        elif self._thread is None:
            self._closed = threading.Event()
            self._thread = threading.Thread(target=self._read, name=f"read-{self.tag}", daemon=True)
            self._thread.start()
        return None

    def _end(self) -> None:
        if self._thread is not None:
            self._closed.set()
            _join(self._thread)
        super()._end()

    def _read(self) -> None:
        while not self._is_over:
            if not self._read_once():
                self._closed.wait(READ_PAUSE_S)

    def _read_once(self) -> bool:
        """Ask once; say whether there was a result."""
        method = self._methods.read
        assert method is not None

        def work() -> Reply | None:
            returned = method(**self._values())
            return self._host.reply_of(returned) if has_something(returned) else None

        with self._in_wrapper:
            reply = self._run("wrapperRead", work)
        if reply is None:
            return False
        self.send(reply._replace(step=Code.READ_FAILED) if isinstance(reply, Failure) else reply)
        return True


class StreamSession(Session):
    """One session of a generator: it takes inputs from an iterator, and yields results."""

    def create(self) -> Failure | None:
        """Start the thread that runs the generator."""
        self._queue: queue.SimpleQueue[DataListCls | None] = queue.SimpleQueue()
        self._untaken: deque[Callable[[], None]] = deque()
        self._telling = threading.Lock()
        self._thread = threading.Thread(target=self._stream, name=f"stream-{self.tag}", daemon=True)
        self._thread.start()
        return None

    def write(self, items: Sequence[Input]) -> Failure | None:
        """Hand inputs to the generator; wait while it has too many."""
        taken = threading.Event()
        self.begin_write(items, taken.set)
        while not self._is_over and not taken.wait(ROOM_CHECK_S):
            pass
        return None

    def begin_write(self, items: Sequence[Input], on_taken: Callable[[], None]) -> Failure | None:
        """See `Session`."""
        if self.input_is_complete:
            on_taken()  # too late, as for any session
            return None
        self._note(items)
        with self._telling:
            self._untaken.append(on_taken)
            self._queue.put(convert.inputs_from(items))
        if self.input_is_complete:
            self._queue.put(None)
        self._tell_taken()
        return None

    def _tell_taken(self) -> None:
        """Tell of what counts as taken, in the order in which it came."""
        with self._telling:
            too_many = 0 if self._is_over else max(0, self._queue.qsize() - MAX_QUEUED)
            while len(self._untaken) > too_many:
                self._untaken.popleft()()

    def _end(self) -> None:
        self._queue.put(None)
        _join(self._thread)

    def _inputs(self) -> Iterator[DataListCls]:
        while not self._is_closed and (inputs := self._queue.get()) is not None:
            self._tell_taken()
            yield inputs

    def _stream(self) -> None:
        failure = self._run("wrapperStream", self._yield_all)
        if failure is not None:
            self.send(failure)
        self._tell_taken()

    def _yield_all(self) -> Failure | None:
        """Run the generator to its end; return why there is no last result, None if there is."""
        method = self._methods.stream
        assert method is not None
        results = method(**self._values(), inputs=self._inputs())
        if not isinstance(results, Iterable):
            raise convert.NoAnswerError("returned no generator: yield Responses")
        status = DataBegin
        last: Output | None = None
        for response in results:
            if not has_something(response):
                continue
            reply = self._host.reply_of(response)
            if isinstance(reply, Failure):
                return reply
            # Once is what items are made with: here it says nothing.
            outputs = [
                output._replace(status=status) if output.status == Once else output
                for output in reply.outputs
            ]
            if not self.send(Answer(outputs)) or any(o.status == DataEnd for o in outputs):
                close = getattr(results, "close", None)  # what a generator has
                if close is not None:
                    close()
                return None
            status, last = DataContinue, outputs[-1]
        if last is None:
            raise convert.NoAnswerError("ended without a result")
        # Whoever streams need not know which of its results is the last: an empty one says so.
        self.send(Answer([Output(last.key, b"", last.type, DataEnd, {})]))
        return None


def _join(thread: threading.Thread) -> None:
    thread.join(END_LIMIT_S)
    if thread.is_alive():
        log.warning("%s still runs though its session has ended; going on without it", thread.name)


def _taken(returned: object) -> int:
    """Read what wrapperWrite returns; a wrapper that returns nothing has taken it."""
    return 0 if returned is None else convert.taken(returned)

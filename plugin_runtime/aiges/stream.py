"""A fixed pool of sessions, each with a thread of the wrapper's own kind.

`wrapperInit` makes the pool, `wrapperCreate` reserves a session, `wrapperWrite` fills its `in_q`,
the thread takes from there and answers through `callback_fn`.
"""

import queue
import threading
from collections.abc import Callable, Mapping
from typing import Any

from aiges.core.types import PROCESS_MODE

Queue = queue.Queue[Any]


class WorkerThread:
    """One session of the pool. Only its handler is a thread; the name is older than that.

    Attributes:
        handle: The session's name, `Process-0-Thread-<number>`.
        sid: The request that it serves now, "" if none.
        params: That request's parameters.
        in_q: What `wrapperWrite` puts and the handler takes.
        out_q: For the wrapper's own use.
        callback_fn: What the handler answers with: `callback_fn(response, sid)`.
        is_idle: Whether `get_idle_handle` may give it away.
        is_stopping: Set by `stop`.
    """

    def __init__(self, handle: str) -> None:
        self.handle = handle
        self.sid = ""
        self.params: dict[str, Any] = {}
        self.in_q: Queue = queue.Queue()
        self.out_q: Queue = queue.Queue()
        self.callback_fn: Any = None  # to a type checker: callable, as it is once in use
        self.is_idle = True
        self.is_stopping = False
        self._handler: threading.Thread | None = None

    @property
    def idle(self) -> bool:
        """Whether no request uses this session."""
        return self.is_idle

    def start_handler(
        self, make: Callable[["WorkerThread", Queue, Queue], threading.Thread]
    ) -> None:
        """Make the thread that serves this session, and start it."""
        self._handler = make(self, self.in_q, self.out_q)
        self._handler.start()

    def setup_sid(self, sid: str) -> None:
        """Say which request the session serves."""
        self.sid = sid

    def setup_params(self, params: dict[str, Any]) -> None:
        """Keep the request's parameters; the session is busy from now on."""
        self.params = params
        self.is_idle = False

    def setup_callback_fn(self, callback_fn: Callable[..., Any]) -> None:
        """Say how the handler answers."""
        self.callback_fn = callback_fn

    def reset(self) -> None:
        """Forget the request and what is queued, and be idle; `callback_fn` stays."""
        self.sid = ""
        self.params = {}
        _empty(self.in_q)
        _empty(self.out_q)
        self.is_idle = True

    def stop(self) -> None:
        """Ask the handler to end."""
        self.is_stopping = True
        if isinstance(self._handler, StreamHandleThread):
            self._handler.stop()


class StreamHandleThread(threading.Thread):
    """Base of a wrapper's handler threads: override `run`, or `init_model`.

    Attributes:
        session_thread: The session that it serves.
        in_q: The session's requests.
        out_q: For the wrapper's own use.
        is_stopping: Set by `stop`; loops in `run` should look at it.
    """

    def __init__(self, session_thread: WorkerThread, in_q: Queue, out_q: Queue) -> None:
        super().__init__(daemon=True)
        self.session_thread = session_thread
        self.in_q = in_q
        self.out_q = out_q
        self.is_stopping = False
        self._stop_asked = threading.Event()

    def setDaemon(self, daemonic: bool) -> None:  # noqa: N802 - older than `daemon`, and in use
        """Set `daemon`, as Python's own deprecated method does, without its warning."""
        self.daemon = daemonic

    def init_model(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Load what the handler needs; the default `run` calls it with the session's handle."""
        raise NotImplementedError(f"{type(self).__name__} must define init_model or run")

    def run(self) -> None:
        """Call `init_model`, then stay until stopped."""
        self.init_model(self.session_thread.handle)
        self._stop_asked.wait()

    def stop(self) -> None:
        """Ask `run` to end."""
        self.is_stopping = True
        self._stop_asked.set()


class SessionManager:
    """The wrapper's sessions: `self.session` of every wrapper.

    Attributes:
        wrapperConfig: What `init_wrapper_config` was given.
    """

    def __init__(
        self, config: Mapping[str, Any] | None = None, mode: str = "thread", nums: int = 0
    ) -> None:
        """Make an empty pool. The arguments have no effect; `init_handle_pool` has."""
        self.wrapperConfig: Mapping[str, Any] = {}
        self._lock = threading.Lock()
        self._sessions: dict[str, WorkerThread] = {}

    def init_wrapper_config(self, config: Mapping[str, Any]) -> None:
        """Keep the configuration for handlers to read."""
        self.wrapperConfig = config

    def init_handle_pool(
        self,
        mode: str,
        nums: int,
        ThreadCls: Callable[[WorkerThread, Queue, Queue], threading.Thread],  # noqa: N803
    ) -> None:
        """Make `nums` sessions and start a handler for each.

        Args:
            mode: "thread".
            nums: How many requests can be served at once.
            ThreadCls: Called with the session and its two queues; a StreamHandleThread class.

        Raises:
            NotImplementedError: `mode` is "process", which never worked.
        """
        if mode == PROCESS_MODE:
            raise NotImplementedError(
                "sessions run in threads: use init_handle_pool('thread', ...)"
            )
        for number in range(nums):
            session = WorkerThread(f"Process-0-Thread-{number}")
            session.start_handler(ThreadCls)
            self._sessions[session.handle] = session

    def get_idle_handle(self) -> str | None:
        """Reserve an idle session and return its handle; None if all are busy."""
        with self._lock:
            for session in self._sessions.values():
                if session.is_idle:
                    session.is_idle = False
                    return session.handle
        return None

    def get_session(self, handle: str | None) -> WorkerThread | None:
        """Return the session called `handle`, or None; None is what an exhausted pool gave."""
        return self._sessions.get(handle) if handle else None

    def set_idle_session(self, handle: str) -> None:
        """Let others reserve the session; an unknown handle is ignored."""
        if session := self.get_session(handle):
            session.is_idle = True

    def reset_session(self, handle: str) -> None:
        """Reset the session; an unknown handle is ignored."""
        if session := self.get_session(handle):
            session.reset()

    def push_back(self, handle: str) -> None:
        """Reset the session and let others reserve it; an unknown handle is ignored."""
        self.reset_session(handle)
        self.set_idle_session(handle)


def _empty(waiting: Queue) -> None:
    try:
        while True:
            waiting.get_nowait()
    except queue.Empty:
        return

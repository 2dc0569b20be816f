import queue
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from aiges.stream import SessionManager, StreamHandleThread, WorkerThread

TIMEOUT_S = 5.0


class Echo(StreamHandleThread):
    """Answers each request with itself and, as published wrappers do, then resets the session."""

    def run(self) -> None:
        while not self.is_stopping:
            request = self.in_q.get()
            if request is None:
                return
            self.session_thread.callback_fn(request, self.session_thread.sid)
            self.session_thread.reset()


@pytest.fixture
def pool() -> Iterator[Callable[[int], SessionManager]]:
    made: list[WorkerThread] = []

    def make(nums: int) -> SessionManager:
        manager = SessionManager()
        manager.init_handle_pool("thread", nums, Echo)
        made.extend(manager._sessions.values())
        return manager

    yield make
    for session in made:
        session.stop()
        session.in_q.put(None)


def test_a_reserved_session_serves_a_request(pool: Callable[[int], SessionManager]) -> None:
    manager = pool(1)
    answers: queue.Queue[tuple[Any, str]] = queue.Queue()
    handle = manager.get_idle_handle()
    session = manager.get_session(handle=handle)
    assert session is not None
    session.setup_sid("sid")
    session.setup_params({"a": "1"})
    session.setup_callback_fn(lambda response, sid: answers.put((response, sid)))
    session.in_q.put("request")
    assert answers.get(timeout=TIMEOUT_S) == ("request", "sid")


def test_handles_are_given_in_order_and_none_when_all_are_busy(
    pool: Callable[[int], SessionManager],
) -> None:
    manager = pool(2)
    assert manager.get_idle_handle() == "Process-0-Thread-0"
    assert manager.get_idle_handle() == "Process-0-Thread-1"
    assert manager.get_idle_handle() is None


def test_a_manager_without_pool_has_no_handle() -> None:
    assert SessionManager({}, mode="thread", nums=3).get_idle_handle() is None


def test_two_threads_never_reserve_the_same_session(pool: Callable[[int], SessionManager]) -> None:
    manager = pool(20)
    handles: list[str | None] = []
    start = threading.Barrier(4)

    def reserve() -> None:
        start.wait(TIMEOUT_S)
        handles.extend(manager.get_idle_handle() for _ in range(6))

    threads = [threading.Thread(target=reserve) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT_S)
    given = [handle for handle in handles if handle]
    assert len(given) == len(set(given)) == 20


def test_an_unknown_handle_is_ignored(pool: Callable[[int], SessionManager]) -> None:
    manager = pool(1)
    assert manager.get_session("other") is None
    assert manager.get_session(None) is None
    for method in (manager.set_idle_session, manager.reset_session, manager.push_back):
        method("other")


@pytest.mark.parametrize("way", ["set_idle_session", "reset_session", "push_back"])
def test_a_session_given_back_can_be_reserved_again(
    way: str, pool: Callable[[int], SessionManager]
) -> None:
    manager = pool(1)
    handle = manager.get_idle_handle()
    getattr(manager, way)(handle)
    assert manager.get_idle_handle() == handle


def test_set_idle_session_keeps_the_request_and_reset_forgets_it() -> None:
    session = WorkerThread("h")
    callback = lambda *_: 0  # noqa: E731
    session.setup_sid("sid")
    session.setup_params({"a": "1"})
    session.setup_callback_fn(callback)
    session.in_q.put(1)
    session.out_q.put(2)
    assert (session.sid, session.params, session.idle, session.is_idle) == (
        "sid",
        {"a": "1"},
        False,
        False,
    )
    session.reset()
    assert (session.sid, session.params, session.idle) == ("", {}, True)
    assert session.in_q.empty()
    assert session.out_q.empty()
    assert session.callback_fn is callback


def test_the_manager_keeps_the_configuration() -> None:
    manager = SessionManager()
    manager.init_wrapper_config({"a": "1"})
    assert manager.wrapperConfig == {"a": "1"}


def test_processes_are_refused() -> None:
    with pytest.raises(NotImplementedError, match="'thread'"):
        SessionManager().init_handle_pool("process", 1, Echo)


def test_the_default_handler_loads_its_model_and_stays_until_stopped() -> None:
    loaded: queue.Queue[str] = queue.Queue()

    class Loading(StreamHandleThread):
        def init_model(self, handle: str) -> None:  # type: ignore[override]
            loaded.put(handle)

    session = WorkerThread("h")
    handler = Loading(session, session.in_q, session.out_q)
    assert handler.daemon
    handler.start()
    assert loaded.get(timeout=TIMEOUT_S) == "h"
    assert handler.is_alive()
    handler.stop()
    handler.join(TIMEOUT_S)
    assert not handler.is_alive()


def test_a_handler_that_defines_nothing_says_what_is_missing() -> None:
    session = WorkerThread("h")
    with pytest.raises(NotImplementedError, match="init_model or run"):
        StreamHandleThread(session, session.in_q, session.out_q).run()


def test_stopping_a_session_stops_its_handler() -> None:
    handlers: list[StreamHandleThread] = []

    class Waiting(StreamHandleThread):
        def init_model(self, *_: Any) -> None:
            handlers.append(self)

    session = WorkerThread("h")
    session.start_handler(Waiting)
    session.stop()
    assert session.is_stopping
    for handler in handlers:
        handler.join(TIMEOUT_S)
        assert not handler.is_alive()


def test_the_old_way_to_set_daemon_works_without_a_warning() -> None:
    session = WorkerThread("h")
    handler = Echo(session, session.in_q, session.out_q)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        handler.setDaemon(False)
    assert not handler.daemon


def test_an_exception_in_a_handlers_constructor_reaches_wrapper_init() -> None:
    class Broken(StreamHandleThread):
        def __init__(self, *_: Any) -> None:
            raise ValueError("no model")

    with pytest.raises(ValueError, match="no model"):
        SessionManager().init_handle_pool("thread", 1, Broken)

"""The thread that writes the log."""

import logging
import threading

import pytest

from aiges_loader import log_thread
from aiges_loader.log_thread import LogThread


class Stalling(logging.Handler):
    """A handler whose reader stalls until `go`."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()
        self.stalls = threading.Event()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.stalls.set()
        assert self.go.wait(20)
        self.messages.append(record.getMessage())


def record(text: str, *arguments: object) -> logging.LogRecord:
    return logging.LogRecord("x", logging.INFO, __file__, 1, text, arguments, None)


def test_what_waits_is_written_in_order_at_the_end() -> None:
    handler = Stalling()
    handler.go.set()
    writer = LogThread()
    writer.handlers.append(handler)
    changing = ["as it was"]
    with writer:
        writer.entrance.handle(record("first"))
        writer.entrance.handle(record("%s", changing))
        changing[0] = "as it is now"
    assert handler.messages == ["first", "['as it was']"]
    assert not writer.is_stuck


def test_a_reader_who_stalls_costs_records_that_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(log_thread, "MAX_WAITING", 3)
    handler = Stalling()
    writer = LogThread()
    writer.handlers.append(handler)
    with writer:
        writer.entrance.handle(record("0"))
        assert handler.stalls.wait(20)  # the thread has taken it: three more may wait
        for number in range(1, 10):
            writer.entrance.handle(record("%d", number))
        handler.go.set()
    assert handler.messages[:4] == ["0", "1", "2", "3"]
    assert handler.messages[4].startswith("6 log records were dropped")


def test_long_messages_count_by_their_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_thread, "MAX_WAITING_CHARS", 100)
    handler = Stalling()
    writer = LogThread()
    writer.handlers.append(handler)
    with writer:
        writer.entrance.handle(record("x" * 60))
        assert handler.stalls.wait(20)
        writer.entrance.handle(record("y" * 60))
        writer.entrance.handle(record("z" * 40))
        handler.go.set()
    assert [message[:1] for message in handler.messages[:2]] == ["x", "z"]
    assert handler.messages[2].startswith("1 log records were dropped")


def test_leaving_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_thread, "STOP_LIMIT_S", 0.05)
    handler = Stalling()
    writer = LogThread()
    writer.handlers.append(handler)
    with writer:
        writer.entrance.handle(record("stalls"))
    assert writer.is_stuck
    handler.go.set()


def test_a_handler_gets_its_level_and_above() -> None:
    handler = Stalling()
    handler.go.set()
    handler.setLevel(logging.WARNING)
    writer = LogThread()
    writer.handlers.append(handler)
    with writer:
        writer.entrance.handle(record("quiet"))
    assert handler.messages == []

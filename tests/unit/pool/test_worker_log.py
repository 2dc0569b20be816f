"""What workers write, as the log sees it."""

import json
import logging

import pytest
from hypothesis import given, strategies as st

from aiges_loader.pool.worker_log import (
    MAX_LINE_BYTES,
    LineSplitter,
    LogReader,
    last_error,
    printable,
)


@given(st.lists(st.binary(max_size=30), max_size=20))
def test_lines_are_whole_however_they_come(pieces: list[bytes]) -> None:
    """H50."""
    splitter = LineSplitter()
    lines = [line for piece in pieces for line in splitter.feed(piece)] + splitter.finish()
    data = b"".join(pieces)
    expected = [line.removesuffix(b"\r") for line in data.split(b"\n")[:-1]]
    rest = data.split(b"\n")[-1]
    assert lines == expected + ([rest] if rest else [])


def test_an_overlong_line_comes_in_pieces_and_loses_nothing() -> None:
    """H49."""
    splitter = LineSplitter()
    lines = splitter.feed(b"x" * (16 * MAX_LINE_BYTES + 5) + b"\nnext\n")
    assert b"".join(lines[:-1]) == b"x" * (16 * MAX_LINE_BYTES + 5)
    assert lines[-1] == b"next"
    assert max(len(line) for line in lines) <= MAX_LINE_BYTES


@pytest.mark.parametrize(
    ("line", "level", "message"),
    [
        (b"[TRACE] a", logging.DEBUG, "[TRACE] a"),
        (b"[DEBUG] a", logging.DEBUG, "[DEBUG] a"),
        (b"[INFO] a", logging.INFO, "[INFO] a"),
        (b"[WARN] a", logging.WARNING, "[WARN] a"),
        (b"[ERROR] a", logging.ERROR, "[ERROR] a"),
        (b"[ERR] a", logging.INFO, "[ERR] a"),
        (b"ERROR: a", logging.INFO, "ERROR: a"),
        (b" [ERROR] a", logging.INFO, " [ERROR] a"),
        (b"2026/11/23 15:36:08 [ERROR] a", logging.INFO, "2026/11/23 15:36:08 [ERROR] a"),
        (b"", logging.INFO, ""),
        (b"plain \xff\x00\x1b[31m", logging.INFO, "plain \ufffd\ufffd\ufffd[31m"),
        (b"panic: runtime error", logging.ERROR, "panic: runtime error"),
        (
            b"2026-11-23 15:36:08,123 - root:wrapperInit:12 - WARNING:  low",
            logging.WARNING,
            "2026-11-23 15:36:08,123 - root:wrapperInit:12 - WARNING:  low",
        ),
        (b'{"@level":"warn","@message":"m"}', logging.WARNING, "m"),
        (b'{"@level":"DEBUG","@message":"m"}', logging.DEBUG, "m"),
        (b'{"@level":"trace","@message":"m"}', logging.DEBUG, "m"),
        (b'{"@level":"warn","@message":"m","@timestamp":"15:36"}', logging.WARNING, "m"),
        (b'{"@level":"warn"}', logging.WARNING, ""),
        (b'{"@level":"error","@message":"a\\nb\\u001b"}', logging.ERROR, "a\nb\ufffd"),
        (b'{"@level":"fatal","@message":"m"}', logging.INFO, '{"@level":"fatal","@message":"m"}'),
        (b'{"@level":5,"@message":"m"}', logging.INFO, '{"@level":5,"@message":"m"}'),
        (b'{"@level":"info","@message":null}', logging.INFO, '{"@level":"info","@message":null}'),
        (b'{"level":"info"}', logging.INFO, '{"level":"info"}'),
        (b"{broken", logging.INFO, "{broken"),
        (b"[1,2]", logging.INFO, "[1,2]"),
    ],
)
def test_a_line_is_read_for_its_level(line: bytes, level: int, message: str) -> None:
    """H47 H48."""
    read = LogReader().read(line)
    assert (read.level, read.message) == (level, message)


def test_an_hclog_record_keeps_its_fields_whatever_they_are() -> None:
    """H47 H48."""
    line = {"@level": "info", "@message": "m", "@module": "x", "@timestamp": 5, "n": [1], "z": None}
    read = LogReader().read(json.dumps(line).encode())
    assert read.fields == {"module": "x", "n": [1], "z": None}


def test_a_traceback_is_an_error_to_its_last_line() -> None:
    """H51."""
    reader = LogReader()
    lines = [
        b"Traceback (most recent call last):",
        b'  File "wrapper.py", line 1, in <module>',
        b"ImportError: no module",
        b"after",
    ]
    error, info = logging.ERROR, logging.INFO
    assert [reader.read(line).level for line in lines] == [error, error, error, info]


def test_everything_plain_after_a_go_panic_is_an_error() -> None:
    """H47 H51."""
    reader = LogReader()
    lines = [b"fatal error: all goroutines are asleep", b"goroutine 1:", b"[INFO] tagged"]
    error, info = logging.ERROR, logging.INFO
    assert [reader.read(line).level for line in lines] == [error, error, info]


@given(st.binary(max_size=100))
def test_no_line_can_hurt(line: bytes) -> None:
    """H48."""
    read = LogReader().read(b"{" + line)
    assert isinstance(read.message, str)
    assert "\x1b" not in printable(line)


def test_json_nested_beyond_reason_is_a_plain_line() -> None:
    assert LogReader().read(b'{"a":' * 20_000).level == logging.INFO


RECORD = json.dumps({"@level": "error", "@message": "it failed:\nTraceback\nNameError: x"})
TRACE = ["Traceback (most recent call last):", '  File "w.py", line 1', "KeyError: 'k'"]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], ""),
        (["loading", "loaded"], ""),
        (["before", *TRACE, "after"], "\n".join(TRACE)),
        ([*TRACE, RECORD, "after"], "it failed:\nTraceback\nNameError: x"),
        ([RECORD, *TRACE], "\n".join(TRACE)),
        ([RECORD, "[ERROR] that is all"], "[ERROR] that is all"),
    ],
)
def test_the_last_error_is_found_and_whole(lines: list[str], expected: str) -> None:
    assert last_error(lines) == expected

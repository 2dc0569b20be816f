"""What workers write, line by line: split, read for its level, made safe to print. Pure."""

import json
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

MAX_LINE_BYTES: Final = 64 << 10
"""Longer lines are passed on in pieces of this size, so memory stays bounded."""

_LEVELS: Final[Mapping[str, int]] = {
    "trace": logging.DEBUG,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.ERROR,
}
_PREFIX: Final = re.compile(r"\[(TRACE|DEBUG|INFO|WARN|ERROR)\]")
# "2026-11-23 15:36:08,123 - root:load:12 - WARNING:  text", as the SDK's own log writes it.
_SDK_LINE: Final = re.compile(
    r"\d{4}-\d\d-\d\d [\d:,]+ - \S+ - (DEBUG|INFO|WARNING|ERROR|CRITICAL):"
)
_TRACEBACK: Final = "Traceback (most recent call last):"
_GO_PANIC: Final = ("panic: ", "fatal error: ")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line or record of a worker.

    Attributes:
        level: A `logging` level.
        message: Text; a record's own newlines are kept.
        fields: What an hclog record had besides level, message and time.
    """

    level: int
    message: str
    fields: Mapping[str, object] = field(default_factory=dict)


def last_error(lines: Sequence[str]) -> str:
    """Return the last thing that a worker wrote as an error, a traceback whole; "" if nothing.

    Args:
        lines: What it wrote, oldest first.
    """
    reader = LogReader()
    block: list[str] = []
    goes_on = False
    for line in lines:
        read = reader.read(line.encode("utf-8", "replace"))
        is_error = read.level >= logging.ERROR
        if is_error:
            # Plain lines of one traceback belong together; a record is whole by itself.
            block = [*block, read.message] if goes_on else [read.message]
        goes_on = is_error and reader.in_traceback
    return "\n".join(block)


class LineSplitter:
    """Bytes in, whole lines out, without their endings."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Take what was read; return the lines that are now complete."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        whole = [piece for line in lines for piece in _pieces(line.removesuffix(b"\r"))]
        if len(self._rest) > MAX_LINE_BYTES:
            *pieces, self._rest = _pieces(self._rest)
            whole += pieces
        return whole

    def finish(self) -> list[bytes]:
        """Return the last line if it had no ending."""
        rest, self._rest = self._rest, b""
        return [rest] if rest else []


class LogReader:
    """Tells what level each line of one stream of one worker has.

    Go panics and Python tracebacks come as plain lines; they are errors until they end.
    """

    def __init__(self, default_level: int = logging.INFO) -> None:
        """Make a reader; a line that does not tell its level gets `default_level`."""
        self._default_level = default_level
        self._panicking = False  # a Go program writes nothing sensible after that
        self._in_traceback = False

    def read(self, line: bytes) -> LogLine:
        """Read one line; never raises, whatever it holds."""
        record = _hclog(line) if line.startswith(b"{") else None
        if record is not None:
            return record
        text = printable(line)
        if tagged := _PREFIX.match(text) or _SDK_LINE.match(text):
            return LogLine(_LEVELS[tagged[1].lower()], text)
        if text.startswith(_GO_PANIC):
            self._panicking = True
        return LogLine(logging.ERROR if self._is_error(text) else self._default_level, text)

    @property
    def in_traceback(self) -> bool:
        """Whether the line that was read last is one of a traceback that goes on."""
        return self._in_traceback

    def _is_error(self, text: str) -> bool:
        if text.startswith(_TRACEBACK):
            self._in_traceback = True
            return True
        if self._in_traceback:
            # Frames are indented; the first line that is not names the exception and ends it.
            self._in_traceback = text.startswith(" ")
            return True
        return self._panicking


def _pieces(line: bytes) -> list[bytes]:
    """Cut an overlong line; an empty one is one empty piece."""
    starts = range(0, max(len(line), 1), MAX_LINE_BYTES)
    return [line[start : start + MAX_LINE_BYTES] for start in starts]


def printable(line: bytes) -> str:
    """Decode for a terminal: bytes that are not UTF-8 and control characters are replaced."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", line.decode("utf-8", "replace"))


def _hclog(line: bytes) -> LogLine | None:
    """Read an hclog record; None if the line is something else that starts with a brace."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    level = record.pop("@level", None)
    message = record.pop("@message", "")
    if not isinstance(level, str) or level.lower() not in _LEVELS or not isinstance(message, str):
        return None
    record.pop("@timestamp", None)
    message = "\n".join(printable(part.encode("utf-8", "replace")) for part in message.split("\n"))
    fields = {name.removeprefix("@"): value for name, value in record.items()}
    return LogLine(_LEVELS[level.lower()], message, fields)

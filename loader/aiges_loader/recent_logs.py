"""The newest log records, kept in memory for operators who ask for them."""

import logging
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from aiges_loader.logs import worker_of

MAX_RECORDS: Final = 2000
MAX_CHARS: Final = 1 << 20
"""Of all texts together."""

MAX_TEXT_CHARS: Final = 8 << 10
"""A longer text is cut."""


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One record.

    Attributes:
        number: From 1; each is one more than the last.
        at: When it was logged.
        level: "debug", "info", "warning", "error" or "critical".
        worker: Number of the worker that wrote it, None for the supervisor.
        text: What was logged, its traceback included.
    """

    number: int
    at: datetime
    level: str
    worker: int | None
    text: str


@dataclass(frozen=True, slots=True)
class LogPage:
    """Some of the records that are kept.

    Attributes:
        records: Oldest first.
        last: Number of the newest record that there is, 0 if there has been none.
        missed: How many of those that were asked for are not kept any more, or were left out.
    """

    records: Sequence[LogEntry]
    last: int
    missed: int


class RecentLogs(logging.Handler):
    """Keeps the newest records, within limits of number and size. Any thread may log and ask."""

    def __init__(self, *, max_records: int = MAX_RECORDS, max_chars: int = MAX_CHARS) -> None:
        """Make one that is empty."""
        super().__init__()
        self._entries: deque[LogEntry] = deque()
        self._max_records = max_records
        self._max_chars = max_chars
        self._chars = 0
        self._last = 0
        self._access = threading.Lock()
        self._formatter = logging.Formatter("%(message)s")  # and the traceback, if there is one

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record; the oldest make room."""
        text = self._formatter.format(record)
        if len(text) > MAX_TEXT_CHARS:
            text = f"{text[:MAX_TEXT_CHARS]}… ({len(text)} characters)"
        number = worker_of(record)
        with self._access:
            self._last += 1
            entry = LogEntry(
                number=self._last,
                at=datetime.fromtimestamp(record.created, UTC),
                level=record.levelname.lower(),
                worker=int(number) if number else None,
                text=text,
            )
            self._entries.append(entry)
            self._chars += len(text)
            while len(self._entries) > self._max_records or self._chars > self._max_chars:
                self._chars -= len(self._entries.popleft().text)

    def after(self, number: int, limit: int) -> LogPage:
        """Return the newest records, at most `limit`, of those that follow record `number`.

        A number that has not been reached is of another process: then it counts as 0.
        """
        with self._access:
            last = self._last
            since = number if number <= last else 0
            wanted = min(limit, last - since, len(self._entries))
            entries = list(self._entries)
        return LogPage(entries[len(entries) - wanted :], last, last - since - wanted)

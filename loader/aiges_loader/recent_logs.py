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


_Kept = tuple[int, float, str, str, str]
"""Number, time, level, worker, text."""


class RecentLogs(logging.Handler):
    """Keeps the newest records, within limits of number and size. Any thread may log and ask."""

    def __init__(self, *, max_records: int = MAX_RECORDS, max_chars: int = MAX_CHARS) -> None:
        """Make one that is empty."""
        super().__init__()
        self._kept: deque[_Kept] = deque()
        self._max_records = max_records
        self._max_chars = max_chars
        self._chars = 0
        self._last = 0
        self._access = threading.Lock()
        self._with_traceback = logging.Formatter("%(message)s")

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record; the oldest make room. Workers may flood: little is done here."""
        text = self._with_traceback.format(record) if record.exc_info else record.getMessage()
        if len(text) > MAX_TEXT_CHARS:
            text = f"{text[:MAX_TEXT_CHARS]}… ({len(text)} characters)"
        with self._access:
            self._last += 1
            self._kept.append(
                (self._last, record.created, record.levelname, worker_of(record), text)
            )
            self._chars += len(text)
            while len(self._kept) > self._max_records or self._chars > self._max_chars:
                self._chars -= len(self._kept.popleft()[-1])

    def after(self, number: int, limit: int) -> LogPage:
        """Return the newest records, at most `limit`, of those that follow record `number`.

        A number that has not been reached is of another process: then it counts as 0.
        """
        with self._access:
            last = self._last
            kept = list(self._kept)
        since = number if number <= last else 0
        wanted = min(limit, last - since, len(kept))
        entries = [_entry(*one) for one in kept[len(kept) - wanted :]]
        return LogPage(entries, last, last - since - wanted)


def _entry(number: int, created: float, level: str, worker: str, text: str) -> LogEntry:
    return LogEntry(
        number=number,
        at=datetime.fromtimestamp(created, UTC),
        level=level.lower(),
        worker=int(worker) if worker else None,
        text=text,
    )

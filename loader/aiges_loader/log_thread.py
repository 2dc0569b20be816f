"""A thread writes the log, so that a reader who stalls stalls that and nothing else."""

import copy
import logging
import queue
import threading
from types import TracebackType
from typing import Final, Self

MAX_WAITING: Final = 20_000
"""Records that may wait to be written; further ones are dropped and counted."""

MAX_WAITING_CHARS: Final = 32 << 20
"""The same for their messages together: a worker may write lines of any length."""

STOP_LIMIT_S: Final = 2.0
"""How long the last records may take to be written at the end of the program."""


class LogThread:
    """Writes records to handlers; enter it to begin, leave it to write what still waits.

    Attributes:
        entrance: The handler to give to a logger. It never blocks.
        handlers: Who writes; added before records come.
    """

    def __init__(self) -> None:
        """Make it; nothing runs before it is entered."""
        self.handlers: list[logging.Handler] = []
        self.entrance: logging.Handler = _Entrance(self)
        self._queue: queue.Queue[logging.LogRecord | None] = queue.Queue()
        self._dropped = 0
        self._waiting_chars = 0
        self._counting = threading.Lock()
        self._thread = threading.Thread(target=self._write, name="log", daemon=True)

    @property
    def is_stuck(self) -> bool:
        """Say whether records are left that nobody reads: then the thread cannot be ended."""
        return self._thread.is_alive()

    def put(self, record: logging.LogRecord) -> None:
        """Take a record to be written, or count it as dropped."""
        size = len(record.msg)
        with self._counting:
            if self._waiting_chars + size > MAX_WAITING_CHARS or self._queue.qsize() >= MAX_WAITING:
                self._dropped += 1
                return
            self._waiting_chars += size
            self._queue.put_nowait(record)  # there is room: only here does anybody add records

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._queue.put(None)
        self._thread.join(STOP_LIMIT_S)

    def _write(self) -> None:
        while record := self._queue.get():
            self._handle(record)
            with self._counting:
                self._waiting_chars -= len(record.msg)
            if self._queue.empty():
                self._tell_dropped()
        self._tell_dropped()

    def _tell_dropped(self) -> None:
        with self._counting:
            dropped, self._dropped = self._dropped, 0
        if dropped:
            self._handle(_notice(dropped))

    def _handle(self, record: logging.LogRecord) -> None:
        for handler in self.handlers:
            if record.levelno >= handler.level:
                handler.handle(record)


class _Entrance(logging.Handler):
    """Hands records over, complete: what they are about may change before they are written."""

    def __init__(self, thread: LogThread) -> None:
        super().__init__()
        self._thread = thread

    def handle(self, record: logging.LogRecord) -> bool:
        """Take a record without the lock that a handler otherwise holds."""
        whole = copy.copy(record)
        whole.msg, whole.args = record.getMessage(), None
        self._thread.put(whole)
        return True


def _notice(dropped: int) -> logging.LogRecord:
    text = f"{dropped} log records were dropped: nobody read them fast enough"
    return logging.LogRecord(__name__, logging.WARNING, __file__, 0, text, None, None)

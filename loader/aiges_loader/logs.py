"""Logging set-up, once, from cli: people read stderr, machines read the file."""

import json
import logging
import logging.handlers
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final, TextIO

from aiges_loader.config import LogConfig, LogLevel
from aiges_loader.log_thread import LogThread

WORKER_LOGGERS: Final = "worker"
"""Parent of the loggers that carry what workers write; the child's name is the worker's number."""

FIELDS: Final = "fields"
"""Name of a record's `extra` that holds further members for the JSON log."""

KEEP_ALL: Final = 1000
"""Rotated files kept where the configuration sets no limit."""

_FILE_LEVELS: Final[Mapping[LogLevel, int]] = {
    LogLevel.DEBUG: logging.DEBUG,
    LogLevel.INFO: logging.INFO,
    LogLevel.WARN: logging.WARNING,
    LogLevel.ERROR: logging.ERROR,
}
_COLOURS: Final[Mapping[int, str]] = {
    logging.DEBUG: "\x1b[2m",
    logging.WARNING: "\x1b[33m",
    logging.ERROR: "\x1b[31m",
    logging.CRITICAL: "\x1b[31;1m",
}
_RESET: Final = "\x1b[0m"


class ConsoleFormatter(logging.Formatter):
    """One line a record for people; what a worker wrote is tagged with its number."""

    def __init__(self, *, colours: bool) -> None:
        """Make a formatter, with terminal colours or without."""
        super().__init__()
        self._colours = colours

    def format(self, record: logging.LogRecord) -> str:
        """Return "HH:MM:SS.mmm LEVEL text"."""
        text = record.getMessage()
        if record.exc_info:
            text = f"{text}\n{self.formatException(record.exc_info)}"
        if number := worker_of(record):
            text = text.replace("\n", "\n    | ")
            text = f"[worker {number}] {text}"
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        line = f"{clock}.{int(record.msecs):03d} {record.levelname:<7} {text}"
        colour = _COLOURS.get(record.levelno) if self._colours else None
        return f"{colour}{line}{_RESET}" if colour else line


class JsonFormatter(logging.Formatter):
    """One JSON object a record: level, ts, msg, pid, logger, and the record's own fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the object as one line."""
        msecs = f"{int(record.msecs):03d}"
        line: dict[str, object] = {
            "level": record.levelname.lower(),
            "ts": time.strftime(f"%Y-%m-%dT%H:%M:%S.{msecs}%z", time.localtime(record.created)),
            "msg": record.getMessage(),
            "pid": os.getpid(),
            "logger": record.name,
        }
        if number := worker_of(record):
            line["worker"] = int(number)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        fields: Mapping[str, object] = getattr(record, FIELDS, {})
        line.update({name: value for name, value in fields.items() if name not in line})
        return json.dumps(line, ensure_ascii=False, default=str)


class LogFile(logging.handlers.RotatingFileHandler):
    """The JSON log, rotated by size; rotated files past their age are removed.

    A disk that is full, or a folder that has gone, costs the log and nothing else, and only as long
    as that lasts.
    """

    def __init__(self, config: LogConfig) -> None:
        """Open the file, making its folder; raise OSError if that is not possible."""
        config.file.parent.mkdir(parents=True, exist_ok=True)
        super().__init__(
            config.file,
            maxBytes=config.max_file_bytes,
            backupCount=config.max_files or KEEP_ALL,
            encoding="utf-8",
        )
        self._max_age_s = config.max_age_s
        self._lost = 0  # records, since writing began to fail
        self.setFormatter(JsonFormatter())

    def doRollover(self) -> None:  # noqa: N802 - logging's name
        """Rotate, then remove what is too old."""
        super().doRollover()
        if not self._max_age_s:
            return
        oldest = time.time() - self._max_age_s
        path = Path(self.baseFilename)
        for number in range(1, self.backupCount + 1):
            rotated = path.with_name(f"{path.name}.{number}")
            if rotated.exists() and rotated.stat().st_mtime < oldest:
                rotated.unlink(missing_ok=True)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record; say on stderr when that works again."""
        lost = self._lost
        super().emit(record)
        if lost and self._lost == lost:
            self._lost = 0
            sys.stderr.write(
                f"log file {self.baseFilename}: it is written again; records lost: about {lost}\n"
            )

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Say on stderr, once for all in a row, that the log file is not being written."""
        self._lost += 1
        if self._lost == 1:
            sys.stderr.write(
                f"log file {self.baseFilename}: {sys.exc_info()[1]}; going on without\n"
            )


def set_up_console(
    level: int, stream: TextIO | None = None, thread: LogThread | None = None
) -> None:
    """Send records of `level` and above to `stream`, replacing what was set up before.

    Args:
        level: A `logging` level.
        stream: None is stderr.
        thread: Who writes; None: whoever logs.
    """
    stream = stream or sys.stderr
    handler = logging.StreamHandler(stream)
    colours = stream.isatty() and "NO_COLOR" not in os.environ
    handler.setFormatter(ConsoleFormatter(colours=colours))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    if thread is not None:
        thread.handlers.append(handler)
        root.handlers[:] = [thread.entrance]
    root.setLevel(level)
    # Their chatter is about our own peers, which we describe in our own words.
    for noisy in ("asyncio", "grpc", "aiohttp.server"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def set_up_file(config: LogConfig, thread: LogThread | None = None) -> None:
    """Write the JSON log that `[log]` describes; without a place for it, warn and go on.

    Args:
        config: Where and how.
        thread: Who writes; None: whoever logs.
    """
    if config.level is LogLevel.NONE:
        return
    try:
        handler = LogFile(config)
    except OSError as error:
        logging.getLogger(__name__).warning(
            "no log file: cannot write %s ([log] file): %s", config.file, error.strerror
        )
        return
    handler.setLevel(_FILE_LEVELS[config.level])
    if thread is not None:
        thread.handlers.append(handler)
    else:
        logging.getLogger().addHandler(handler)


def worker_of(record: logging.LogRecord) -> str:
    """Return the number of the worker that wrote it, "" for the supervisor's own records."""
    parent, _, number = record.name.partition(".")
    return number if parent == WORKER_LOGGERS else ""

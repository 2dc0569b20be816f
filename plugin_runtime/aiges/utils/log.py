"""Logging as wrappers expect it: importing this module sets up the root logger.

`log` is the root logger at DEBUG; it writes to stderr from INFO on. No file is made before
`getFileLogger` is called.
"""

import logging
import os
import sys
import threading
from pathlib import Path
from typing import Final, TextIO

FORMAT: Final = "%(asctime)s - %(name)s:%(funcName)s:%(lineno)d - %(levelname)s:  %(message)s"

DIRECTORY_VARIABLE: Final = "AIGES_LOG_DIR"
"""Environment variable: the one directory that log files may go to."""

DEFAULT_DIRECTORIES: Final = ("/log/app", "./log")
"""Tried in this order when the variable is not set."""


class _Stderr(logging.StreamHandler[TextIO]):
    """Writes to whatever `sys.stderr` is at that moment, so that it may be replaced or captured."""

    def __init__(self) -> None:
        logging.Handler.__init__(self, logging.INFO)

    @property
    def stream(self) -> TextIO:  # type: ignore[override] # an attribute in the base class
        return sys.stderr


def _console() -> logging.Handler:
    handler = _Stderr()
    handler.setFormatter(logging.Formatter(FORMAT))
    return handler


console_handler: Final = _console()
"""The handler on stderr. The runtime gives it the format that its host reads."""

log: Final = logging.getLogger()
log.setLevel(logging.DEBUG)
log.addHandler(console_handler)

_lock: Final = threading.Lock()
_file_handlers: Final[dict[str, logging.FileHandler | None]] = {}
"""Logger name -> its file; None where none could be opened, which is said once."""


def getLogger(
    fmt: str | None = None, level: int | str | None = None, name: str = "root"
) -> logging.Logger:
    """Return the root logger, with another format or level on stderr if given.

    Args:
        fmt: As for logging.Formatter.
        level: Lowest level that is written to stderr.
        name: Has no effect.
    """
    if fmt is not None:
        console_handler.setFormatter(logging.Formatter(fmt))
    if level is not None:
        console_handler.setLevel(level)
    return log


def getFileLogger(
    fmt: str | None = None, level: int | str = logging.DEBUG, name: str = "wrapper"
) -> logging.Logger:
    """Return the logger `name`, which also writes to the file `<directory>/<name>.log`.

    The directory is AIGES_LOG_DIR, else /log/app if it can be written, else ./log. If no file can
    be opened, stderr says so once and the logger goes without. Further calls with the same name
    change format and level, and add nothing.

    Args:
        fmt: As for logging.Formatter.
        level: Lowest level that is written to the file.
        name: Of the logger and the file.
    """
    logger = logging.getLogger(name)
    logger.setLevel(level)
    with _lock:
        if name not in _file_handlers:
            _file_handlers[name] = _open_file(name)
            if opened := _file_handlers[name]:
                logger.addHandler(opened)
        handler = _file_handlers[name]
    if handler:
        handler.setLevel(level)
        if fmt is not None:
            handler.setFormatter(logging.Formatter(fmt))
    return logger


def _open_file(name: str) -> logging.FileHandler | None:
    asked = os.environ.get(DIRECTORY_VARIABLE)
    failures = []
    for directory in (asked,) if asked else DEFAULT_DIRECTORIES:
        try:
            Path(directory).mkdir(parents=True, exist_ok=True)
            handler = logging.FileHandler(Path(directory) / f"{name}.log", encoding="utf-8")
        except OSError as error:
            failures.append(f"{directory}: {error.strerror}")
        else:
            handler.setFormatter(logging.Formatter(FORMAT))
            return handler
    print(
        f"aiges: no log file for logger {name!r} ({'; '.join(failures)}); "
        f"set {DIRECTORY_VARIABLE} to a directory that can be written",
        file=sys.stderr,
    )
    return None

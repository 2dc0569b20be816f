"""The worker's log records as go-plugin hosts read them: one JSON object a line on stderr."""

import json
import logging
import traceback
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final

MAX_MESSAGE_CHARS: Final = 16_384
"""Hosts stop parsing a line at 64 KiB; this leaves room for escapes and the other members."""

_LEVELS: Final = {"DEBUG": "debug", "INFO": "info", "WARNING": "warn", "ERROR": "error"}
_RUNTIME: Final = Path(__file__).resolve().parent
_OUR_FOLDERS: Final = (str(_RUNTIME), str(_RUNTIME.parent / "authoring"))


class HclogFormatter(logging.Formatter):
    """Formats a record as hclog JSON.

    `@timestamp` has six digits of a second because hosts drop the level of a line with fewer, and
    every `@` member is a string because some hosts crash on anything else.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return one line without its newline; a traceback becomes part of the message."""
        message = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            message = f"{message}\n{user_traceback(record.exc_info[1])}"
        if len(message) > MAX_MESSAGE_CHARS:
            half = MAX_MESSAGE_CHARS // 2
            message = f"{message[:half]}\n[... cut ...]\n{message[-half:]}"
        level = _LEVELS.get(record.levelname, "error" if record.levelno > logging.ERROR else "info")
        line = {
            "@level": level,
            "@message": message,
            "@module": record.name,
            "@timestamp": datetime.fromtimestamp(record.created, UTC).strftime(
                "%Y-%m-%dT%H:%M:%S.%fZ"
            ),
        }
        return json.dumps(line, ensure_ascii=False)


def user_traceback(error: BaseException) -> str:
    """Write the traceback of `error` as its author wants it: from their code on, ours left out."""
    lines = traceback.format_exception(type(error), error, user_frames(error.__traceback__))
    return "".join(lines).rstrip("\n")


def user_frames(trace: TracebackType | None) -> TracebackType | None:
    """Skip the frames of this runtime and of the import system; None if there are no others."""
    while trace is not None and _is_ours(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    return trace


def where(error: BaseException) -> str:
    """Name the innermost place outside this runtime: "wrapper.py:12", or "" if there is none."""
    place = ""
    trace = error.__traceback__
    while trace is not None:
        filename = trace.tb_frame.f_code.co_filename
        if not _is_ours(filename):
            place = f"{Path(filename).name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place


def _is_ours(filename: str) -> bool:
    return filename.startswith(("<frozen importlib", *_OUR_FOLDERS)) or filename.endswith(
        ("importlib/__init__.py", "concurrent/futures/thread.py")
    )

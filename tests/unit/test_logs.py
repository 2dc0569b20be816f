"""What people and machines read of the log."""

import io
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from aiges_loader import logs
from aiges_loader.config import LogConfig, LogLevel


@pytest.fixture(autouse=True)
def untouched_root() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    for handler in root.handlers:
        if handler not in handlers:
            handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)


def config(path: Path, **changes: object) -> LogConfig:
    settings: dict[str, object] = {
        "level": LogLevel.INFO,
        "file": path,
        "max_file_bytes": 300,
        "max_files": 2,
        "max_age_s": 86_400.0,
    }
    return LogConfig(**{**settings, **changes})  # type: ignore[arg-type]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(stream: io.StringIO, logger: str, level: int, message: str) -> str:
    logs.set_up_console(logging.INFO, stream)
    logging.getLogger(logger).log(level, "%s", message)
    return stream.getvalue()


def test_a_worker_line_is_tagged_and_its_further_lines_are_marked() -> None:
    text = shown(io.StringIO(), "worker.3", logging.ERROR, "it raised:\nTraceback\n  line")
    first, *rest = text.splitlines()
    assert first.endswith("ERROR   [worker 3] it raised:")
    assert rest == ["    | Traceback", "    |   line"]


def test_colours_are_for_terminals_and_not_for_those_who_want_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[31m" in shown(Terminal(), "x", logging.ERROR, "red")
    assert "\x1b" not in shown(Terminal(), "x", logging.INFO, "plain")
    assert "\x1b" not in shown(io.StringIO(), "x", logging.ERROR, "piped")
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in shown(Terminal(), "x", logging.ERROR, "plain")


def test_the_file_has_json_and_a_records_own_fields(tmp_path: Path) -> None:
    logs.set_up_file(config(tmp_path / "deep" / "a.log"))
    extra = {logs.FIELDS: {"stream": "stderr", "level": "cannot replace ours"}}
    logging.getLogger("worker.2").error("said %s", "x", extra=extra)
    record = json.loads((tmp_path / "deep" / "a.log").read_text())
    assert (record["level"], record["msg"], record["worker"]) == ("error", "said x", 2)
    assert (record["stream"], record["pid"]) == ("stderr", os.getpid())


def test_the_file_is_rotated_by_size_and_old_files_go(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    logs.set_up_file(config(path, max_age_s=3600.0))
    for number in range(12):
        logging.getLogger("x").error("number %d", number)
    assert {file.name for file in tmp_path.iterdir()} == {"a.log", "a.log.1", "a.log.2"}
    assert "number 11" in path.read_text()
    past = time.time() - 7200
    os.utime(tmp_path / "a.log.1", (past, past))
    for number in range(4):
        logging.getLogger("x").error("again %d", number)
    assert not any(file.stat().st_mtime <= past + 1 for file in tmp_path.iterdir())


def test_level_none_writes_no_file(tmp_path: Path) -> None:
    logs.set_up_file(config(tmp_path / "a.log", level=LogLevel.NONE))
    logging.getLogger("x").error("nobody reads this")
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_costs_the_file_and_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    logs.set_up_file(config(tmp_path / "file" / "a.log"))
    assert "no log file: cannot write" in caplog.text


FULL_DISK = """
import logging
from pathlib import Path
from aiges_loader import logs
from aiges_loader.config import LogConfig, LogLevel
logs.set_up_file(LogConfig(LogLevel.INFO, Path("/dev/full"), 0, 2, 0.0))
for _ in range(3):
    logging.getLogger("x").error("lost")
print("still here")
"""


def test_a_full_disk_is_complained_of_once() -> None:
    # In a process of its own: /dev/full complains once more when it is closed.
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", FULL_DISK]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "still here\n"
    assert done.stderr.count("No space left on device; going on without") == 1

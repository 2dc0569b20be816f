import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from aiges.utils import log as wrapper_log
from aiges.utils.log import console_handler, getFileLogger, getLogger, log

PLUGIN_RUNTIME = Path(__file__).resolve().parents[3] / "plugin_runtime"


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AIGES_LOG_DIR", str(tmp_path / "logs"))
    return tmp_path / "logs"


def test_log_is_the_root_logger_and_writes_info_to_stderr(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert log is logging.getLogger()
    assert console_handler in log.handlers
    log.debug("too fine")
    log.info({"not": "text"})
    written = capsys.readouterr()
    assert written.out == ""
    line = written.err.rstrip("\n")
    assert " - root:test_log_is_the_root_logger_and_writes_info_to_stderr:" in line
    assert line.endswith(" - INFO:  {'not': 'text'}")


def test_the_console_format_can_be_replaced(capsys: pytest.CaptureFixture[str]) -> None:
    before = console_handler.formatter
    console_handler.setFormatter(logging.Formatter("<%(message)s>"))
    try:
        assert getLogger() is log  # which changes nothing that it was not asked to change
        log.info("x")
    finally:
        console_handler.setFormatter(before)
    assert capsys.readouterr().err == "<x>\n"


def test_get_logger_sets_format_and_level_of_the_console(
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = console_handler.formatter
    try:
        assert getLogger(fmt="%(levelname)s", level=logging.DEBUG, name="ignored") is log
        log.debug("x")
    finally:
        console_handler.setFormatter(before)
        console_handler.setLevel(logging.INFO)
    assert capsys.readouterr().err == "DEBUG\n"


def test_a_file_logger_writes_to_its_file_and_to_stderr(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logger = getFileLogger()
    logger.debug("fine")
    logger.info("中文")
    text = (directory / "wrapper.log").read_text(encoding="utf-8")
    assert "DEBUG:  fine" in text
    assert "INFO:  中文" in text
    assert "INFO:  中文" in capsys.readouterr().err


def test_a_file_logger_asked_for_again_writes_each_line_once(directory: Path) -> None:
    first, second = getFileLogger(), getFileLogger(level=logging.DEBUG)
    assert first is second
    first.info("x")
    assert (directory / "wrapper.log").read_text().count("INFO:  x") == 1


def test_a_file_logger_takes_format_level_and_name(directory: Path) -> None:
    logger = getFileLogger("%(message)s!", logging.WARNING, "other")
    logger.info("no")
    logger.warning("yes")
    getFileLogger(level=logging.INFO, name="other").info("now")
    assert (directory / "other.log").read_text() == "yes!\nnow!\n"


def test_without_the_variable_the_first_directory_that_works_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.delenv("AIGES_LOG_DIR", raising=False)
    monkeypatch.setattr(
        wrapper_log, "DEFAULT_DIRECTORIES", (str(tmp_path / "file" / "app"), str(tmp_path / "log"))
    )
    getFileLogger().info("x")
    assert "x" in (tmp_path / "log" / "wrapper.log").read_text()


def test_the_defaults_are_the_systems_directory_and_then_the_working_directory() -> None:
    assert wrapper_log.DEFAULT_DIRECTORIES == ("/log/app", "./log")


def test_a_directory_that_cannot_be_made_is_said_once_and_nothing_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("AIGES_LOG_DIR", str(tmp_path / "file" / "app"))
    logger = getFileLogger()
    getFileLogger()
    warning = capsys.readouterr().err
    assert warning.count("\n") == 1
    assert "AIGES_LOG_DIR" in warning
    logger.info("still on stderr")
    assert "still on stderr" in capsys.readouterr().err


def test_importing_makes_no_file(tmp_path: Path) -> None:
    script = "import aiges.sdk, aiges.callback, aiges.stream, aiges.worker, aiges.utils.log"
    subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(PLUGIN_RUNTIME), "AIGES_LOG_DIR": str(tmp_path / "l")},
        timeout=20,
        check=True,
    )
    assert list(tmp_path.iterdir()) == []

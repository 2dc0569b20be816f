"""Without some programs and rights parts are not tested, and that is said loudly."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from support import faulty_plugin
from support.browsing import chromium_browser

NO_WRK = "NO WRK ON PATH: THE BENCHMARK WAS NOT TESTED (Debian: apt-get install wrk)"
NO_SYSTEMD = "NO SYSTEMD-ANALYZE: THE UNIT FILE WAS NOT VERIFIED (Debian: apt-get install systemd)"
NO_CHROMIUM = "NO CHROMIUM: NO PAGE WAS TESTED IN A BROWSER (Debian: apt-get install chromium)"
NO_MKDOCS = "NO MKDOCS: THE PAGES OF THE DOCUMENTS WERE NOT TESTED (make docs installs it)"
NO_NAMESPACES = "NO PID NAMESPACES (unshare, nsenter, root): PROCESS 1 WAS NOT TESTED"


@pytest.fixture
def needs_wrk() -> None:
    if not has_wrk():
        pytest.skip(NO_WRK)


@pytest.fixture
def needs_systemd() -> None:
    if not has_systemd():
        pytest.skip(NO_SYSTEMD)


@pytest.fixture(scope="session")
def needs_chromium() -> None:
    if not has_chromium():
        pytest.skip(NO_CHROMIUM)


@pytest.fixture(scope="module")  # while it is there, nothing in this process can run asyncio
def chromium(needs_chromium: None) -> Iterator[Any]:
    with chromium_browser() as browser:
        yield browser


@pytest.fixture(scope="session")
def needs_mkdocs() -> None:
    if not has_mkdocs():
        pytest.skip(NO_MKDOCS)


@pytest.fixture
def needs_namespaces() -> None:
    if not may_make_namespaces():
        pytest.skip(NO_NAMESPACES)


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The C plugin that does wrong on request."""
    return faulty_plugin.build(tmp_path_factory.mktemp("faulty"))


def has_wrk() -> bool:
    return shutil.which("wrk") is not None


def has_systemd() -> bool:
    return shutil.which("systemd-analyze") is not None


def has_chromium() -> bool:
    return shutil.which("chromium") is not None


def has_mkdocs() -> bool:
    return all(find_spec(name) for name in ("mkdocs", "material", "jieba"))


@cache
def may_make_namespaces() -> bool:
    if os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("nsenter"):
        return False
    tried = subprocess.run(
        ["unshare", "-pf", "--mount-proc", "true"], capture_output=True, timeout=20, check=False
    )
    return tried.returncode == 0


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for is_there, otherwise in (
        (has_wrk(), NO_WRK),
        (has_systemd(), NO_SYSTEMD),
        (has_chromium(), NO_CHROMIUM),
        (has_mkdocs(), NO_MKDOCS),
        (may_make_namespaces(), NO_NAMESPACES),
    ):
        if not is_there:
            terminalreporter.section(otherwise, red=True, bold=True)

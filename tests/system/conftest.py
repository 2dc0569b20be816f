"""Without wrk the benchmark is not tested, and that is said loudly."""

import shutil

import pytest

NO_WRK = "NO WRK ON PATH: THE BENCHMARK WAS NOT TESTED (Debian: apt-get install wrk)"


@pytest.fixture
def needs_wrk() -> None:
    if shutil.which("wrk") is None:
        pytest.skip(NO_WRK)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if shutil.which("wrk") is None:
        terminalreporter.section(NO_WRK, red=True, bold=True)

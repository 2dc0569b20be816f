"""Says loudly what was not tested, in whichever process the summary is written."""

import pytest

from support.requirements import missing


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for what in missing():
        terminalreporter.section(what, red=True, bold=True)

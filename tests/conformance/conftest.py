"""Builds the Go programs once; without Go every test here is skipped, and says so loudly."""

import shutil

import pytest

from support.go_programs import GoPrograms, build, releases

NO_GO = "NO GO ON PATH: NOTHING WAS TESTED AGAINST THE REAL GO-PLUGIN"


@pytest.fixture(scope="session")
def built() -> dict[str, GoPrograms]:
    if shutil.which("go") is None:
        pytest.skip(NO_GO)
    return build()


@pytest.fixture(params=releases())
def go(request: pytest.FixtureRequest, built: dict[str, GoPrograms]) -> GoPrograms:
    """The programs, by each release of go-plugin."""
    return built[request.param]


@pytest.fixture(params=[False, True], ids=["clear", "mtls"])
def mtls(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if shutil.which("go") is None:
        terminalreporter.section(NO_GO, red=True, bold=True)

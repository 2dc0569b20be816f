"""Builds the Go programs once; without Go every test here is skipped, and says so."""

import shutil

import pytest

from support.go_programs import GoPrograms, build, releases

if shutil.which("go") is None:
    pytest.skip(
        "NO GO ON PATH: NOTHING HERE WAS TESTED AGAINST THE REAL GO-PLUGIN", allow_module_level=True
    )


@pytest.fixture(scope="session")
def built() -> dict[str, GoPrograms]:
    return build()


@pytest.fixture(params=releases())
def go(request: pytest.FixtureRequest, built: dict[str, GoPrograms]) -> GoPrograms:
    """The programs, by each release of go-plugin."""
    return built[request.param]


@pytest.fixture(params=[False, True], ids=["clear", "mtls"])
def mtls(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)

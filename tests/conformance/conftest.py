"""Builds the Go programs once; without Go every test here is skipped."""

import pytest

from support.go_programs import GoPrograms, build, releases
from support.requirements import NO_GO, has_go


@pytest.fixture(scope="session")
def built() -> dict[str, GoPrograms]:
    if not has_go():
        pytest.skip(NO_GO)
    return build()


@pytest.fixture(params=releases())
def go(request: pytest.FixtureRequest, built: dict[str, GoPrograms]) -> GoPrograms:
    """The programs, by each release of go-plugin."""
    return built[request.param]


@pytest.fixture(params=[False, True], ids=["clear", "mtls"])
def mtls(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)

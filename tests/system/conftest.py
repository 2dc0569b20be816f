"""What tests of the whole need: programs and rights, a browser, a plugin in C."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support import faulty_plugin
from support.browsing import chromium_browser
from support.requirements import (
    NO_CHROMIUM,
    NO_MKDOCS,
    NO_NAMESPACES,
    NO_SYSTEMD,
    NO_WRK,
    has_chromium,
    has_mkdocs,
    has_systemd,
    has_wrk,
    may_make_namespaces,
)


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

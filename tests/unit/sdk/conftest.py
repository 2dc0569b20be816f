"""Every test starts without a runtime, without a local queue and without log files."""

from collections.abc import Iterator

import pytest

from aiges import dto
from aiges._runtime import results
from aiges.utils import log as wrapper_log


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(dto, "result_Queue", None)
    monkeypatch.setattr(results, "_sink", None)
    yield
    for name, handler in wrapper_log._file_handlers.items():
        if handler is not None:
            wrapper_log.logging.getLogger(name).removeHandler(handler)
            handler.close()
    wrapper_log._file_handlers.clear()

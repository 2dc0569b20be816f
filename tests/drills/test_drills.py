"""The drills, short; `make drills` runs them at full length."""

import pytest

from drills.drills import DRILLS, SHORT, run


@pytest.mark.parametrize("name", DRILLS)
def test_a_promise_is_kept(name: str) -> None:
    result = run(name, SHORT)
    assert result.kept, result.figures

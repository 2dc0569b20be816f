"""docs/error-codes.md names every code that there is, and tests that exist."""

import re
from pathlib import Path

import pytest

from aiges_wire.codes import Code

TESTS = Path(__file__).resolve().parents[2]
NEVER_IN_AN_ANSWER = {Code.OK, Code.INIT_FAILED, Code.INIT_REFUSED}
BOTH = pytest.mark.parametrize("name", ["error-codes.md", "error-codes.zh.md"])


@BOTH
def test_every_code_is_there(name: str) -> None:
    text = (TESTS.parent / "docs" / name).read_text("utf-8")
    listed = {
        int(code) for row in re.findall(r"^\| ([0-9, ]+) \|", text, re.M) for code in row.split(",")
    }
    assert listed == {int(code) for code in Code if code not in NEVER_IN_AN_ANSWER}


@BOTH
def test_every_test_that_is_named_exists(name: str) -> None:
    text = (TESTS.parent / "docs" / name).read_text("utf-8")
    named = re.findall(r"`([a-z_/]+\.py)::(test_\w+)`", text)
    assert len(named) > 20
    for file, test in named:
        assert f"def {test}(" in (TESTS / file).read_text("utf-8"), f"{file}::{test}"

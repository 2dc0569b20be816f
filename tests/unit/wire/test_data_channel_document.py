"""docs/data-channel.md says what the code does."""

import re
from pathlib import Path

import pytest

from aiges_wire import frames
from aiges_wire.frames import Kind

DOCS = Path(__file__).resolve().parents[3] / "docs"
BOTH = pytest.mark.parametrize("name", ["data-channel.md", "data-channel.zh.md"])


def examples(name: str) -> list[bytes]:
    """Return the frames that are shown, as bytes."""
    text = (DOCS / name).read_text("utf-8")
    return [
        bytes.fromhex("".join(found.split()))
        for found in re.findall(r"```hex\n(.*?)```", text, re.S)
    ]


@BOTH
def test_the_frames_that_are_shown_are_what_is_written(name: str) -> None:
    call, answer = examples(name)
    assert call == frames.call(7, "s1", {"sid": "s1"}, [("text", 5, 2, 3, {})]) + b"hello"
    assert answer == frames.answer(7, [("result", 5, 2, 3, {})], spent_us=9) + b"hello"


@BOTH
def test_the_layout_is_that_of_the_code(name: str) -> None:
    text = (DOCS / name).read_text("utf-8")
    rows = re.findall(r"^\| ([0-9]+) \| ([0-9]) \| ", text, re.M)
    ends = [int(offset) + int(size) for offset, size in rows]
    assert [0, *ends[:-1]] == [int(offset) for offset, _ in rows]
    assert ends[-1] == frames.HEADER_BYTES
    for kind in Kind:
        assert f"{kind.value} {kind.name}" in text
    for number in (frames.MAX_ITEMS, frames.MAX_TOGETHER - 1):
        assert str(number) in text

"""Frames of the data channel: what is written can be read, and nothing else can."""

import contextlib
import struct

import orjson
import pytest
from hypothesis import given, strategies as st

from aiges_wire import frames
from aiges_wire.frames import FrameError, Kind

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NUMBERS = st.integers(0, 2**32 - 1)
ITEMS = st.lists(
    st.tuples(TEXTS, st.integers(0, 2**20), NUMBERS, NUMBERS, st.dictionaries(TEXTS, TEXTS)),
    max_size=4,
)
CODECS = pytest.mark.parametrize(
    ("dumps", "loads"),
    [(frames.dumps, frames.loads), (orjson.dumps, frames.loads), (frames.dumps, orjson.loads)],
    ids=["json", "orjson writes", "orjson reads"],
)
"""The two sides use different libraries for the meta."""


def parted(whole: bytes) -> tuple[frames.Header, bytes]:
    header = frames.read_header(whole)
    return header, whole[frames.HEADER_BYTES :]


@CODECS
@given(
    TEXTS,
    st.dictionaries(TEXTS, TEXTS),
    ITEMS,
    st.integers(0, 2**64 - 1),
    NUMBERS,
    st.integers(0, frames.MAX_TOGETHER - 1),
)
def test_a_call_is_read_as_it_was_written(  # noqa: PLR0917
    dumps: frames.Dumps,
    loads: frames.Loads,
    tag: str,
    params: dict[str, str],
    items: list[frames.Item],
    deadline_us: int,
    number: int,
    more: int,
) -> None:
    head = frames.call(number, tag, params, items, deadline_us=deadline_us, more=more, dumps=dumps)
    header, meta = parted(head)
    size = sum(item[1] for item in items)
    assert header == (Kind.CALL, number, len(meta), deadline_us, size, more)
    assert frames.read_call(header, meta, loads=loads) == (tag, params, items)


@CODECS
@given(ITEMS, st.integers(0, 2**64 - 1), NUMBERS)
def test_an_answer_is_read_as_it_was_written(
    dumps: frames.Dumps,
    loads: frames.Loads,
    items: list[frames.Item],
    spent_us: int,
    number: int,
) -> None:
    header, meta = parted(frames.answer(number, items, spent_us=spent_us, dumps=dumps))
    assert (header.kind, header.call, header.number) == (Kind.ANSWER, number, spent_us)
    assert frames.read_answer(header, meta, loads=loads) == items


@CODECS
@given(st.integers(-(2**31), 2**31 - 1), TEXTS, NUMBERS, st.integers(0, 20_000))
def test_a_failure_is_read_as_it_was_written(  # noqa: PLR0917
    dumps: frames.Dumps, loads: frames.Loads, code: int, text: str, number: int, step: int
) -> None:
    header, meta = parted(frames.failure(number, code, text, step=step, dumps=dumps))
    assert (header.kind, header.call, header.data_bytes) == (Kind.FAILURE, number, 0)
    assert frames.read_failure(header, meta, loads=loads) == (code, text, step)


def test_the_layout_is_the_documented_one() -> None:
    whole = frames.answer(0x01020304, [("k", 5, 2, 3, {"a": "b"})], spent_us=9)
    assert whole[:4] == bytes([2, 1, 0, 0])
    assert whole[4:8] == bytes([4, 3, 2, 1])
    meta = b'[[["k",5,2,3,{"a":"b"}]]]'
    assert struct.unpack("<IIQQ", whole[8:32]) == (len(meta), 0, 9, 5)
    assert whole[32:] == meta


@given(st.binary(max_size=200))
def test_noise_is_a_frame_error_or_a_frame_but_never_anything_else(noise: bytes) -> None:
    whole = noise.ljust(frames.HEADER_BYTES, b"\0")
    with contextlib.suppress(FrameError):
        frames.read_header(whole)
    for kind in Kind:
        header = frames.Header(kind, 1, len(noise), 0, 3)
        for loads in (frames.loads, orjson.loads):
            for read in (frames.read_call, frames.read_answer, frames.read_failure):
                with contextlib.suppress(FrameError):
                    read(header, noise, loads=loads)  # type: ignore[operator]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text("ab"),
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.text("ab"), inner, max_size=2)
        ),
    )
)
def test_json_of_another_shape_is_a_frame_error(value: object) -> None:
    meta = orjson.dumps(value)
    header = frames.Header(Kind.ANSWER, 1, len(meta), 0, 0)
    for read in (frames.read_call, frames.read_answer, frames.read_failure):
        with contextlib.suppress(FrameError):
            read(header, meta)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("meta", "problem"),
    [
        (b"[[]", "meta is not JSON"),
        (b"\xff", "meta is not JSON"),
        (b"[" * 100_000, "meta is not JSON"),
        (b"{}", r"expected \[tag, params, items\]"),
        (b'["t",{"a":1},[]]', "expected texts in params, got 1"),
        (b'["t",{},[["k",1,0,0]]]', "expected .key, size, type, status, desc. as an item"),
        (b'["t",{},[["k",-1,0,0,{}]]]', "a number is out of range"),
        (b'["t",{},[["k",3,4294967296,0,{}]]]', "a number is out of range"),
        (b'["t",{},[["k",3,0,0,{"a":null}]]]', "expected texts in desc"),
        (b'["t",{},[["k",2,0,0,{}]]]', "do not add up"),
        (b'["t",{},[%b["k",3,0,0,{}]]]' % (b'["k",0,0,0,{}],' * 4096), "4097 items, at most 4096"),
    ],
)
def test_what_is_wrong_with_a_call_is_said(meta: bytes, problem: str) -> None:
    header = frames.Header(Kind.CALL, 1, len(meta), 0, 3)
    with pytest.raises(FrameError, match=problem):
        frames.read_call(header, meta)


@pytest.mark.parametrize("at", [2, 3, 12, 13, 14, 15])
def test_reserved_bytes_are_zero(at: int) -> None:
    whole = bytearray(frames.failure(1, 5, "x"))
    whole[at] = 1
    with pytest.raises(FrameError, match="reserved"):
        frames.read_header(whole)


def test_what_is_too_long_is_not_even_written() -> None:
    with pytest.raises(FrameError, match="at most 2147483647"):
        frames.answer(1, [("k", frames.MAX_DATA_BYTES + 1, 0, 3, {})])


@given(st.lists(st.binary(max_size=5), max_size=6), st.integers(0, 30))
def test_what_is_behind_the_first_bytes_is_the_rest(buffers: list[bytes], count: int) -> None:
    whole = b"".join(buffers)
    assert b"".join(frames.behind(buffers, min(count, len(whole)))) == whole[count:]

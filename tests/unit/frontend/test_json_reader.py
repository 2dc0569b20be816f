"""The careful JSON reader: agreement with the fast one, limits, and speed on hostile bodies."""

import contextlib
import json
import time
from collections.abc import Callable

import orjson
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from aiges_loader.frontend import json_reader
from aiges_loader.frontend.json_errors import JsonError
from aiges_loader.frontend.json_reader import MAX_DEPTH, OutOfRange, read
from aiges_loader.frontend.json_writer import compact

PATIENT = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
)
VALUES: st.SearchStrategy[object] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=40,
)
FRAGMENTS = st.sampled_from(
    ['{', '}', '[', ']', ':', ',', '"a"', '"', "\\", "\\u", "d800", "1", "-", ".", "e", "0", "true",
     "nul", " ", "\n", "é", '"b":', "[1,2,", '{"a":{'],
)  # fmt: skip


@PATIENT
@given(VALUES, st.booleans(), st.sampled_from([None, 1]))
def test_it_reads_what_json_writers_write(value: object, ascii_only: bool, indent: int) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    assert read(text.encode()).value == value


@PATIENT
@given(st.lists(FRAGMENTS).map("".join).map(str.encode) | st.binary(max_size=12))
def test_it_accepts_all_that_the_fast_reader_accepts_and_agrees(body: bytes) -> None:
    try:
        expected = orjson.loads(body)
    except orjson.JSONDecodeError:
        try:
            read(body)
        except JsonError:
            return
    else:
        assert read(body).value == expected


@PATIENT
@given(st.lists(FRAGMENTS).map("".join).map(str.encode) | st.binary(max_size=12))
def test_what_it_reads_can_be_written_and_read_by_the_fast_reader(body: bytes) -> None:
    try:
        document = read(body)
    except JsonError:
        return
    if not document.out_of_range:
        orjson.loads(compact(document.value))


def test_integers_are_exact_and_fractions_are_floats() -> None:
    body = b'{"long": 123456789012345678901234567890, "list": [1.5, -0.25, 1e2], "one": 1.0}'
    value = read(body).value
    assert value == {
        "long": 123456789012345678901234567890,
        "list": [1.5, -0.25, 100.0],
        "one": 1.0,
    }
    assert isinstance(value, dict)
    assert isinstance(value["one"], float)


@pytest.mark.parametrize("literal", ["1e999", "-1e999", "9" * 309, "1" + "0" * 309])
def test_a_number_beyond_float64_keeps_its_literal(literal: str) -> None:
    document = read(f"[{literal}, 1]".encode())
    assert document.out_of_range
    assert isinstance(document.value, list)
    number = document.value[0]
    assert isinstance(number, OutOfRange)
    assert number.literal == literal


def test_an_integer_of_309_digits_within_float64_is_exact() -> None:
    assert read(b"1" + b"0" * 308).value == 10**308


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'["\xff\xfe"]', ["\ufffd\ufffd"]),
        (b'["\xe4\xb8", 1]', ["\ufffd\ufffd", 1]),
        (b'["\xed\xa0\x80"]', ["\ufffd\ufffd\ufffd"]),
        (rb'["\ud800"]', ["\ufffd"]),
        (rb'["\ud800\ud83d\ude00\udc00"]', ["\ufffd\U0001f600\ufffd"]),
        (b'["\\ud800\xff"]', ["\ufffd\ufffd"]),
        (b'{"\xff": {"\\udfff": 1}}', {"\ufffd": {"\ufffd": 1}}),
        (b'[{"a\xff": "b\xff"}, 1]', [{"a\ufffd": "b\ufffd"}, 1]),
    ],
)
def test_bad_bytes_and_lone_surrogates_become_replacement_characters(
    body: bytes, value: object
) -> None:
    assert read(body).value == value


def test_the_last_of_repeated_keys_counts() -> None:
    assert read(b'{"a": 1, "b": [[[]]], "a": [[[1]]], "c": 1, "c": 2}').value == {
        "a": [[[1]]],
        "b": [[[]]],
        "c": 2,
    }


@pytest.mark.parametrize("inmost", [b"[]", b"[1]", b"{}", b'{"a": 1}'])
@pytest.mark.parametrize(("opener", "closer"), [(b"[", b"]"), (b'{"a":', b"}"), (b"[1, ", b", 2]")])
def test_both_readers_stop_at_the_same_depth(opener: bytes, closer: bytes, inmost: bytes) -> None:
    deepest = opener * (MAX_DEPTH - 1) + inmost + closer * (MAX_DEPTH - 1)
    assert compact(read(deepest).value) == compact(orjson.loads(deepest))
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(opener + deepest + closer)
    with pytest.raises(JsonError, match=r"^invalid character '[\[{]' exceeded max depth$"):
        read(opener + deepest + closer)


MEGABYTE = 1_000_000


@pytest.mark.parametrize(
    "make",
    [
        lambda: b"[" * MEGABYTE,
        lambda: b'"\\' * (MEGABYTE // 2),
        lambda: b'"' + b"\\\\" * (MEGABYTE // 2),
        lambda: b'"' + b"\\ud800" * (MEGABYTE // 6) + b'"',
        lambda: b'{"a":' * 1024 + b"[" + b"1," * 100_000,
        lambda: b"{" + b",".join(b'"%d":%d' % (n, n) for n in range(MEGABYTE // 12)) + b"} x",
        lambda: b"[" + b"1," * (MEGABYTE // 2) + b"1] x",
        lambda: b"[" + b"[[0.5]]," * (MEGABYTE // 8) + b"1] x",
        lambda: b"[" + b"[[[[]]]]," * (MEGABYTE // 9) + b"1] x",
        lambda: b'["' + b"\xff" * MEGABYTE + b'"]',
        lambda: b"[" + b"1" * MEGABYTE + b"]",
        lambda: b"[0." + b"1" * MEGABYTE + b"] x",
        lambda: b" " * MEGABYTE,
        lambda: (b"[" + b"1," * 500) * 1000,
    ],
    ids=[
        "openers",
        "quotes and backslashes",
        "backslashes",
        "surrogates",
        "deep objects",
        "many keys",
        "many numbers",
        "many lists",
        "many deeper lists",
        "bad bytes",
        "long integer",
        "long fraction",
        "white space",
        "deep and wide",
    ],
)
def test_a_hostile_megabyte_takes_no_long_time(make: Callable[[], bytes]) -> None:
    body = make()
    begin = time.process_time()
    with contextlib.suppress(JsonError):
        read(body)
    assert time.process_time() - begin < 5.0


def test_ten_megabytes_with_one_bad_byte_take_no_long_time() -> None:
    body = b'{"payload": {"a": {"text": "' + b"QUFB" * 2_500_000 + b'", "name": "\xff"}}}'
    begin = time.process_time()
    value = json_reader.read(body).value
    assert time.process_time() - begin < 2.0
    assert value == {"payload": {"a": {"text": "QUFB" * 2_500_000, "name": "\ufffd"}}}

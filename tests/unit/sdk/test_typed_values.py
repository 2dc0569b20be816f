"""Parameters as text, and inputs as bytes, to what a typed method gets."""

import enum
import gzip
import json
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, strategies as st

from aiges._runtime.param_values import Param, kind_of, text_of
from aiges._runtime.payloads import MAX_TEXT_BYTES, BadValueError, item_of, received
from aiges.dto import DataListNode
from aiges.typed import Audio, Image, Json, Text


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


def read(annotation: Any, text: str, **param: Any) -> Any:
    kind = kind_of(annotation, Param(**param))
    assert kind is not None
    return kind.read(text)


@pytest.mark.parametrize(
    ("annotation", "text", "value"),
    [
        (str, "", ""),
        (str, "中", "中"),
        (int, "3", 3),
        (int, "-07", -7),
        (int, "123456789012345678901234567890", 123456789012345678901234567890),
        (int, "6755399441055744p-51", 3),
        (float, "3", 3.0),
        (float, "0.25", 0.25),
        (float, "-1.5e-3", -0.0015),
        (float, ".5", 0.5),
        (float, "4503599627370496p-54", 0.25),
        (bool, "true", True),
        (bool, "False", False),
        (bool, "1", True),
        (Literal["a", "b"], "b", "b"),
        (Literal[1, 2], "2", 2),
        (Literal[0.5, 1], "1.0", 1),
        (Level, "2", Level.HIGH),
    ],
)
def test_text_becomes_what_the_type_says(annotation: Any, text: str, value: object) -> None:
    found = read(annotation, text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("annotation", "param", "text", "words"),
    [
        (int, {}, "abc", 'expected a whole number, got "abc"'),
        (int, {}, "3.5", 'expected a whole number, got "3.5"'),
        (int, {}, "", 'expected a whole number, got ""'),
        (int, {}, "٣", "expected a whole number"),
        (int, {}, "1_0", "expected a whole number"),
        (int, {}, " 1", "expected a whole number"),
        (int, {}, "4503599627370496p-54", "expected a whole number"),
        (int, {}, "1p+9999", "expected a whole number"),
        (int, {"minimum": 1, "maximum": 3}, "4", 'expected a whole number from 1 to 3, got "4"'),
        (float, {}, "nan", 'expected a number, got "nan"'),
        (float, {}, "inf", "expected a number"),
        (float, {}, "1e999", "expected a number"),
        (float, {}, "0x10", "expected a number"),
        (float, {"minimum": 0.5}, "0.4", "expected a number from 0.5, got"),
        (bool, {}, "yes", 'expected true or false, got "yes"'),
        (str, {"minLength": 2}, "a", 'expected text of at least 2 characters, got "a"'),
        (str, {"maxLength": 2}, "abc", 'expected text of at most 2 characters, got "abc"'),
        (str, {"minLength": 1, "maxLength": 2}, "", "of at least 1 characters and at most 2"),
        (str, {"enums": ["x", "y"]}, "z", 'expected one of "x", "y", got "z"'),
        (str, {"maxLength": 2}, "a" * 500, f'got "{"a" * 60}..."'),
        (Literal["a"], {}, "A", 'expected one of "a", got "A"'),
        (Level, {}, "3", 'expected one of 1, 2, got "3"'),
    ],
)
def test_other_text_is_refused_in_words(
    annotation: Any, param: dict[str, Any], text: str, words: str
) -> None:
    with pytest.raises(BadValueError) as caught:
        read(annotation, text, **param)
    assert words in str(caught.value)


@given(st.integers(-(10**200), 10**200))
def test_whole_numbers_survive_the_way_as_text(number: int) -> None:
    assert read(int, text_of(number)) == number


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_survive_the_way_as_text(number: float) -> None:
    assert read(float, text_of(number)) == number


@given(st.text())
def test_no_text_does_anything_but_become_a_value_or_be_refused(text: str) -> None:
    for annotation in (int, float, bool, Literal["a"], Literal[1]):
        try:
            read(annotation, text)
        except BadValueError:
            continue


def test_what_a_local_run_gives_is_text_as_hosts_write_it() -> None:
    assert [text_of(v) for v in (True, False, 3, 0.5, "x", b"y")] == [
        "true",
        "false",
        "3",
        "0.5",
        "x",
        "y",
    ]


def node(data: bytes, data_type: int = 0, **desc: str) -> DataListNode:
    made = DataListNode()
    made.key, made.data, made.len, made.type, made.desc = "n", data, len(data), data_type, desc
    return made


@pytest.mark.parametrize(
    ("given_node", "text"),
    [
        (node("中".encode()), "中"),
        (node("中".encode(), encoding="UTF8"), "中"),
        (node("中文".encode("gbk"), encoding="gbk"), "中文"),
        (node("中文".encode("gb18030"), encoding="gb2312"), "中文"),
        (node(gzip.compress("中".encode()), compress="gzip"), "中"),
        (node(b"raw", compress="raw"), "raw"),
        (node(b""), ""),
    ],
)
def test_text_is_decoded_by_its_attributes(given_node: DataListNode, text: str) -> None:
    assert str(received(Text, given_node, "utf8")) == text


@pytest.mark.parametrize(
    ("kind", "given_node", "words"),
    [
        (Text, node(b"\xff"), "payload 'n': is not utf8: byte 0"),
        (Text, node(b"x", encoding="base64"), "payload 'n': encoding: expected one of"),
        (Text, node(b"x", compress="lz4"), 'compress: expected "raw" or "gzip", got "lz4"'),
        (Text, node(b"xyzabc", compress="gzip"), "payload 'n': is no gzip"),
        (Text, node(gzip.compress(b"abc")[:-9], compress="gzip"), "payload 'n': is cut off"),
        (
            Text,
            node(gzip.compress(b"a" * (MAX_TEXT_BYTES + 1)), compress="gzip"),
            f"is longer than {MAX_TEXT_BYTES} bytes",
        ),
        (Text, node(b"x", 2), "payload 'n': expected text, got image"),
        (Json, node(b"{"), "payload 'n': is no JSON: "),
        (Image, node(b"x", 1), "payload 'n': expected image, got audio"),
        (Audio, node(b"x", 4), "payload 'n': expected audio, got type 4"),
    ],
)
def test_an_input_that_is_not_what_it_should_be_is_refused_by_name(
    kind: Any, given_node: DataListNode, words: str
) -> None:
    with pytest.raises(BadValueError) as caught:
        received(kind, given_node, "")
    assert words in str(caught.value)


def test_the_client_s_attributes_come_with_an_input() -> None:
    image = received(Image, node(b"\x89", 2, encoding="png", dpi="300"), "jpg")
    assert image == Image(b"\x89", encoding="png", attributes={"dpi": "300"})
    assert received(Audio, node(b"\0", 1), "raw") == Audio(b"\0", encoding="raw")


def test_outputs_are_sent_as_what_they_are() -> None:
    sent = [
        item_of("k", payload, encoding)
        for payload, encoding in (
            (Text("中"), ""),
            (Json({"a": "中"}), ""),
            (Image(b"\x89", attributes={"dpi": "72"}), "png"),
            (Audio(b"\0", encoding="pcm", status=1), "raw"),
        )
    ]
    assert [(item.data, item.type, item.status, dict(item.desc)) for item in sent] == [
        ("中".encode(), 0, 3, {}),
        (json.dumps({"a": "中"}, ensure_ascii=False).encode(), 0, 3, {}),
        (b"\x89", 2, 3, {"dpi": "72", "encoding": "png"}),
        (b"\0", 1, 1, {"encoding": "pcm"}),
    ]
    with pytest.raises(TypeError):
        item_of("k", Json(object()), "")
    with pytest.raises(ValueError, match="not JSON compliant"):
        item_of("k", Json(float("nan")), "")


def test_an_annotated_type_is_no_kind_by_itself() -> None:
    assert kind_of(Annotated[int, 1], Param()) is None
    assert kind_of(bytes, Param()) is None

"""Requests decoded, replies encoded: rules that the recordings do not show, and any input."""

import base64
import json
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from aiges_loader.calls import Datum, Reply
from aiges_loader.errors import (
    BadOutputError,
    BadPayloadError,
    BadRequestError,
    CallError,
    NoInputError,
    NoLicenceError,
    WrapperError,
)
from aiges_loader.frontend.codec import (
    Expectation,
    Request,
    decode_request,
    encode_error,
    encode_reply,
)
from aiges_wire.codes import DataType
from aiges_wire.frames import MAX_ITEMS


def decode(
    body: bytes | dict[str, Any],
    *,
    header_pass: tuple[str, ...] = ("sid",),
    declared_inputs: tuple[str, ...] = (),
) -> Request:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return decode_request(
        data, sid="the-sid", header_pass=header_pass, declared_inputs=declared_inputs
    )


def params_of(members: str) -> dict[str, str]:
    """Decode parameters given as JSON text; "sid" is left out."""
    body = f'{{"parameter": {{"s": {members}}}, "payload": {{"a": {{}}}}}}'
    params = dict(decode(body.encode()).call.params)
    assert params.pop("sid") == "the-sid"
    return params


def datum_of(entry: str) -> Datum:
    """Decode the one payload entry "a" given as JSON text."""
    (datum,) = decode(f'{{"payload": {{"a": {entry}}}}}'.encode()).call.inputs
    return datum


@pytest.mark.parametrize(
    ("literal", "text"),
    [
        ("3", "3"),
        ("0.25", "0.25"),
        ("1.0", "1"),
        ("1e6", "1000000"),
        ("1e21", "1000000000000000000000"),
        ("1e-7", "0.0000001"),
        ("-0.0", "0"),
        ("18446744073709551615", "18446744073709551615"),
        ("18446744073709551616", "18446744073709551616"),
        ("-9223372036854775809", "-9223372036854775809"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("1e23", "100000000000000000000000"),
        ("true", "true"),
        ("false", "false"),
        ('"x"', "x"),
        ('""', ""),
    ],
)
def test_a_scalar_parameter_becomes_text(literal: str, text: str) -> None:
    assert params_of(f'{{"p": {literal}}}') == {"p": text}


def test_null_and_arrays_are_no_parameters() -> None:
    assert params_of('{"a": null, "b": [1], "c": [], "d": 1}') == {"d": "1"}


def test_services_are_merged_and_the_later_one_wins() -> None:
    body = b'{"parameter": {"s": {"a": 1, "b": 2}, "t": {"a": 3}, "u": null}, "payload": {"x": {}}}'
    assert decode(body).call.params == {"a": "3", "b": "2", "sid": "the-sid"}


def test_big_integers_are_exact_in_headers_and_attributes_too() -> None:
    body = (
        b'{"header": {"id": 98765432109876543210},'
        b' "payload": {"a": {"stamp": 12345678901234567890123}}}'
    )
    request = decode(body, header_pass=("id",))
    assert request.call.params["id"] == "98765432109876543210"
    assert request.call.inputs[0].desc == {"stamp": "12345678901234567890123"}


def test_headers_that_pass_become_params_and_missing_ones_are_empty() -> None:
    header = {"appid": "a1", "n": 1.5, "yes": True, "null": None, "list": [1], "map": {}}
    body = {"header": header, "payload": {"a": {}}}
    passed = ("appid", "n", "yes", "null", "list", "map", "absent", "APPID")
    assert decode(body, header_pass=passed).call.params == {
        "appid": "a1",
        "n": "1.5",
        "yes": "true",
        "null": "",
        "list": "",
        "map": "",
        "absent": "",
        "APPID": "",
        "sid": "the-sid",
    }


def test_a_header_cannot_set_the_sid_but_a_parameter_can() -> None:
    body: dict[str, Any] = {"header": {"sid": "forged"}, "payload": {"a": {}}}
    assert decode(body).call.params == {"sid": "the-sid"}
    body["parameter"] = {"s": {"sid": "mine", "appid": "p"}}
    body["header"]["appid"] = "h"
    call = decode(body, header_pass=("sid", "appid")).call
    assert call.params == {"sid": "mine", "appid": "p"}
    assert call.sid == "the-sid"


def test_declared_inputs_come_first_in_their_order_then_the_request_s() -> None:
    body = {"payload": {name: {} for name in ("z", "b", "y", "a", "x")}}
    inputs = decode(body, declared_inputs=("a", "b", "absent")).call.inputs
    assert [datum.key for datum in inputs] == ["a", "b", "z", "y", "x"]


def test_attributes_of_a_payload_reach_the_wrapper_as_text() -> None:
    datum = datum_of(
        '{"audio": "AAE=", "status": 2, "encoding": "raw", "sample_rate": 16000, "gain": 0.5,'
        ' "stereo": false, "none": null, "list": [1], "map": {"a": 1}}'
    )
    assert datum == Datum(
        "a",
        b"\x00\x01",
        DataType.AUDIO,
        2,
        {"encoding": "raw", "sample_rate": "16000", "gain": "0.5", "stereo": "false"},
    )


def test_the_first_data_field_counts_and_the_other_is_an_attribute() -> None:
    assert datum_of('{"image": "AAE=", "text": "aGk="}') == Datum(
        "a", b"hi", DataType.TEXT, 0, {"image": "AAE="}
    )


@pytest.mark.parametrize("entry", ["{}", "null", '{"blob": []}'])
def test_an_entry_without_a_data_field_is_empty_text(entry: str) -> None:
    assert datum_of(entry) == Datum("a", b"", DataType.TEXT, 0, {})


@pytest.mark.parametrize(
    ("status", "number"),
    [
        ("3", 3),
        ("2.7", 3),
        ("2.2", 2),
        ("-1", 2**32 - 1),
        ("4294967296", 0),
        ("4294967299", 3),
        ("1e300", 0),
        ("99999999999999999999", 0),
        ('"2"', 2),
        ('"-1"', 2**32 - 1),
        ('"+2"', 2),
        ('"002"', 2),
        (f'"{"0" * 6000}2"', 2),
        (f'"{"9" * 6000}"', 0),
        ('"9223372036854775808"', 0),
        ('"2.0"', 0),
        ('" 2"', 0),
        ('"1_0"', 0),
        ('"٣"', 0),
        ('""', 0),
        ('"end"', 0),
        ("true", 0),
        ("null", 0),
        ("[3]", 0),
        ("{}", 0),
    ],
)
def test_a_status_is_an_integer_or_0(status: str, number: int) -> None:
    assert datum_of(f'{{"status": {status}}}').status == number


@pytest.mark.parametrize("field", ["text", "image", "audio", "video", "other"])
def test_a_data_field_names_the_type_whatever_was_declared(field: str) -> None:
    datum = datum_of(f'{{"{field}": "aGk="}}')
    assert datum.data == b"hi"
    assert datum.type == DataType[field.upper()]


@pytest.mark.parametrize(
    ("value", "data"),
    [
        ("[1, 2.0, null, true]", b"[1,2,null,true]\n"),
        ("[]", b"[]\n"),
        ('{"b": 1e21, "a": 1e-7}', b'{"a":1e-7,"b":1e+21}\n'),
        (r'["<&>\u2028\u2029"]', rb'["\u003c\u0026\u003e\u2028\u2029"]' + b"\n"),
    ],
)
def test_an_array_or_object_is_its_compact_json(value: str, data: bytes) -> None:
    assert datum_of(f'{{"text": {value}}}').data == data


def test_json_data_of_any_depth_is_written_without_recursion() -> None:
    deep = "[" * 1000 + "]" * 1000
    assert datum_of(f'{{"other": {deep}}}').data == f"{deep}\n".encode()


@pytest.mark.parametrize(
    ("value", "kind"), [("1", "float64"), ("1.5", "float64"), ("false", "bool"), ("null", "<nil>")]
)
def test_a_number_bool_or_null_is_no_data(value: str, kind: str) -> None:
    with pytest.raises(BadPayloadError) as caught:
        datum_of(f'{{"text": {value}}}')
    assert str(caught.value) == f"not support type of payload:{kind}"


@pytest.mark.parametrize("body", [b"{}", b"null", b'{"payload": {}}', b'{"payload": null} x'])
def test_no_payload_is_an_error_at_once(body: bytes) -> None:
    with pytest.raises(NoInputError, match=r"^input invalid data$"):
        decode(body)


def test_a_payload_may_not_have_more_entries_than_a_worker_takes() -> None:
    entries = ",".join(f'"{number}": {{}}' for number in range(MAX_ITEMS + 1))
    with pytest.raises(BadRequestError, match="payload: 4097 entries, at most 4096"):
        decode(f'{{"payload": {{{entries}}}}}'.encode())


def test_section_names_match_in_any_case_and_the_last_counts() -> None:
    body = (
        b'{"PayLoad": {"a": {}}, "PAYLOAD": {"b": {}}, "parameter": {"s": {"p": 1}},'
        b' "Parameter": {"s": {"q": 2}}, "payloads": 1}'
    )
    call = decode(body).call
    assert [datum.key for datum in call.inputs] == ["b"]
    assert call.params == {"q": "2", "sid": "the-sid"}


def test_names_inside_the_sections_are_case_sensitive() -> None:
    assert datum_of('{"Text": "aGk=", "STATUS": 3}') == Datum(
        "a", b"", DataType.TEXT, 0, {"Text": "aGk=", "STATUS": "3"}
    )


def test_an_expectation_keeps_its_type_and_what_to_repeat() -> None:
    body = b"""{"parameter": {"s": {
        "a": {"data_type": "image", "encoding": "png", "compress": "raw", "format": "f", "x": 1},
        "b": {"data_type": "movie"}, "c": {"data_type": ["text"]}, "d": {"data_type": "video"},
        "e": {"data_type": "audio"}, "f": {"data_type": "other"}, "g": {"data_type": null}
    }}, "payload": {"i": {}}}"""
    expectations = decode(body).expectations
    assert expectations["a"] == Expectation(
        DataType.IMAGE, {"encoding": "png", "compress": "raw", "format": "f"}
    )
    assert {key: expectation.type for key, expectation in expectations.items()} == {
        "a": DataType.IMAGE,
        "b": DataType.OTHER,
        "c": DataType.OTHER,
        "d": DataType.VIDEO,
        "e": DataType.AUDIO,
        "f": DataType.OTHER,
        "g": DataType.OTHER,
    }


@pytest.mark.parametrize("name", ["encoding", "compress", "format"])
@pytest.mark.parametrize(
    ("value", "kind"),
    [("5", "number"), ("null", "null"), ("true", "bool"), ("[]", "array"), ("{}", "object")],
)
def test_an_attribute_to_repeat_must_be_text(name: str, value: str, kind: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        params_of(f'{{"out": {{"{name}": {value}}}}}')
    assert str(caught.value) == f"parameter.s.out.{name}: expected a string, got {kind}"


TEXT = Expectation(DataType.TEXT, {})


def test_a_reply_is_one_line_with_sorted_keys() -> None:
    reply = Reply((Datum("z", b"\x01\x02", DataType.IMAGE, 3), Datum("a", b"hi", 0, 3)))
    expectations = {"z": Expectation(DataType.IMAGE, {"format": "f", "encoding": "e"}), "a": TEXT}
    assert encode_reply(reply, "s", expectations) == (
        b'{"header":{"code":0,"sid":"s","status":3},"payload":{'
        b'"a":{"seq":"0","status":"3","text":"hi"},'
        b'"z":{"encoding":"e","format":"f","image":"AQI=","seq":"0","status":"3"}}}\n'
    )


def test_text_is_not_escaped_more_than_needed() -> None:
    text = '<a href="x">&\u2028\u2029中文😀\x00\x07\n\t"\\/</a>'
    answer = encode_reply(Reply((Datum("a", text.encode(), 0, 3),)), "s", {"a": TEXT})
    assert b"<a href=" in answer
    assert "&\\u2028\\u2029中文😀\\u0000\\u0007\\n\\t".encode() in answer
    assert json.loads(answer)["payload"]["a"]["text"] == text


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"ok\xff\xfe\x80end", "ok\ufffd\ufffd\ufffdend"),
        (b"\xe4\xb8", "\ufffd\ufffd"),
        (b"\xed\xa0\x80", "\ufffd\ufffd\ufffd"),
        (b"\xf0\x9f\x98x", "\ufffd\ufffd\ufffdx"),
    ],
)
def test_each_byte_that_is_not_utf_8_is_replaced(data: bytes, text: str) -> None:
    answer = encode_reply(Reply((Datum("a", data, 0, 3),)), "s", {"a": TEXT})
    assert json.loads(answer)["payload"]["a"]["text"] == text


def test_the_status_of_the_last_output_stands_for_all() -> None:
    reply = Reply((Datum("a", b"", 0, 1), Datum("b", b"", 0, 9)))
    answer = json.loads(encode_reply(reply, "s", {"a": TEXT, "b": TEXT}))
    assert answer["header"]["status"] == 9
    assert [answer["payload"][key]["status"] for key in "ab"] == ["9", "9"]


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (Datum("b", b"", 0, 3), "wrapper output data is nil "),
        (Datum("a", b"", DataType.IMAGE, 3), "wrapper output data invalid(key or type)"),
        (Datum("a", b"", 77, 3), "wrapper output data invalid(key or type)"),
    ],
)
def test_an_output_that_is_not_expected_is_an_error(output: Datum, message: str) -> None:
    with pytest.raises(BadOutputError) as caught:
        encode_reply(Reply((Datum("a", b"", 0, 3), output)), "s", {"a": TEXT})
    assert str(caught.value) == message


def test_an_error_is_one_line_with_a_null_payload() -> None:
    assert encode_error(NoLicenceError(), "s") == (
        b'{"header":{"code":10110,"message":"service license not enough","sid":"s"},'
        b'"payload":null}\n'
    )


def test_an_error_s_text_may_hold_anything() -> None:
    answer = json.loads(encode_error(WrapperError(-7, "\udcff 中 \x00"), "s"))
    assert answer["header"]["code"] == -7
    assert "中 \x00" in answer["header"]["message"]


PATIENT = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
    | st.binary(max_size=6).map(lambda data: base64.b64encode(data).decode()),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["text", "image", "status", "encoding", "data_type", "a", "b"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)
ENTRIES = st.dictionaries(st.sampled_from(["a", "b", "text"]), JSON, max_size=3) | JSON
BODIES = st.dictionaries(
    st.sampled_from(["header", "Parameter", "parameter", "payload", "PAYLOAD", "x"]), ENTRIES
)


def outcome_of(body: bytes) -> Request | tuple[type[CallError], str]:
    """Decode `body`; anything but a request or a `CallError` fails the test."""
    try:
        return decode(body, header_pass=("sid", "a"), declared_inputs=("b",))
    except CallError as error:
        answer = json.loads(encode_error(error, "s"))
        return type(error), answer["header"]["message"]


def assert_whole(outcome: Request | tuple[type[CallError], str]) -> None:
    if isinstance(outcome, Request):
        assert outcome.call.inputs
        assert set(outcome.call.params) >= {"sid", "a"}
        assert all(isinstance(text, str) for text in outcome.call.params.values())


@PATIENT
@given(st.binary(max_size=60))
def test_any_bytes_are_a_request_or_a_call_error(body: bytes) -> None:
    assert_whole(outcome_of(body))


@PATIENT
@given(BODIES | JSON)
def test_any_json_is_a_request_or_a_call_error(body: object) -> None:
    assert_whole(outcome_of(json.dumps(body).encode()))


@PATIENT
@given(BODIES, st.sampled_from([b" x", b"\x00", b"{", b"\xff"]))
def test_what_follows_the_document_changes_nothing(body: object, behind: bytes) -> None:
    document = json.dumps(body).encode()
    assert outcome_of(document + behind) == outcome_of(document)


OUTPUTS = st.builds(
    Datum,
    key=st.sampled_from(["a", "b", "é<"]),
    data=st.binary(max_size=20) | st.text(max_size=9).map(lambda t: t.encode(errors="replace")),
    type=st.sampled_from(list(DataType)),
    status=st.integers(-(2**31), 2**31),
)


@PATIENT
@given(st.lists(OUTPUTS, min_size=1, max_size=4))
def test_a_reply_reads_back_as_what_it_was(outputs: list[Datum]) -> None:
    last = {output.key: output for output in outputs}
    expectations = {key: Expectation(DataType(o.type), {"format": "f"}) for key, o in last.items()}
    try:
        answer = orjson.loads(encode_reply(Reply(tuple(outputs)), "s", expectations))
    except BadOutputError:
        assert any(output.type != last[output.key].type for output in outputs)
        return
    assert answer["header"] == {"code": 0, "sid": "s", "status": outputs[-1].status}
    assert set(answer["payload"]) == set(last)
    for key, output in last.items():
        field = DataType(output.type).name.lower()
        entry = answer["payload"][key]
        assert set(entry) == {"format", "seq", "status", field}
        if output.type != DataType.TEXT:
            assert base64.b64decode(entry[field]) == output.data
        elif "\ufffd" not in entry[field]:
            assert entry[field].encode() == output.data

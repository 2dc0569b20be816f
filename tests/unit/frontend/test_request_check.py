"""Requests against the schema that a wrapper of ours declares, and against others' schemas."""

# ruff: noqa: N815 - the names that wrappers must use.

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from aiges._runtime.describing import describe
from aiges.sdk import (
    AudioBodyField,
    BooleanParamField,
    ImageBodyField,
    IntegerParamField,
    JsonBodyField,
    NumberParamField,
    StringBodyField,
    StringParamField,
    WrapperBase,
)
from aiges_loader.errors import BadValueError, CallError, NoInputError
from aiges_loader.frontend.codec import decode_frame, decode_request
from aiges_loader.frontend.example import example_request
from aiges_loader.frontend.request_check import RequestCheck, request_schema
from aiges_loader.frontend.schema import SchemaError, Service, parse_schema
from aiges_wire.codes import Code


class Asked:
    mode = StringParamField(key="mode", enums=["fast", "good"], value="fast")
    name = StringParamField(key="name", minLength=2, maxLength=5, required=True)
    score = NumberParamField(key="score", minimum=0, maximum=1)
    count = IntegerParamField(key="count", minimum=1, maximum=10, value=3)
    flag = BooleanParamField(key="flag")
    img = ImageBodyField(key="img")
    said = StringBodyField(key="said", value=b"hello")
    sound = AudioBodyField(key="sound")
    facts = JsonBodyField(key="facts")


class Answered:
    result = StringBodyField(key="result")
    preview = ImageBodyField(key="preview")


class Wrapper(WrapperBase):
    serviceId = "demo"
    version = "v1"
    requestCls = Asked()
    responseCls = Answered()


GOLDEN = Path(__file__).resolve().parents[2] / "golden"
SERVICE = parse_schema(describe(Wrapper(), "demo"), service_name="svcName")
CHECK = RequestCheck(request_schema(SERVICE))


def request(service: str = "demo", **changes: Any) -> dict[str, Any]:
    """Return a request that passes but for `changes`: place, with __ between its parts -> value."""
    made: dict[str, Any] = {
        "header": {"appid": "a", "status": 3},
        "parameter": {
            service: {"name": "abc", "result": {"encoding": "utf8", "data_type": "text"}}
        },
        "payload": {
            "img": {"encoding": "jpg", "status": 3, "image": "AAAA"},
            "said": {
                "encoding": "utf8",
                "compress": "raw",
                "format": "plain",
                "status": 3,
                "text": "aGVsbG8=",
            },
        },
    }
    for place, value in changes.items():
        *parents, last = place.split("__")
        part = made
        for name in parents:
            part = part[name]
        if value is ...:
            del part[last]
        else:
            part[last] = value
    return made


def refusal(body: dict[str, Any], service: Service = SERVICE) -> str:
    """Return why a request is refused, "" if it is not."""
    check = RequestCheck(request_schema(service))
    try:
        decode_request(
            json.dumps(body).encode(), sid="s", header_pass=(), declared_inputs=(), check=check
        )
    except BadValueError as error:
        assert (error.code, error.status) == (Code.BAD_VALUE, 400)
        return str(error)
    return ""


@pytest.mark.parametrize(
    "body",
    [
        request(),
        request("svcName"),
        request(parameter__demo__mode="good", parameter__demo__score=0.5),
        request(parameter__demo__count=10, parameter__demo__flag=False),
        request(parameter__demo__result={}),
        request(parameter__demo__preview={"encoding": "png"}),
        request(parameter__demo__undeclared=[1]),
        request(payload__img__rate=7, payload__other={"text": "aGVsbG8="}),
        request(payload__img=...),
        request(payload__sound={"encoding": "pcm", "audio": "AAAA", "status": 0}),
        request(payload__said__text=...),
        request(payload__said={"text": "aGVsbG8="}),
        request(header=...),
        request(header={"app_id": "a", "uid": "u"}),
        request(parameter={"one": {"name": "abc"}, "two": {"mode": "fast"}}),
    ],
)
def test_what_the_schema_allows_passes(body: dict[str, Any]) -> None:
    assert refusal(body) == ""


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"payload__img__encoding": "gif"},
            'payload.img.encoding: expected one of "jpg", "png", got "gif"',
        ),
        ({"payload__img__status": 7}, "payload.img.status: expected one of 0, 1, 2, 3, got 7"),
        ({"payload__said__text": {"a": 1}}, "payload.said.text: expected a string, got an object"),
        ({"payload__said__text": ""}, "payload.said.text: expected at least 1 characters, got 0"),
        (
            {"payload__img__image": "A" * 10_485_764},
            "payload.img.image: expected at most 10485760 characters, got 10485764",
        ),
        (
            {"parameter__demo__mode": "slow"},
            'parameter.demo.mode: expected one of "fast", "good", got "slow"',
        ),
        ({"parameter__demo__mode": 3}, 'expected one of "fast", "good", got 3'),
        ({"parameter__demo__name": ...}, "parameter.demo.name: is missing"),
        ({"parameter": {}}, "parameter.demo.name: is missing"),
        ({"parameter": ...}, "parameter.demo.name: is missing"),
        (
            {"parameter__demo__name": "a"},
            "parameter.demo.name: expected at least 2 characters, got 1",
        ),
        (
            {"parameter__demo__name": "多字节文本数"},
            "parameter.demo.name: expected at most 5 characters, got 6",
        ),
        ({"parameter__demo__score": "0.5"}, 'parameter.demo.score: expected a number, got "0.5"'),
        ({"parameter__demo__score": 1.5}, "parameter.demo.score: expected at most 1, got 1.5"),
        ({"parameter__demo__score": True}, "parameter.demo.score: expected a number, got true"),
        ({"parameter__demo__count": 0}, "parameter.demo.count: expected at least 1, got 0"),
        ({"parameter__demo__count": 2.5}, "parameter.demo.count: expected an integer, got 2.5"),
        ({"parameter__demo__count": None}, "parameter.demo.count: expected an integer, got null"),
        ({"parameter__demo__flag": [1]}, "parameter.demo.flag: expected a boolean, got an array"),
        (
            {"parameter__demo__result__encoding": "big5"},
            "parameter.demo.result.encoding: expected one of",
        ),
        ({"header__uid": 7}, "header.uid: expected a string, got 7"),
    ],
)
def test_what_it_does_not_allow_is_refused_by_its_place(
    changes: dict[str, Any], words: str
) -> None:
    assert words in refusal(request(**changes))


def test_a_parameter_is_named_where_the_client_put_it() -> None:
    body = request("svcName", parameter__svcName__mode="slow")
    assert refusal(body).startswith("parameter.svcName.mode: ")


def test_no_more_is_told_than_a_reader_can_use() -> None:
    many = request(
        header__status="x",
        parameter__demo={"mode": "x" * 1000, "score": 7, "count": 0, "flag": 1},
        payload__said={"status": 8},
    )
    told = refusal(many).split("; ")
    assert len(told) == 6
    assert told[-1] == "..."
    assert max(map(len, told)) < 200


def test_no_payload_keeps_its_own_error() -> None:
    with pytest.raises(NoInputError):
        refusal(request(payload={}, header={}))


def test_a_session_s_first_message_need_not_have_a_payload() -> None:
    check = RequestCheck(request_schema(SERVICE))
    first = json.dumps(request(payload=...)).encode()
    assert decode_frame(first, declared_inputs=(), check=check).inputs == ()
    with pytest.raises(BadValueError, match=r"^parameter\.demo\.name: is missing$"):
        decode_frame(
            json.dumps(request(payload=..., parameter__demo={})).encode(),
            declared_inputs=(),
            check=check,
        )


def test_the_example_request_of_any_wrapper_passes() -> None:
    body: Any = example_request(SERVICE)
    assert refusal(body) == ""


def of(schemainput: dict[str, Any]) -> Service:
    text = json.dumps({"meta": {"serviceId": "own"}, "schemainput": schemainput})
    return parse_schema(text, service_name="svcName")


def test_a_service_that_declares_nothing_takes_anything() -> None:
    assert refusal(request(), of({})) == ""


def test_what_a_schema_demands_without_a_default_must_be_there() -> None:
    entry = {"properties": {"text": {}}, "required": ["text"]}
    schema = {
        "properties": {
            "header": {"required": ["appid"]},
            "payload": {"properties": {"said": entry}, "required": ["said", "img", "sound"]},
        }
    }
    bad = request(header__appid=..., payload__said__text=...)
    assert sorted(refusal(bad, of(schema)).split("; ")) == [
        "header.appid: is missing",
        "payload.said.text: is missing",
        "payload.sound: is missing",
    ]


def test_references_inside_the_schema_are_followed() -> None:
    schema = {
        "$defs": {"few": {"maxLength": 2}},
        "properties": {"header": {"properties": {"appid": {"$ref": "#/$defs/few"}}}},
    }
    assert "header.appid: expected at most 2" in refusal(request(header__appid="abc"), of(schema))


def test_a_request_that_is_too_deep_for_a_schema_of_itself_is_refused() -> None:
    tree = {"type": "object", "additionalProperties": {"$ref": "#/$defs/tree"}}
    schema = {"$defs": {"tree": tree}, "properties": {"header": {"$ref": "#/$defs/tree"}}}
    deep: dict[str, Any] = {}
    for _ in range(900):
        deep = {"in": deep}
    assert refusal(request(header=deep), of(schema)) == (
        "the request is nested too deeply to be checked"
    )
    assert refusal(request(header={"a": {"b": {}}}), of(schema)) == ""


@pytest.mark.parametrize(
    "golden", sorted(GOLDEN.glob("schema-example*.json")), ids=lambda p: p.stem
)
def test_the_schemas_of_the_original_sdk_can_be_checked_against(golden: Path) -> None:
    service = parse_schema(golden.read_text("utf-8"), service_name="svcName")
    body: Any = example_request(service)
    body["payload"].setdefault("undeclared", {})  # one of them declares no inputs
    assert refusal(body, service) == ""
    if "img" in service.inputs:
        body["payload"]["img"] = {"encoding": "gif"}
        assert "payload.img.encoding: expected one of" in refusal(body, service)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=12,
)
SECTION = st.dictionaries(st.sampled_from(["demo", "img", "said", "x"]), JSON, max_size=3)


@given(header=JSON, parameter=SECTION, payload=SECTION)
def test_any_request_passes_or_is_refused_as_requests_are(
    header: Any, parameter: Any, payload: Any
) -> None:
    body = json.dumps({"header": header, "parameter": parameter, "payload": payload}).encode()
    try:
        decode_request(body, sid="s", header_pass=(), declared_inputs=(), check=CHECK)
    except CallError as error:
        assert error.status == 400


def test_keywords_beyond_the_usual_have_words_too() -> None:
    schema = {"properties": {"header": {"properties": {"appid": {"not": {"const": "abc"}}}}}}
    said = refusal(request(header__appid="abc"), of(schema))
    assert said == 'header.appid: expected what not {"const": "abc"} allows, got "abc"'


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "objekt"}, "schemainput.type: "),
        ({"$ref": "http://127.0.0.1:9/x.json"}, "is not in the schema"),
        ({"properties": {"header": {"$ref": "#/$defs/absent"}}}, '"#/$defs/absent" is not in'),
    ],
)
def test_a_schema_that_cannot_be_checked_against_is_an_error_at_once(
    schema: dict[str, Any], words: str
) -> None:
    with pytest.raises(SchemaError) as caught:
        RequestCheck(request_schema(of(schema)))
    assert words in str(caught.value)

"""Example requests: complete, decodable by our own codec, and with sensible test data."""

import base64
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest

from aiges_loader.frontend.codec import decode_request
from aiges_loader.frontend.example import example_request
from aiges_loader.frontend.schema import Service, parse_schema
from aiges_wire.codes import DataStatus

GOLDEN = Path(__file__).parents[2] / "golden"


def service_of(
    *,
    params: dict[str, Any] | None = None,
    required: tuple[str, ...] = (),
    inputs: dict[str, Any] | None = None,
    example: dict[str, Any] | None = None,
) -> Service:
    """Make a service "demo"; `inputs` maps a key to its type and its JSON Schema."""
    inputs = inputs or {}
    document = {
        "meta": {
            "serviceId": "demo",
            "demo": {"input": {key: {"dataType": kind} for key, (kind, _) in inputs.items()}},
        },
        "schemainput": {
            "properties": {
                "parameter": {
                    "properties": {
                        "demo": {"properties": params or {}, "required": list(required)},
                    }
                },
                "payload": {"properties": {key: schema for key, (_, schema) in inputs.items()}},
            }
        },
        "x-example": example or {},
    }
    return parse_schema(json.dumps(document), service_name="svcName")


def parameters_of(service: Service) -> Any:
    parameter = example_request(service)["parameter"]
    assert isinstance(parameter, dict)
    return parameter["demo"]


def entry_of(kind: str, schema: dict[str, Any], example: str | None = None) -> Any:
    inputs = {"inputs": {"a": example}} if example else {}
    payload = example_request(service_of(inputs={"a": (kind, schema)}, example=inputs))["payload"]
    assert isinstance(payload, dict)
    return payload["a"]


@pytest.mark.parametrize("name", ["", "-no-number", "-legacy", "-keep-default-false"])
def test_an_example_is_a_request_for_everything_the_service_declares(name: str) -> None:
    text = (GOLDEN / f"schema-example{name}.json").read_text(encoding="utf-8")
    service = parse_schema(text, service_name="svcName")
    body = json.dumps(example_request(service)).encode()
    request = decode_request(body, sid="s", header_pass=(), declared_inputs=tuple(service.inputs))
    assert {datum.key: datum.type for datum in request.call.inputs} == service.inputs
    assert all(datum.data and datum.status == DataStatus.ONCE for datum in request.call.inputs)
    assert {k: e.type for k, e in request.expectations.items()} == service.outputs


def test_the_example_of_the_recorded_schema_is_this() -> None:
    text = (GOLDEN / "schema-example-no-number.json").read_text(encoding="utf-8")
    request: Any = example_request(parse_schema(text, service_name="svcName"))
    assert request["header"] == {"appid": "123456", "status": 3}
    assert request["parameter"] == {
        "demo": {
            "name": "cc",
            "flag": True,
            "result": {
                "encoding": "utf8",
                "compress": "raw",
                "format": "plain",
                "data_type": "text",
            },
            "preview": {"encoding": "png", "data_type": "image"},
        }
    }
    assert request["payload"]["prompt"] == {
        "encoding": "utf8",
        "compress": "raw",
        "format": "plain",
        "status": 3,
        "text": "aGVsbG8=",
    }


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string", "defaultVal": "d", "enum": ["a", "d"]}, "d"),
        ({"type": "string", "default": ""}, ""),
        ({"type": "string", "enum": ["a", "b"]}, "a"),
        ({"type": "boolean", "defaultVal": False}, False),
        ({"type": "integer", "defaultVal": 0}, 0),
    ],
)
def test_a_parameter_has_its_default_or_its_first_allowed_value(schema: Any, value: Any) -> None:
    assert parameters_of(service_of(params={"p": schema})) == {"p": value}


def test_a_parameter_with_neither_is_left_out() -> None:
    params = {"p": {"type": "string"}, "q": {"type": "number", "minimum": 2}}
    assert parameters_of(service_of(params=params)) == {}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string"}, "hello"),
        ({"type": "string", "maxLength": 2}, "he"),
        ({"type": "string", "minLength": 7, "maxLength": 9}, "hellooo"),
        ({"type": "number", "minimum": 0.5}, 0.5),
        ({"type": "integer"}, 1),
        ({"type": "boolean"}, True),
    ],
)
def test_a_required_parameter_is_made_up(schema: Any, value: Any) -> None:
    assert parameters_of(service_of(params={"p": schema}, required=("p",))) == {"p": value}


def test_the_wrapper_s_test_values_win() -> None:
    service = service_of(
        params={"p": {"type": "string", "defaultVal": "d"}},
        inputs={"a": ("text", {"defaultVal": {"text": "eA=="}})},
        example={"params": {"p": "mine"}, "inputs": {"a": "bWluZQ==", "undeclared": "eA=="}},
    )
    assert parameters_of(service) == {"p": "mine"}
    assert example_request(service)["payload"] == {"a": {"status": 3, "text": "bWluZQ=="}}


@pytest.mark.parametrize(
    ("kind", "default", "kept"),
    [
        ("text", "aGkgdGhlcmU=", True),
        ("text", "value", False),
        ("text", "test", False),
        ("text", "", False),
        ("text", 5, False),
        ("image", base64.b64encode(b"\xff\xd8\xff\xe0 and more").decode(), True),
        ("image", "test", False),
        ("image", "<your image base64 here>", False),
        ("audio", base64.b64encode(bytes(64)).decode(), True),
        ("audio", "test", False),
    ],
)
def test_a_default_is_used_if_it_is_data(kind: str, default: Any, kept: bool) -> None:
    entry = entry_of(kind, {"defaultVal": {kind: default}})
    assert (entry[kind] == default) is kept
    assert base64.b64decode(entry[kind], validate=True)


def test_an_image_is_a_png_that_can_be_read() -> None:
    png = base64.b64decode(entry_of("image", {})["image"])
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    chunks = {}
    at = 8
    while at < len(png):
        length, name = struct.unpack(">I4s", png[at : at + 8])
        data = png[at + 8 : at + 8 + length]
        (checksum,) = struct.unpack(">I", png[at + 8 + length : at + 12 + length])
        assert checksum == zlib.crc32(name + data)
        chunks[name] = data
        at += 12 + length
    assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
    width, height, depth, colours = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
    assert (width, height, depth, colours) == (28, 28, 8, 0)
    rows = zlib.decompress(chunks[b"IDAT"])
    assert len(rows) == height * (1 + width)
    assert set(rows) == {0, 255}


def test_an_audio_is_a_tenth_of_a_second_at_16_khz() -> None:
    properties = {name: {} for name in ("encoding", "sample_rate", "bit_depth", "channels")}
    entry = entry_of("audio", {"properties": properties})
    samples = struct.unpack("<1600h", base64.b64decode(entry.pop("audio")))
    assert max(samples) == -min(samples) == 8000
    assert entry == {
        "encoding": "raw",
        "status": 3,
        "sample_rate": 16000,
        "bit_depth": 16,
        "channels": 1,
    }


@pytest.mark.parametrize(
    ("enum", "data", "encoding"),
    [
        (["jpg", "png"], None, "png"),
        (["jpg", "bmp"], None, None),
        (["jpg", "png"], base64.b64encode(b"\xff\xd8\xff").decode(), "jpg"),
        (["jpg", "png"], base64.b64encode(b"GIF89a").decode(), None),
    ],
)
def test_an_image_s_encoding_is_what_it_is_or_is_not_given(
    enum: list[str], data: str | None, encoding: str | None
) -> None:
    entry = entry_of("image", {"properties": {"encoding": {"enum": enum}}}, data)
    assert entry.get("encoding") == encoding


@pytest.mark.parametrize("kind", ["video", "other"])
def test_what_cannot_be_made_up_is_a_few_bytes(kind: str) -> None:
    assert entry_of(kind, {}) == {"status": DataStatus.ONCE, kind: "aGVsbG8="}

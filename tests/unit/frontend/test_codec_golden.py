"""The codec against exchanges recorded from the Go server that this program replaces."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from aiges_loader.calls import Datum, Reply
from aiges_loader.errors import BadOutputError, BadRequestError, CallError
from aiges_loader.frontend.codec import decode_request, encode_error, encode_reply
from aiges_wire.codes import Code, DataType

EXCHANGES = json.loads(
    (Path(__file__).parents[2] / "golden" / "http-once.json").read_text(encoding="utf-8")
)
ROUTE = ("POST", "/v1/private/svcName")
INFERENCES = [e for e in EXCHANGES if (e["request"]["method"], e["request"]["path"]) == ROUTE]
BAD_REQUESTS = (Code.BAD_REQUEST, Code.BAD_PAYLOAD, Code.NO_INPUT)

# Where we differ on purpose.
NUMBERS_IN_DECIMAL = "params_scalars"
NOT_MERGED = "body_duplicate_other_payload"
HEADERS_PASSED = {"params_sid_given_visible": ("sid", "appid", "uid", "absent")}

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(32))
OUTPUTS = {
    "nonutf8": [Datum("result", b"ok\xff\xfe\x80end", DataType.TEXT, 3)],
    "zero": [Datum("result", b"", DataType.TEXT, 3)],
    "image": [Datum("pic", PNG, DataType.IMAGE, 3)],
    "multi": [Datum("result", b"text part", 0, 3), Datum("pic", PNG, DataType.IMAGE, 3)],
    "dupkey": [Datum("result", b"first", 0, 3), Datum("result", b"second", 0, 3)],
    "wrongkey": [Datum("other", b"x", 0, 3)],
    "partkey": [Datum("result", b"x", 0, 3), Datum("other", b"x", 0, 3)],
    "wrongtype": [Datum("result", b"x", DataType.IMAGE, 3)],
    "audio": [Datum("result", b"RIFFxx", DataType.AUDIO, 3)],
    "video": [Datum("result", b"\x00\x01vid", DataType.VIDEO, 3)],
    "status0": [Datum("result", b"x", 0, 0)],
    "status2": [Datum("result", b"x", 0, 2)],
    "status9": [Datum("result", b"x", 0, 9)],
    "err": [Datum("", b"", 0, 0)],
}
"""What the recorded wrapper "modes" returns, by the parameter ctl."""


def name_of(exchange: dict[str, Any]) -> str:
    return str(exchange["name"])


def body_of(exchange: dict[str, Any]) -> bytes:
    request = exchange["request"]
    if "body_base64" in request:
        return base64.b64decode(request["body_base64"])
    if "body_gen" in request:
        return generated_body(request["body_gen"])
    body = request.get("body")
    if body is None:
        return b""
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()


def generated_body(recipe: dict[str, int]) -> bytes:
    parameter = {"svcName": {"result": {"data_type": "text"}}}
    if "text_bytes" in recipe:
        text = base64.b64encode(b"a" * recipe["text_bytes"]).decode()
        return json.dumps({"parameter": parameter, "payload": {"text": {"text": text}}}).encode()
    (depth,) = recipe.values()
    return b'{"payload": {"text": {}}, "x": ' + b"[" * depth + b"]" * depth + b"}"


def decode(exchange: dict[str, Any]) -> Any:
    return decode_request(
        body_of(exchange),
        sid="<uuid>",
        header_pass=HEADERS_PASSED.get(exchange["name"], ()),
        declared_inputs=("text",),
    )


def expected_code(exchange: dict[str, Any]) -> int | None:
    body = exchange["response"]["body"]
    return None if body is None else int(body["header"]["code"])


@pytest.mark.parametrize(
    "exchange", [e for e in INFERENCES if expected_code(e) in BAD_REQUESTS], ids=name_of
)
def test_a_bad_request_is_answered_as_recorded(exchange: dict[str, Any]) -> None:
    with pytest.raises(CallError) as caught:
        decode(exchange)
    assert json.loads(encode_error(caught.value, "<uuid>")) == exchange["response"]["body"]


@pytest.mark.parametrize(
    "exchange", [e for e in INFERENCES if expected_code(e) is None], ids=name_of
)
def test_a_request_that_crashed_the_recorded_server_is_a_bad_request(
    exchange: dict[str, Any],
) -> None:
    with pytest.raises(BadRequestError, match=r"^parameter\.svcName\.result\.\w+: expected a"):
        decode(exchange)


@pytest.mark.parametrize(
    "exchange",
    [e for e in INFERENCES if expected_code(e) not in (None, *BAD_REQUESTS)],
    ids=name_of,
)
def test_every_other_recorded_request_is_a_call(exchange: dict[str, Any]) -> None:
    assert decode(exchange).call.inputs


@pytest.mark.parametrize(
    "exchange",
    [
        e
        for e in INFERENCES
        if e["wrapper"].startswith("dump")
        and expected_code(e) == 0
        and '"params_has_sid"' in str(e["response"]["body"])
    ],
    ids=name_of,
)
def test_a_wrapper_sees_what_the_recorded_one_saw(exchange: dict[str, Any]) -> None:
    call = decode(exchange).call
    seen = json.loads(exchange["response"]["body"]["payload"]["result"]["text"])
    if exchange["name"] == NUMBERS_IN_DECIMAL:
        seen["params"] = {
            "big": "1000000000000000000000",
            "e": "",
            "f": "1.5",
            "fa": "false",
            "million": "1000000",
            "n": "5",
            "neg": "-3",
            "s": "x",
            "t": "true",
            "u": "中文",
            "zero": "0",
        }
    if exchange["name"] == NOT_MERGED:
        seen["list"] = [node for node in seen["list"] if node["key"] == "more"]
    params = dict(call.params)
    if "sid" not in seen["params"]:  # most recordings leave it out
        del params["sid"]
    assert params == seen["params"]
    assert (
        sorted(
            (
                {
                    "key": datum.key,
                    "type": datum.type,
                    "status": datum.status,
                    "len": len(datum.data),
                    "pytype": "bytes",
                    "data_b64": base64.b64encode(datum.data[:64]).decode(),
                }
                for datum in call.inputs
            ),
            key=lambda node: str(node["key"]),
        )
        == seen["list"]
    )


def recorded_reply(exchange: dict[str, Any]) -> Reply | None:
    """Rebuild what the recorded wrapper returned, where it can be told."""
    body = exchange["response"]["body"]
    if exchange["wrapper"].startswith("modes"):
        parameter = (exchange["request"].get("body") or {}).get("parameter", {})
        outputs = OUTPUTS.get(parameter.get("svcName", {}).get("ctl"))
        return Reply(tuple(outputs)) if outputs else None
    if expected_code(exchange) == Code.BAD_OUTPUT:
        return Reply((Datum("result", b"x", DataType.TEXT, 3),))
    text = body["payload"]["result"]["text"]
    return Reply((Datum("result", text.encode(), DataType.TEXT, 3),))


@pytest.mark.parametrize(
    "exchange",
    [
        e
        for e in INFERENCES
        if expected_code(e) in (0, Code.BAD_OUTPUT) and recorded_reply(e) is not None
    ],
    ids=name_of,
)
def test_a_reply_is_answered_as_recorded(exchange: dict[str, Any]) -> None:
    reply = recorded_reply(exchange)
    assert reply is not None
    try:
        answer = encode_reply(reply, "<uuid>", decode(exchange).expectations)
    except BadOutputError as error:
        answer = encode_error(error, "<uuid>")
    recorded = exchange["response"]["body"]
    if "body_gen" in exchange["request"]:
        recorded["payload"]["result"].pop("encoding")
        recorded["payload"]["result"].pop("format")
        recorded["payload"]["result"].pop("compress")
    assert json.loads(answer) == recorded


def test_the_recordings_cover_every_kind_of_answer() -> None:
    codes = {expected_code(e) for e in INFERENCES}
    assert {None, 0, *BAD_REQUESTS, Code.BAD_OUTPUT} <= codes

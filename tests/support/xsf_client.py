"""A client of the XSF services, and their messages as plain JSON."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import grpc
from google.protobuf.json_format import MessageToDict, ParseDict

from aiges_wire.pb import protocol_pb2 as protocol, xsf_pb2 as xsf

LIMIT_S = 30.0

CALL = "/utils.XsfCall/call"
TOOL = "/utils.ToolBox/cmdserver"


def request_bytes(request: Mapping[str, Any]) -> bytes:
    """Write a call as it stands in the recordings: a LoaderInput is JSON inside its data."""
    plain = {key: value for key, value in request.items() if key != "data"}
    message = ParseDict(plain, xsf.ReqData())
    for entry in request.get("data", ()):
        given = ParseDict(entry["LoaderInput"], protocol.LoaderInput())
        message.data.add(data=given.SerializeToString())
    return message.SerializeToString()


def reply_json(data: bytes) -> dict[str, Any]:
    """Read an answer as it stands in the recordings."""
    message = xsf.ResData.FromString(data)
    found: dict[str, Any] = MessageToDict(message)
    found.pop("errorInfo", None)
    if message.error_info:
        found["error_info"] = message.error_info
    found["data"] = [{"LoaderOutput": output_json(entry.data)} for entry in message.data]
    return found


def output_json(data: bytes) -> dict[str, Any]:
    found: dict[str, Any] = MessageToDict(protocol.LoaderOutput.FromString(data))
    return found


def tool_json(call: grpc.UnaryUnaryMultiCallable, query: object, headers: object) -> str:
    """Send a command; both arguments are made JSON unless they are text."""
    texts = [value if isinstance(value, str) else json.dumps(value) for value in (query, headers)]
    request = xsf.Request(query=texts[0], headers=texts[1])
    return xsf.Response.FromString(call(request.SerializeToString(), timeout=LIMIT_S)).body


def call_json(
    op: str,
    *,
    handle: str = "",
    data: Mapping[str, Any] | None = None,
    **params: str,
) -> dict[str, Any]:
    """Make a call; without `data` it has none."""
    request: dict[str, Any] = {"op": op, "param": params}
    if handle:
        request["s"] = {"h": handle}
    if data is not None:
        request["data"] = [{"LoaderInput": dict(data)}]
    return request


def payload_json(text: bytes = b"hello", name: str = "input", **attributes: str) -> dict[str, Any]:
    """Make one payload of text."""
    meta = {"name": name, "attribute": attributes}
    return {"meta": meta, "data": base64.b64encode(text).decode()}


EXPECTED = {"name": "result", "attribute": {"encoding": "utf8"}}
"""What a call expects that gets its text back."""

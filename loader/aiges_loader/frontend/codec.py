"""Request bytes to `Call`, `Reply` to response bytes: the JSON of the HTTP interface. No I/O."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

import orjson

from aiges_loader.calls import Call, Datum, Reply
from aiges_loader.errors import (
    BadOutputError,
    BadPayloadError,
    BadRequestError,
    CallError,
    NoInputError,
)
from aiges_loader.frontend import go_base64, number_text
from aiges_loader.frontend.data_fields import FIELD_OF_TYPE, TYPE_OF_FIELD
from aiges_loader.frontend.json_reader import Json
from aiges_loader.frontend.json_writer import compact
from aiges_loader.frontend.request_body import Sections, kind_of, read_sections
from aiges_loader.frontend.utf8 import decode_replacing
from aiges_wire.codes import DataType
from aiges_wire.frames import MAX_ITEMS

_ECHOED: Final = ("encoding", "format", "compress")
"""Attributes of an expectation that are repeated in the response."""

_GO_TYPES: Final = {"number": "float64", "bool": "bool", "null": "<nil>"}
"""Kind of JSON value -> what Go decodes it to, for the kinds that are no data."""

_INTEGER: Final = re.compile(r"([+-]?)0*([0-9]{1,19})")
_INT64: Final = range(-(2**63), 2**63)
_UINT32: Final = 2**32 - 1


OTHER_OUTPUT: Final = "wrapper output data invalid(key or type)"


Check: TypeAlias = Callable[[Sections], None]
"""Looks at a request before it is decoded; raises `CallError` to refuse it."""


class Expectation(NamedTuple):
    """An output that the client names in its request: its type, and what to repeat beside it."""

    type: int
    attributes: Mapping[str, str]


class Request(NamedTuple):
    """A call, and the outputs that its client expects, by key."""

    call: Call
    expectations: Mapping[str, Expectation]


def decode_request(  # noqa: PLR0913 - what a request is decoded by
    body: bytes,
    *,
    sid: str,
    header_pass: Sequence[str],
    declared_inputs: Sequence[str],
    deadline_at: float = 0.0,
    check: Check | None = None,
) -> Request:
    """Decode the body of a request for one answer.

    Args:
        body: Of the HTTP request; bytes behind the first JSON document are ignored.
        sid: The new call's; becomes `params["sid"]` unless a parameter has that name.
        header_pass: Names in the request's `header` that become params; missing ones as "".
        declared_inputs: Keys that come first among the inputs, in this order; the others follow
            in the request's order.
        deadline_at: See `Call`.
        check: Looks at the request once it has a payload.

    Raises:
        BadRequestError: Not JSON, or a part of the wrong kind.
        CallError: What `check` raises.
        NoInputError: No payload.
        BadPayloadError: A payload's data is neither base64 nor JSON.
    """
    sections = read_sections(body)
    params = {name: _scalar_text(sections.header.get(name)) or "" for name in header_pass}
    params["sid"] = sid
    given, expectations = decode_parameter(sections.parameter)
    params.update(given)
    if not sections.payload:
        raise NoInputError
    if check is not None:
        check(sections)
    inputs = decode_payload(sections.payload, declared_inputs)
    return Request(Call(sid, params, inputs, deadline_at), expectations)


class Frame(NamedTuple):
    """A message of a session's client.

    Attributes:
        header: As sent.
        params: Scalars of the parameter section.
        expectations: Its objects: outputs that the client expects, by key.
        inputs: In the request's order, declared ones first.
    """

    header: Mapping[str, Json]
    params: Mapping[str, str]
    expectations: Mapping[str, Expectation]
    inputs: tuple[Datum, ...]

    def passed(self, names: Sequence[str]) -> dict[str, str]:
        """Return members of the header that become params; missing ones as ""."""
        return {name: _scalar_text(self.header.get(name)) or "" for name in names}


def decode_frame(
    message: bytes, *, declared_inputs: Sequence[str], check: Check | None = None
) -> Frame:
    """Decode a message of a session's client; every section may be absent.

    Args:
        message: JSON.
        declared_inputs: See `decode_request`.
        check: Looks at the message first.

    Raises:
        BadRequestError: Not a JSON object, or a part of the wrong kind.
        CallError: What `check` raises.
        BadPayloadError: A payload's data is neither base64 nor JSON.
    """
    if message.strip() == b"null":
        raise BadRequestError("expected an object, got null")
    sections = read_sections(message)
    if check is not None:
        check(sections)
    params, expectations = decode_parameter(sections.parameter)
    inputs = decode_payload(sections.payload, declared_inputs)
    return Frame(sections.header, params, expectations, inputs)


def decode_parameter(
    parameter: Mapping[str, Mapping[str, Json]],
) -> tuple[dict[str, str], dict[str, Expectation]]:
    """Split the parameter section, all services merged, into params and expected outputs.

    Scalars become text; null and arrays are dropped; an object is an expectation.

    Raises:
        BadRequestError: An attribute of an expectation that is repeated in the response is no text.
    """
    params: dict[str, str] = {}
    expectations: dict[str, Expectation] = {}
    for service, members in parameter.items():
        for name, value in members.items():
            if isinstance(value, dict):
                expectations[name] = _expectation(value, f"parameter.{service}.{name}")
            elif (text := _scalar_text(value)) is not None:
                params[name] = text
    return params, expectations


def decode_payload(
    payload: Mapping[str, Mapping[str, Json]], declared_inputs: Sequence[str]
) -> tuple[Datum, ...]:
    """Decode every entry of the payload section, declared inputs first.

    Raises:
        BadPayloadError: With the text of the Go decoder that upstream used.
        BadRequestError: More entries than a worker takes.
    """
    if len(payload) > MAX_ITEMS:
        raise BadRequestError(f"payload: {len(payload)} entries, at most {MAX_ITEMS} are allowed")
    declared = [key for key in declared_inputs if key in payload]
    others = [key for key in payload if key not in declared_inputs]
    return tuple(_datum(key, payload[key]) for key in (*declared, *others))


def encode_reply(reply: Reply, sid: str, expectations: Mapping[str, Expectation]) -> bytes:
    """Encode a success: JSON on one line, keys sorted, a newline behind it.

    Text is given as text, one U+FFFD for each byte that is not UTF-8; other types as base64.
    The last output's status stands for all; the last of several outputs of one key counts.

    Raises:
        BadOutputError: An output is not expected, or is of another type than expected.
    """
    status = reply.outputs[-1].status
    payload: dict[str, dict[str, str]] = {}
    for output in reply.outputs:
        expected = expected_of(output, expectations)
        payload[output.key] = {
            **expected.attributes,
            "seq": "0",
            "status": str(status),
            FIELD_OF_TYPE[output.type]: _data_text(output),
        }
    answer = {"header": {"code": 0, "sid": sid, "status": status}, "payload": payload}
    encoded = orjson.dumps(answer, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)
    if encoded.isascii():
        return encoded
    # JSON may hold these two line ends as they are; JavaScript's older readers may not.
    return encoded.replace(b"\xe2\x80\xa8", rb"\u2028").replace(b"\xe2\x80\xa9", rb"\u2029")


def expected_of(output: Datum, expectations: Mapping[str, Expectation]) -> Expectation:
    """Find what is expected of an output; raise `BadOutputError` if that is something else."""
    expected = expectations.get(output.key)
    if expected is None:
        raise BadOutputError("wrapper output data is nil ")
    if output.type != expected.type:
        raise BadOutputError(OTHER_OUTPUT)
    return expected


def encode_error(error: CallError, sid: str) -> bytes:
    """Encode a failure: JSON on one line, keys sorted, a newline behind it."""
    message = str(error).encode(errors="replace").decode()
    header = {"code": int(error.code), "message": message, "sid": sid}
    return orjson.dumps({"header": header, "payload": None}, option=orjson.OPT_APPEND_NEWLINE)


def _expectation(members: Mapping[str, Json], path: str) -> Expectation:
    attributes: dict[str, str] = {}
    for name in _ECHOED:
        if name in members:
            value = members[name]
            if not isinstance(value, str):
                raise BadRequestError(f"{path}.{name}: expected a string, got {kind_of(value)}")
            attributes[name] = value
    data_type = members.get("data_type")
    known = TYPE_OF_FIELD.get(data_type) if isinstance(data_type, str) else None
    return Expectation(DataType.OTHER if known is None else known, attributes)


def _datum(key: str, entry: Mapping[str, Json]) -> Datum:
    field = next(filter(entry.__contains__, TYPE_OF_FIELD), None)
    data_type, data = DataType.TEXT, b""
    if field is not None:
        data_type, data = TYPE_OF_FIELD[field], _data(entry[field])
    attributes = {}
    for name, value in entry.items():
        if name not in (field, "status"):
            text = _scalar_text(value)
            if text is not None:
                attributes[name] = text
    return Datum(key, data, data_type, _status(entry.get("status")), attributes)


def _data(value: Json) -> bytes:
    """Return the bytes that a data field stands for: base64 decoded, or the JSON that it is."""
    if isinstance(value, str):
        try:
            return go_base64.decode(value)
        except go_base64.Base64Error as error:
            raise BadPayloadError(str(error)) from None
    if isinstance(value, dict | list):
        return compact(value) + b"\n"
    raise BadPayloadError(f"not support type of payload:{_GO_TYPES[kind_of(value)]}")


def _data_text(output: Datum) -> str:
    """Return an output's data as its field in the response has it."""
    if output.type == DataType.TEXT:
        return decode_replacing(output.data)
    return go_base64.encode(output.data)


def _scalar_text(value: Json) -> str | None:
    """Return a scalar as the wrapper gets it: numbers in plain decimal; None for anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return number_text.plain(value)
    return None


def _status(value: Json) -> int:
    """Return a payload entry's status as upstream reads it: any integer, wrapped to 32 bits.

    A fraction is rounded, text is an integer or counts as 0, and so does everything else.
    """
    number = 0
    if isinstance(value, str):
        if digits := _INTEGER.fullmatch(value):
            number = int(digits[1] + digits[2])
    elif isinstance(value, int | float) and not isinstance(value, bool):
        number = round(value)
    return number & _UINT32 if number in _INT64 else 0

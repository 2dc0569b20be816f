"""The JSON of HTTP and WebSocket, both ways, and the events that carry it. No I/O."""

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from aiges.client.data import KINDS, Kind, Output, Params, Piece, Result
from aiges.client.errors import ServiceError, UnexpectedAnswerError, service_error

_SHOWN_BYTES: Final = 200
"""Of an answer that is not what it should be."""


class Opening(NamedTuple):
    """What the first message of a call or session says beside its inputs.

    Attributes:
        service_id: Names the service's member of the parameter section.
        header: Members of the header: appid and what the service passes on.
        params: What the wrapper gets.
        expect: Output -> attributes, data_type among them.
    """

    service_id: str
    header: Mapping[str, str]
    params: Params
    expect: Mapping[str, Mapping[str, str]]


def first_message(opening: Opening, pieces: Iterable[Piece]) -> bytes:
    """Write the body of a call, or the first message of a session."""
    inputs = _payload(pieces)
    message: dict[str, object] = {
        "header": opening.header,
        "parameter": {opening.service_id or "service": {**opening.params, **opening.expect}},
    }
    if inputs:
        message["payload"] = inputs
    return _written(message)


def next_message(pieces: Iterable[Piece]) -> bytes:
    """Write a later message of a session."""
    return _written({"payload": _payload(pieces)})


def read_answer(body: bytes | str, *, has_plain_text: bool) -> Result:
    """Read an answer, or one message of a session; the acknowledgement has no outputs.

    Args:
        body: JSON.
        has_plain_text: Text stands as it is, as in the answers to calls, and not in base64.

    Raises:
        ServiceError: It says what went wrong.
        UnexpectedAnswerError: It is no answer.
    """
    try:
        answer = json.loads(body)
        header = answer["header"]
        code, sid = int(header["code"]), str(header.get("sid", ""))
        if code == 0:
            payload = answer.get("payload") or {}
            outputs = (_output(name, entry, has_plain_text) for name, entry in payload.items())
            return Result(sid, {output.name: output for output in outputs})
        error = service_error(code, str(header.get("message", "")), sid)
    except (ValueError, TypeError, KeyError, AttributeError) as problem:
        raise _unexpected(body, problem) from None
    raise error


def error_in(body: bytes) -> ServiceError | None:
    """Return the error that an answer tells of; None if it is none of the service's errors."""
    try:
        read_answer(body, has_plain_text=True)
    except ServiceError as error:
        return error
    except UnexpectedAnswerError:
        return None
    return None


class EventReader:
    """Takes server-sent events apart, as their bytes come."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes in; return the data of every event that is complete with them."""
        looked_at = max(0, len(self._rest) - 1)
        self._rest += data
        if self._rest.find(b"\n\n", looked_at) < 0:
            return []
        *complete, rest = bytes(self._rest).split(b"\n\n")
        self._rest = bytearray(rest)
        return [found for event in complete if (found := _event_data(event))]


def _event_data(event: bytes) -> bytes:
    lines = (line for line in event.split(b"\n") if line.startswith(b"data:"))
    return b"\n".join(line.removeprefix(b"data:").removeprefix(b" ") for line in lines)


def _payload(pieces: Iterable[Piece]) -> dict[str, dict[str, object]]:
    return {
        piece.name: {
            **piece.attributes,
            "status": int(piece.status),
            piece.kind: base64.b64encode(piece.data).decode(),
        }
        for piece in pieces
    }


def _written(message: Mapping[str, object]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()


def _output(name: str, entry: Mapping[str, object], has_plain_text: bool) -> Output:
    kind = next((kind for kind in KINDS if kind in entry), None)
    if kind is None:
        raise ValueError(f"payload.{name} has no data")
    attributes = {
        key: value if isinstance(value, str) else json.dumps(value)
        for key, value in entry.items()
        if key not in (kind, "status")
    }
    data = _data(entry[kind], kind, has_plain_text)
    return Output(name, kind, data, int(str(entry.get("status", 0))), attributes)


def _data(value: object, kind: Kind, has_plain_text: bool) -> bytes:
    """Return the bytes that a data field stands for; JSON stands for itself."""
    if not isinstance(value, str):
        return _written_json(value)
    if kind == "text" and has_plain_text:
        return value.encode()
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise ValueError(f"bad base64: {error}") from None


def _written_json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _unexpected(body: bytes | str, problem: Exception) -> UnexpectedAnswerError:
    shown = body if isinstance(body, str) else body[:_SHOWN_BYTES].decode(errors="replace")
    return UnexpectedAnswerError(f"no answer of the protocol: {problem}: {shown[:_SHOWN_BYTES]!r}")

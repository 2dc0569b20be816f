"""The messages of XSF gRPC, both ways. No I/O."""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from google.protobuf.message import DecodeError

from aiges.client.data import KIND_OF_TYPE, TYPE_OF_KIND, Kind, Output, Piece, Result, param_texts
from aiges.client.errors import UnexpectedAnswerError, WrapperError, service_error
from aiges.client.json_messages import Opening
from aiges_wire.codes import RESOURCE_PARAM, Code
from aiges_wire.pb import protocol_pb2 as protocol, xsf_pb2 as xsf

_STEPS: Final = range(Code.LOAD_FAILED, Code.RESULT_FAILED + 1)
"""Codes that say which step failed; the wrapper's own code stands in the message."""


class Reply(NamedTuple):
    """An answer.

    Attributes:
        session: To be sent back with the next call.
        result: Without outputs if there is none yet.
    """

    session: xsf.Session
    result: Result


def once_request(opening: Opening, pieces: Iterable[Piece], sid: str, wait_s: float) -> bytes:
    """Write a single call; its answer may take `wait_s`."""
    package = _package(opening, sid, pieces)
    package.state = protocol.LoaderInput.ONCE
    param = {**_FIRST, "waitTime": str(int(1000 * wait_s))}
    return _request("AIIn", xsf.Session(), param, package)


def open_request(opening: Opening, pieces: Iterable[Piece], sid: str) -> bytes:
    """Write the first call of a session, its package number 0."""
    return _request("AIIn", xsf.Session(), _FIRST, _package(opening, sid, pieces))


def next_request(session: xsf.Session, pieces: Iterable[Piece], number: int) -> bytes:
    """Write a call that brings a session's package; `number` counts them from 1."""
    package = protocol.LoaderInput(sync_id=number, pl=map(_payload, pieces))
    return _request("AIIn", session, {}, package)


def fetch_request(session: xsf.Session, wait_s: float) -> bytes:
    """Write a call for the next result, which may take `wait_s`."""
    param = {"waitTime": str(int(1000 * wait_s))}
    return _request("AIOut", session, param, protocol.LoaderInput())


def drop_request(session: xsf.Session) -> bytes:
    """Write the call that ends a session before its last result."""
    return _request("AIExcp", session, {}, protocol.LoaderInput())


def load_request(resource_id: str, content: Piece) -> bytes:
    """Write the call that loads a resource."""
    package = protocol.LoaderInput(params={RESOURCE_PARAM: resource_id}, pl=[_payload(content)])
    return _request("AILoad", xsf.Session(), {}, package)


def unload_request(resource_id: str) -> bytes:
    """Write the call that unloads one."""
    package = protocol.LoaderInput(params={RESOURCE_PARAM: resource_id})
    return _request("AIUnLoad", xsf.Session(), {}, package)


def read_reply(data: bytes, sid: str) -> Reply:
    """Read an answer.

    Args:
        data: Its bytes.
        sid: Of the call or session.

    Raises:
        ServiceError: It says what went wrong.
        UnexpectedAnswerError: It is no answer.
    """
    try:
        reply = xsf.ResData.FromString(data)
        if reply.code:
            raise service_error(reply.code, reply.error_info, sid)
        if not reply.data:
            raise UnexpectedAnswerError("the answer has no data")
        output = protocol.LoaderOutput.FromString(reply.data[0].data)
    except DecodeError as error:
        raise UnexpectedAnswerError(f"no answer of the protocol: {error}") from None
    if output.code in _STEPS:
        raise _step_error(output.code, output.err, sid)
    if output.code:
        raise service_error(output.code, output.err, sid)
    outputs = (_output(payload) for payload in output.pl)
    return Reply(reply.s, Result(sid, {found.name: found for found in outputs}))


class ResultOrder:
    """Puts results in order that came in the answers to calls made side by side.

    Each output's results are numbered from 1 by the attribute seq.
    """

    def __init__(self) -> None:
        self._next: dict[str, int] = {}
        self._early: list[Result] = []

    def put(self, result: Result) -> list[Result]:
        """Take a result in; return those whose turn it is."""
        self._early.append(result)
        ready: deque[Result] = deque()
        while (found := next(filter(self._is_next, self._early), None)) is not None:
            self._early.remove(found)
            for output in found:
                self._next[output.name] = self._number(output.name) + 1
            ready.append(found)
        return list(ready)

    def _is_next(self, result: Result) -> bool:
        return all(_seq(output) <= self._number(output.name) for output in result)

    def _number(self, name: str) -> int:
        return self._next.get(name, 1)


_FIRST: Final[Mapping[str, str]] = {"SeqNo": "1", "version": "v2", "baseId": "0"}


def _seq(output: Output) -> int:
    """Return a result's number; those that have none come as they come."""
    text = output.attributes.get("seq", "")
    return int(text) if text.isdecimal() else 0


def _request(
    op: str, session: xsf.Session, param: Mapping[str, str], package: protocol.LoaderInput
) -> bytes:
    request = xsf.ReqData(op=op, s=session, param=param)
    request.data.add(data=package.SerializeToString())
    return request.SerializeToString()


def _package(opening: Opening, sid: str, pieces: Iterable[Piece]) -> protocol.LoaderInput:
    return protocol.LoaderInput(
        serviceId=opening.service_id,
        headers={**opening.header, "sid": sid},
        params=param_texts(opening.params),
        expect=[_expected(name, wanted) for name, wanted in opening.expect.items()],
        pl=map(_payload, pieces),
    )


def _expected(name: str, wanted: Mapping[str, str]) -> protocol.MetaDesc:
    attributes = {key: value for key, value in wanted.items() if key != "data_type"}
    return protocol.MetaDesc(
        name=name, dataType=_wire_type(_known_kind(wanted["data_type"])), attribute=attributes
    )


def _payload(piece: Piece) -> protocol.Payload:
    meta = protocol.MetaDesc(
        name=piece.name,
        dataType=_wire_type(piece.kind),
        attribute={**piece.attributes, "status": str(int(piece.status))},
    )
    return protocol.Payload(meta=meta, data=piece.data)


def _wire_type(kind: Kind) -> "protocol.MetaDesc.DataType":
    return protocol.MetaDesc.DataType.Name(TYPE_OF_KIND[kind])  # type: ignore[return-value]


def _known_kind(word: str) -> Kind:
    return next(kind for kind in TYPE_OF_KIND if kind == word)


def _output(payload: protocol.Payload) -> Output:
    attributes = dict(payload.meta.attribute)
    status = attributes.pop("status", "")
    return Output(
        name=payload.meta.name,
        kind=KIND_OF_TYPE.get(payload.meta.dataType, "other"),
        data=payload.data,
        status=int(status) if status.isdecimal() else 0,
        attributes=attributes,
    )


def _step_error(step: int, text: str, sid: str) -> WrapperError:
    """Tell the wrapper's words and code apart, `TEXT;code=N`."""
    words, found, number = text.rpartition(";code=")
    if found and number.lstrip("-").isdecimal():
        return WrapperError(words, code=int(number), sid=sid)
    return WrapperError(text, code=step, sid=sid)

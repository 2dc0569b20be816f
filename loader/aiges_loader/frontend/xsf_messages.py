"""Bytes of the XSF protocol to what they ask for, and answers to bytes. No I/O."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from google.protobuf.message import DecodeError

from aiges_loader.calls import Datum, Reply
from aiges_loader.config.settings import decimal_integer
from aiges_loader.errors import (
    BadDownMethodError,
    BadInputError,
    BadMessageError,
    BadOutputError,
    CallError,
    ResourceError,
    SessionStepError,
    WrapperError,
    WrapperFailedError,
)
from aiges_loader.frontend import codec
from aiges_loader.frontend.codec import Expectation
from aiges_loader.pool.resources import Resource
from aiges_wire.codes import RESOURCE_PARAM, Code
from aiges_wire.frames import MAX_ITEMS
from aiges_wire.pb import protocol_pb2 as protocol, xsf_pb2 as xsf

_WAIT_S: Final = 0.5
"""How long to wait for a result if the call does not say."""

_LONGEST_WAIT_S: Final = 86_400.0

_UINT32: Final = (1 << 32) - 1
_SIGN: Final = 1 << 31


class BadRequestBytesError(ValueError):
    """The bytes of a call are no ReqData."""


class Asked(NamedTuple):
    """A call.

    Attributes:
        op: What is asked for.
        handle: As the client gave it; "": it wants one.
        opens: The first call of its handle.
        params: Of the call, not of the wrapper.
        data: A LoaderInput's bytes.
    """

    op: str
    handle: str
    opens: bool
    params: Mapping[str, str]
    data: bytes

    @property
    def wait_s(self) -> float:
        """How long the client waits for a result, in seconds; 0 if it says so in no number."""
        wait = self.params.get("waitTime")
        if wait is None:
            return _WAIT_S
        return min(max(0, decimal_integer(wait) or 0) / 1000, _LONGEST_WAIT_S)


class Package(NamedTuple):
    """A LoaderInput.

    Attributes:
        service_id: Is repeated in the answer.
        once: One package, one answer; only the first call of a handle says so.
        params: What the wrapper gets.
        expectations: Outputs that may come, by key.
        inputs: In the client's order.
        number: Its place in the session.
    """

    service_id: str
    once: bool
    params: Mapping[str, str]
    expectations: Mapping[str, Expectation]
    inputs: tuple[Datum, ...]
    number: int


class ResourcePackage(NamedTuple):
    """A LoaderInput that is about a resource.

    Attributes:
        service_id: Is repeated in the answer.
        id: Of the resource; "": it names none.
        inputs: Its content, if it brings any.
    """

    service_id: str
    id: str
    inputs: tuple[Datum, ...]


class Answer(NamedTuple):
    """What a client gets.

    Attributes:
        output: A LoaderOutput's bytes; None: the answer has none.
        refusal: Why the call may be tried elsewhere; "": it may not.
    """

    output: bytes | None
    refusal: str = ""


# From the client:


def decode_request(data: bytes) -> Asked:
    """Read a call; raise `BadRequestBytesError` if it is none."""
    try:
        request = xsf.ReqData.FromString(data)
    except DecodeError as error:
        raise BadRequestBytesError(str(error)) from None
    params = dict(request.param)
    return Asked(
        op=request.op,
        handle=request.s.h,
        opens=params.get("SeqNo") == "1",
        params=params,
        data=request.data[0].data if request.data else b"",
    )


def decode_package(data: bytes, *, header_pass: Iterable[str]) -> Package:
    """Read a LoaderInput; no bytes at all are an empty one.

    Args:
        data: Its bytes.
        header_pass: Names of headers that become params, missing ones as "", unless a parameter
            has that name; always has "sid".

    Raises:
        BadMessageError: They are none.
        BadInputError: A payload has no meta, so nobody knows what it is; or there are too many.
        BadDownMethodError: The answer shall not come back to the client.
    """
    message = _loader_input(data)
    if len(message.pl) > MAX_ITEMS:
        raise BadInputError(f"{len(message.pl)} payloads, at most {MAX_ITEMS} are allowed")
    if message.headers.get("downMethod") == "async":
        raise BadDownMethodError
    params = {name: message.headers.get(name, "") for name in header_pass}
    params.update(message.params)
    return Package(
        service_id=message.serviceId,
        once=message.state == protocol.LoaderInput.ONCE,
        params=params,
        expectations={
            expected.name: Expectation(expected.dataType, dict(expected.attribute))
            for expected in message.expect
        },
        inputs=tuple(_datum(payload) for payload in message.pl),
        number=message.sync_id,
    )


def decode_resource(data: bytes) -> ResourcePackage:
    """Read a LoaderInput that is about a resource; no bytes at all are an empty one.

    Its id is the param `patch_id`, else the param or header `res_id`, else the attribute
    `patch_id` of its payload.

    Raises:
        BadMessageError: The bytes are no LoaderInput.
        BadInputError: A payload has no meta, or there are several: it would be one resource.
    """
    message = _loader_input(data)
    if len(message.pl) > 1:
        raise BadInputError(f"{len(message.pl)} payloads, a resource is one")
    inputs = tuple(_datum(payload) for payload in message.pl)
    names = [message.params.get(RESOURCE_PARAM), message.params.get("res_id")]
    names += [message.headers.get("res_id")]
    names += [datum.desc.get(RESOURCE_PARAM) for datum in inputs]
    return ResourcePackage(message.serviceId, next(filter(None, names), ""), inputs)


def resource_of(package: ResourcePackage, content: Datum) -> Resource:
    """Make what the wrapper gets; raise `BadInputError` if the package names no resource."""
    if not package.id:
        raise BadInputError(f"a resource needs an id: the param {RESOURCE_PARAM}")
    desc = {**content.desc, RESOURCE_PARAM: package.id}
    return Resource(package.id, content.key, bytes(content.data), desc)


def _loader_input(data: bytes) -> protocol.LoaderInput:
    try:
        return protocol.LoaderInput.FromString(data)
    except DecodeError as error:
        raise BadMessageError(str(error)) from None


def _datum(payload: protocol.Payload) -> Datum:
    if not payload.HasField("meta"):
        raise BadInputError("input invalid data: a payload has no meta")
    meta = payload.meta
    attributes = dict(meta.attribute)
    status = decimal_integer(attributes.pop("status", "")) or 0
    return Datum(meta.name, payload.data, meta.dataType, status & _UINT32, attributes)


# To the client:


def once_output(
    reply: Reply, service_id: str, expectations: Mapping[str, Expectation]
) -> protocol.LoaderOutput:
    """Make the answer of a once call; raise `BadOutputError` for what is not expected."""
    payloads = []
    for output in reply.outputs:
        expected = codec.expected_of(output, expectations)
        payloads.append(_payload(output, {**expected.attributes, "seq": "0"}))
    return _output(service_id, reply.outputs, payloads)


class StreamOutputs:
    """Makes the answers of one session, whose results are numbered for each output."""

    def __init__(self, expectations: Mapping[str, Expectation]) -> None:
        """Begin; `expectations` are those of the call that opened the session."""
        self._expectations = expectations
        self._sent: Counter[str] = Counter()

    def output(self, outputs: tuple[Datum, ...], service_id: str) -> protocol.LoaderOutput:
        """Make an answer of a result; raise `BadOutputError` for what is not expected."""
        payloads = []
        for output in outputs:
            expected = self._expectations.get(output.key)
            if expected is None or expected.type != output.type:
                raise BadOutputError(codec.OTHER_OUTPUT)
            self._sent[output.key] += 1
            attributes = {_utf8(name): _utf8(value) for name, value in output.desc.items()}
            attributes.update(expected.attributes)
            attributes["seq"] = str(self._sent[output.key])
            payloads.append(_payload(output, attributes))
        return _output(service_id, outputs, payloads)


def empty_output(service_id: str) -> Answer:
    """Answer that there is nothing, and that nothing is wrong."""
    return Answer(protocol.LoaderOutput(serviceId=service_id).SerializeToString())


def failure(error: CallError) -> Answer:
    """Answer with an error.

    A code of the wrapper's stands behind the text, because the number in its place says which step
    failed. Only what can be tried elsewhere is shown outside the output: clients do that then.
    """
    code, text = int(error.code), str(error)
    if isinstance(error, SessionStepError | WrapperError | WrapperFailedError | ResourceError):
        code, text = int(error.step), f"{text};code={int(error.code)}"
    text = _utf8(text)
    message = protocol.LoaderOutput(code=_int32(code), err=text, status=protocol.LoaderOutput.END)
    return Answer(message.SerializeToString(), text if code == Code.NO_LICENCE else "")


def encode_answer(answer: Answer, *, handle: str, peer: str) -> bytes:
    """Write an answer.

    Args:
        answer: What there is to say.
        handle: The client's, or what it got.
        peer: "address:port" at which clients reach this service.
    """
    reply = xsf.ResData(s=xsf.Session(h=handle, sess={"PeerAddr": peer}))
    if answer.refusal:
        reply.code = Code.NO_LICENCE
        reply.error_info = answer.refusal
    if answer.output is not None:
        reply.data.add(data=answer.output)
    return reply.SerializeToString()


def _output(
    service_id: str, outputs: tuple[Datum, ...], payloads: list[protocol.Payload]
) -> protocol.LoaderOutput:
    status = _int32(outputs[-1].status) if outputs else 0
    return protocol.LoaderOutput(
        serviceId=service_id,
        status=status,  # type: ignore[arg-type]  # an open enum
        pl=payloads,
    )


def _payload(output: Datum, attributes: dict[str, str]) -> protocol.Payload:
    attributes["status"] = str(output.status)
    meta = protocol.MetaDesc(
        name=output.key,
        dataType=output.type,  # type: ignore[arg-type]  # an open enum
        attribute=attributes,
    )
    return protocol.Payload(meta=meta, data=bytes(output.data))


def _int32(number: int) -> int:
    """Wrap a number to what the field can hold."""
    return ((number + _SIGN) & _UINT32) - _SIGN


def _utf8(text: str) -> str:
    """Replace what a worker may send and protobuf does not carry."""
    return text.encode(errors="replace").decode()

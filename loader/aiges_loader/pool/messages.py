"""Protobuf and gRPC, to and from what the rest of the supervisor speaks of. Pure."""

from collections.abc import Mapping, Sequence

import grpc

from aiges_loader.calls import Call, Datum, Reply
from aiges_loader.errors import (
    BodyTooLargeError,
    CallError,
    WrapperError,
    WrapperFailedError,
)
from aiges_wire.codes import WRAPPER_ERROR_KEY, Code
from aiges_wire.pb import aiges_inner_pb2 as pb


def request_of(call: Call) -> pb.Request:
    """Make the message for a call."""
    return _request(call.sid, call.params, call.inputs)


def inputs_of(tag: str, inputs: Sequence[Datum]) -> pb.Request:
    """Make the message for inputs of a session."""
    return _request(tag, {}, inputs)


def _request(tag: str, params: Mapping[str, str], inputs: Sequence[Datum]) -> pb.Request:
    return pb.Request(
        tag=tag,
        params=params,
        list=[
            pb.RequestData(
                key=datum.key,
                data=bytes(datum.data),
                len=len(datum.data),
                type=datum.type,
                status=datum.status,
                desc=datum.desc,
            )
            for datum in inputs
        ],
    )


def reply_of(message: pb.Response) -> Reply:
    """Read an answer that carries data."""
    return Reply(tuple(_datum(item) for item in message.list))


def _datum(item: pb.ResponseData) -> Datum:
    return Datum(item.key, item.data, item.type, item.status, dict(item.desc))


def error_of(message: pb.Response) -> CallError:
    """Read a Response whose `ret` is not 0; our worker adds the text, others do not."""
    text = next((item.data for item in message.list if item.key == WRAPPER_ERROR_KEY), b"")
    return error_for(message.ret, text.decode("utf-8", "replace"))


def error_for(code: int, text: str, step: int = 0) -> CallError:
    """Name the failure that a worker reports by a code that is not 0, and a text or none.

    Args:
        code: The worker's.
        text: The worker's.
        step: What failed, if the worker says so; else it counts as the result.
    """
    error: WrapperError | WrapperFailedError
    if code == Code.EXEC_FAILED:
        error = WrapperFailedError(text or "the wrapper returned no answer")
    else:
        error = WrapperError(code, text or f"wrapper error {code}")
    if step == Code.CALL_FAILED:
        error.step = Code.CALL_FAILED
    return error


def rpc_error(error: grpc.aio.AioRpcError) -> CallError:
    """Read the end of an RPC that did not go well though the worker lives."""
    if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return BodyTooLargeError(f"the worker does not take it: {error.details()}")
    return WrapperFailedError(brief(error))


def brief(error: grpc.aio.AioRpcError) -> str:
    """Say in one line what gRPC said."""
    return f"{error.code().name}: {error.details()}"

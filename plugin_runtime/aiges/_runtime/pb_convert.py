"""Protobuf messages of version 1, to and from what the runtime passes around. Pure."""

from collections.abc import Iterable

from aiges._runtime.replies import Answer, Failure, Input, Reply
from aiges_wire.codes import WRAPPER_ERROR_KEY, DataStatus
from aiges_wire.pb import aiges_inner_pb2 as pb


def inputs_of(items: Iterable[pb.RequestData]) -> list[Input]:
    """Read the inputs of a call."""
    return [Input(item.key, item.data, item.type, item.status, dict(item.desc)) for item in items]


def message_of(tag: str, reply: Reply) -> pb.Response:
    """Make the message that ends the call `tag`."""
    match reply:
        case Answer(outputs):
            items = [
                pb.ResponseData(
                    key=output.key,
                    data=bytes(output.data),
                    len=len(output.data),
                    type=output.type,
                    status=output.status,
                    desc=output.desc,
                )
                for output in outputs
            ]
            return pb.Response(tag=tag, list=items)
        case Failure(code, text):
            # Peers that know the key show the text.
            item = pb.ResponseData(
                key=WRAPPER_ERROR_KEY, data=text.encode("utf-8", "replace"), status=DataStatus.ONCE
            )
            return pb.Response(tag=tag, ret=code, list=[item])

"""Calls and replies to frames, and back. No I/O."""

from collections.abc import Sequence

import orjson

from aiges_loader.calls import Call, Datum, Reply
from aiges_loader.errors import CallError, WrapperFailedError
from aiges_wire import frames
from aiges_wire.frames import Buffer, Header


def call_buffers(number: int, call: Call, *, more: int = 0) -> list[Buffer]:
    """Write a CALL frame; raise `FrameError` if the call does not fit one."""
    head = frames.call(
        number,
        call.sid,
        call.params,
        items_of(call.inputs),
        deadline_us=int(call.deadline_at * 1_000_000) if call.deadline_at else 0,
        more=more,
        dumps=orjson.dumps,
    )
    return [head, *(datum.data for datum in call.inputs)]


def answer_buffers(number: int, reply: Reply) -> list[Buffer]:
    """Write an ANSWER frame."""
    outputs = reply.outputs
    return [
        frames.answer(number, items_of(outputs), dumps=orjson.dumps),
        *(datum.data for datum in outputs),
    ]


def call_of(header: Header, meta: Buffer, data: Buffer) -> Call:
    """Read a CALL; raise `FrameError` if it is none."""
    tag, params, items = frames.read_call(header, meta, loads=orjson.loads)
    return Call(tag, params, datums_of(items, data), header.number / 1_000_000)


def reply_of(header: Header, meta: Buffer, data: Buffer) -> Reply | CallError:
    """Read an ANSWER; raise `FrameError` if it is none."""
    items = frames.read_answer(header, meta, loads=orjson.loads)
    if not items:  # an answer without data is no answer
        return WrapperFailedError("the wrapper answered without any output")
    return Reply(datums_of(items, data))


def items_of(data: Sequence[Datum]) -> list[frames.Item]:
    """Describe data as the meta of a frame does; the bytes follow behind it."""
    return [(d.key, len(d.data), d.type, d.status, d.desc) for d in data]


def datums_of(items: Sequence[frames.Item], data: Buffer) -> tuple[Datum, ...]:
    """Take the data of a frame apart as its meta says."""
    if len(items) == 1:
        key, _, kind, status, desc = items[0]
        return (Datum(key, data, kind, status, desc),)
    datums = []
    at = 0
    for key, size, kind, status, desc in items:
        datums.append(Datum(key, data[at : at + size], kind, status, desc))
        at += size
    return tuple(datums)

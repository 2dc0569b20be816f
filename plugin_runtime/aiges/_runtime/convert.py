"""What wrappers see, to and from what the runtime passes around. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from aiges._runtime.replies import Answer, Buffer, Input, Output
from aiges.dto import DataListCls, DataListNode, Response, ResponseData
from aiges_wire.codes import Code
from aiges_wire.frames import MAX_ITEMS

_INT32: Final = range(-(1 << 31), 1 << 31)
_UINT32: Final = range(1 << 32)
"""Ask for an int only: a subclass, such as IntEnum, is compared with every number of a range."""


class NoAnswerError(Exception):
    """What the wrapper returned is no answer; the message says what it is instead."""


class EmptyAnswerError(NoAnswerError):
    """What the wrapper returned is a Response without anything in it."""


def inputs_from(items: Iterable[Input]) -> DataListCls:
    """Make the list that a wrapper gets as `reqData`."""
    inputs = DataListCls()
    inputs.list = [_node(item) for item in items]
    return inputs


def answer(response: object) -> Answer:
    """Read a wrapper's Response that carries no error code.

    Raises:
        NoAnswerError: Not a Response, without items, or with an item that cannot be sent.
    """
    if not isinstance(response, Response):
        raise NoAnswerError(f"returned {_kind(response)}, expected a Response")
    if not response.list:
        raise EmptyAnswerError("returned a Response with an empty list")
    if len(response.list) > MAX_ITEMS:
        raise NoAnswerError(f"returned {len(response.list)} items, at most {MAX_ITEMS} can be sent")
    return Answer([_output(item) for item in response.list])


def responses(returned: object, count: int) -> Sequence[object]:
    """Read what wrapperBatchExec returns for `count` requests.

    Raises:
        NoAnswerError: No list, or one of another length.
    """
    if not isinstance(returned, list | tuple):
        raise NoAnswerError(f"returned {_kind(returned)}, expected a list of Responses")
    if len(returned) != count:
        raise NoAnswerError(f"returned {len(returned)} Responses for {count} requests")
    return returned


def error_code(response: object) -> int:
    """Return the code that a Response carries, 0 for none.

    Raises:
        NoAnswerError: The code is no number that the wire can carry.
    """
    code = getattr(response, "error_code", 0)
    if not isinstance(code, int) or int(code) not in _INT32:
        raise NoAnswerError(f"returned error_code {code!r}, expected a 32-bit number")
    return int(code)


def error_text(response: object) -> str:
    """Return the words that a Response has beside its code, "" for none."""
    text = getattr(response, "error_text", "")
    return _text(text) if isinstance(text, str) else ""


def taken(returned: object) -> int:
    """Read what a method returns that answers by a number: 0 is success, else its own code.

    Raises:
        NoAnswerError: No number that the wire can carry.
    """
    if isinstance(returned, int) and int(returned) in _INT32:
        return int(returned)
    raise NoAnswerError(f"returned {_kind(returned)}, expected 0")


def status_of(returned: object) -> int:
    """Read what wrapperInit returns: 0 is success.

    None counts as a failure, as it does for the original; False is 0.
    """
    if isinstance(returned, int) and int(returned) in _INT32:
        return int(returned)
    return int(Code.EXEC_FAILED)


def _node(item: Input) -> DataListNode:
    node = DataListNode()
    node.key, node.data, node.type, node.status, node.desc = item
    node.len = len(item.data)
    return node


def _output(item: object) -> Output:
    if not isinstance(item, ResponseData):
        raise NoAnswerError(f"returned {_kind(item)} in Response.list, expected a ResponseData")
    key = _text(item.key)
    data = _buffer(key, item.data)
    desc = getattr(item, "desc", None) or {}
    if not isinstance(desc, Mapping):
        raise NoAnswerError(f"returned {_kind(desc)} as desc of item {key!r}, expected a dict")
    return Output(
        key,
        data,
        _number(key, "type", item.type),
        _number(key, "status", item.status),
        {_text(str(name)): _text(str(value)) for name, value in desc.items()} if desc else {},
    )


def _buffer(key: str, data: object) -> Buffer:
    if isinstance(data, bytes | bytearray):
        return data
    if isinstance(data, str):
        return data.encode("utf-8", "replace")
    if isinstance(data, memoryview):
        return data.cast("B") if data.c_contiguous else data.tobytes()
    raise NoAnswerError(f"returned {_kind(data)} as data of item {key!r}, expected bytes or str")


def _text(key: object) -> str:
    if isinstance(key, bytes):
        return key.decode("utf-8", "replace")
    if isinstance(key, str):
        return key.encode("utf-8", "replace").decode()  # a lone surrogate cannot be sent
    raise NoAnswerError(f"returned {_kind(key)} as an item's key, expected str")


def _number(key: str, what: str, value: object) -> int:
    if isinstance(value, int) and int(value) in _UINT32:
        return int(value)
    raise NoAnswerError(f"returned {what} {value!r} in item {key!r}, expected a number from 0")


def _kind(value: object) -> str:
    if value is None:
        return "None"
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"

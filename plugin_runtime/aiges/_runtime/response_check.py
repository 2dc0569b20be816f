"""What is wrong with a wrapper's answer, for its author. Pure."""

from collections import Counter
from collections.abc import Mapping

from aiges._runtime.fields import Field
from aiges.core.types import Once, Types
from aiges.dto import Response, ResponseData


def problems(response: object, declared: Mapping[str, Field]) -> list[str]:
    """List what a client or a stricter host would object to; nothing if all is well.

    Args:
        response: What `wrapperOnceExec` returned.
        declared: The wrapper's outputs by key; if it declares none, any will do.
    """
    if not isinstance(response, Response):
        return [f"wrapperOnceExec must return a Response, not {type(response).__name__}"]
    if response.error_code != 0:
        return []
    if not response.list:
        return ["the Response has an empty list"]
    return _repeated(response) + [
        text for item in response.list for text in _item_problems(item, declared, is_whole=True)
    ]


def problems_of_result(response: Response, declared: Mapping[str, Field]) -> list[str]:
    """List the same for one result of a session, which may have any status and come empty."""
    if response.error_code != 0:
        return []
    items = [item for item in response.list if item.key or item.data]
    return [text for item in items for text in _item_problems(item, declared, is_whole=False)]


def _repeated(response: Response) -> list[str]:
    return [
        f"output {key!r} is there {count} times"
        for key, count in Counter(item.key for item in response.list).items()
        if count > 1
    ]


def _item_problems(
    item: ResponseData, declared: Mapping[str, Field], *, is_whole: bool
) -> list[str]:
    found = []
    sizes = _sizes(item.data)
    if not sizes:
        found.append(f"data must be bytes or str, not {type(item.data).__name__}")
    elif item.len not in sizes:
        found.append(f"len is {item.len}, but data has {sizes[0]} bytes")
    if is_whole and item.status != Once:
        found.append(f"status is {item.status}; a complete answer has {Once} (Once)")
    if declared and item.key not in declared:
        found.append(f"not declared in responseCls, which has {', '.join(declared)}")
    elif declared and item.type != declared[item.key].data_type:
        kind = Types.get(item.type, item.type)
        found.append(f"type is {kind}, but responseCls declares {declared[item.key].kind}")
    return [f"output {item.key!r}: {text}" for text in found]


def _sizes(data: object) -> list[int]:
    """Return what `len` may say: bytes first, and for text also characters."""
    if isinstance(data, str):
        return [len(data.encode("utf-8", "replace")), len(data)]
    if isinstance(data, memoryview):
        return [data.nbytes]
    return [len(data)] if isinstance(data, bytes | bytearray) else []

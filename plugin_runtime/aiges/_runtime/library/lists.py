"""The ABI's linked lists, to and from what Python has."""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from aiges._runtime.convert import NoAnswerError
from aiges._runtime.library.abi import CData, ffi
from aiges.dto import DataListNode, ResponseData
from aiges_wire.frames import MAX_ITEMS

MAX_ATTRIBUTES: Final = 4096
"""Of one output; a longer list has no end."""

MAX_TEXT_BYTES: Final = 1 << 20
"""Of a key or a value that only its NUL ends."""

_NULL: Final = ffi.NULL


class LibraryOutput(ResponseData):
    """An output with attributes.

    Attributes:
        desc: The attributes.
    """

    desc: Mapping[str, str] = MappingProxyType({})


class CList(NamedTuple):
    """A list in C memory.

    Attributes:
        first: Its first node.
        memory: What must live as long as C code looks at the list.
    """

    first: CData
    memory: object


def params_list(pairs: Mapping[str, str]) -> CList:
    """Make a list of parameters; without any it is one node whose key is NULL."""
    nodes = ffi.new("param[]", max(1, len(pairs)))
    if not pairs:
        return CList(nodes, nodes)
    texts = [text.encode("utf-8", "replace") for pair in pairs.items() for text in pair]
    memory = ffi.new("char[]", b"\0".join(texts))
    at = memory + 0
    for number in range(len(pairs)):
        node, key, value = nodes[number], texts[2 * number], texts[2 * number + 1]
        node.key = at
        node.value = at + len(key) + 1
        node.vlen = len(value)
        at += len(key) + len(value) + 2
        if number:
            nodes[number - 1].next = nodes + number
    return CList(nodes, (nodes, memory))


def inputs_list(inputs: Sequence[DataListNode]) -> CList:
    """Make a list of a request's inputs; their data is where it was, not copied.

    The status stands among the attributes as well, where AIservice left it.
    """
    return _data_list(inputs, [{**i.desc, "status": str(i.status)} for i in inputs])


def resource_list(nodes: Sequence[DataListNode]) -> CList:
    """Make the list that describes a resource; its data is not copied."""
    return _data_list(nodes, [node.desc for node in nodes])


def _data_list(inputs: Sequence[DataListNode], descs: Sequence[Mapping[str, str]]) -> CList:
    nodes = ffi.new("data[]", max(1, len(inputs)))
    memory: list[object] = [nodes]
    for number, given in enumerate(inputs):
        key, desc, content = (
            ffi.new("char[]", given.key.encode()),
            params_list(descs[number]),
            given.data,
        )
        # Python shares bytes objects this short; a plugin that works in place must not change them.
        data = ffi.new("char[]", content) if len(content) < 2 else ffi.from_buffer(content)  # noqa: PLR2004
        node = nodes[number]
        node.key, node.data, node.len = key, data, len(content)
        node.type, node.status, node.desc = given.type, given.status, desc.first
        memory += (key, desc.memory, data)
        if number:
            nodes[number - 1].next = nodes + number
    return CList(nodes, memory)


def read_outputs(first: CData, *, values_end_at_nul: bool = False) -> list[ResponseData]:
    """Copy a list of outputs out of the plugin's memory.

    Args:
        first: Its first node, or NULL.
        values_end_at_nul: The vlen of attributes says nothing, as in callbacks.

    Returns:
        The outputs; none for NULL, and for a single node without key and data.

    Raises:
        NoAnswerError: Data that is not there, or a list that does not end.
    """
    outputs: list[ResponseData] = []
    for node in _nodes(first, MAX_ITEMS, "outputs"):
        output = LibraryOutput(key=text_at(node.key), type=node.type, status=node.status)
        if node.len:
            if node.data == _NULL:
                raise NoAnswerError(f"gave no data for {output.key!r}, but length {node.len}")
            output.setData(ffi.unpack(ffi.cast("char *", node.data), node.len))
        output.desc = dict(_attributes(node.desc, values_end_at_nul=values_end_at_nul))
        outputs.append(output)
    if len(outputs) == 1 and first.key == _NULL and first.data == _NULL:
        return []
    return outputs


def text_at(pointer: CData) -> str:
    """Read a C string as UTF-8, NULL as ""; what is no UTF-8 is replaced."""
    if pointer == _NULL:
        return ""
    text: bytes = ffi.string(pointer, MAX_TEXT_BYTES)
    return text.decode("utf-8", "replace")


def _attributes(first: CData, *, values_end_at_nul: bool) -> Iterator[tuple[str, str]]:
    for node in _nodes(first, MAX_ATTRIBUTES, "attributes of an output"):
        if node.key == _NULL:
            continue
        if values_end_at_nul or node.value == _NULL:
            yield text_at(node.key), text_at(node.value)
        else:
            yield text_at(node.key), ffi.unpack(node.value, node.vlen).decode("utf-8", "replace")


def _nodes(first: CData, limit: int, what: str) -> Iterator[CData]:
    node = first
    for _ in range(limit):
        if node == _NULL:
            return
        yield node
        node = node.next
    if node != _NULL:
        raise NoAnswerError(f"gave more than {limit} {what}, or a list without end")

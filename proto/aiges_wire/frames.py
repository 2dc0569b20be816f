"""Frames of the native data channel, to and from bytes. No sockets, no waiting.

A frame is a header, then meta (JSON in UTF-8), then data (raw bytes, one item behind the other).
docs/data-channel.md has the layout byte by byte.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from struct import Struct
from typing import Any, Final, NamedTuple, TypeAlias

VERSION: Final = 1
"""Of the frames, in each of them."""

MAX_META_BYTES: Final = 64 << 20
MAX_DATA_BYTES: Final = (1 << 31) - 1
MAX_ITEMS: Final = 4096
"""Inputs or outputs of one call."""

MAX_TOGETHER: Final = 1024
"""Calls of one batch."""

RESULT: Final = (1 << 32) - 1
"""In the place of a number, on a session's connection: the result of no particular write."""

MAX_BUFFERS: Final = 512
"""For one system call; the kernel takes 1024."""

Buffer: TypeAlias = bytes | bytearray | memoryview
Dumps: TypeAlias = Callable[[object], bytes]
Loads: TypeAlias = Callable[[Buffer], Any]

_HEADER: Final = Struct("<BBHIIIQQ")
HEADER_BYTES: Final = _HEADER.size
_UINT32: Final = 1 << 32
_QUOTED_CHARS: Final = 60


class FrameError(ValueError):
    """The peer sent something that is no frame; the message says what, for its crash report."""


class Kind(IntEnum):
    """What a frame is."""

    CALL = 1  # to the worker: [tag, params, items]; number: the deadline
    ANSWER = 2  # from the worker: [items]; number: microseconds in user code
    FAILURE = 3  # from the worker: [code, text], or [code, text, step]; number: the same
    # On the connection of a session, where an ANSWER is one of its results and a FAILURE its end:
    OPEN = 4  # to the worker, first: [tag, params, []]
    WRITE = 5  # to the worker: [items], its next inputs
    DONE = 6  # from the worker: []; OPEN, or WRITE number `call`, has returned; number: the same
    # Between the supervisor and its front-end processes only; a worker gets none of these.
    CANCEL = 16  # to the supervisor: nobody waits for the call any more
    ORDERS = 17  # to a front end: what it is to live by
    REPORT = 18  # to a front end: asks for one; to the supervisor: how it is


class Header(NamedTuple):
    """The fixed part of a frame.

    Attributes:
        kind: What the rest means.
        call: Names the call on its connection; its answer repeats it.
        meta_bytes: Length of the meta.
        number: As `Kind` says; a deadline is in microseconds of CLOCK_MONOTONIC, 0 for none.
        data_bytes: Length of the data.
        more: Of a CALL: how many further CALLs follow that belong to the same batch; the worker
            begins them together. 0 in all but the first of a batch.
    """

    kind: Kind
    call: int
    meta_bytes: int
    number: int
    data_bytes: int
    more: int = 0


Item: TypeAlias = tuple[str, int, int, int, Mapping[str, str]]
"""One input or output without its data: key, size of the data in bytes, type, status, desc.

Type and status are `DataType` and `DataStatus` numbers, or the wrapper's own; desc has the
attributes beside the data.
"""


class CallMeta(NamedTuple):
    """The meta of a CALL: the name by which answers are routed, and what the wrapper gets."""

    tag: str
    params: dict[str, str]
    items: list[Item]


_KINDS: Final[Mapping[int, Kind]] = {kind.value: kind for kind in Kind}
_decode = json.JSONDecoder().decode
_encode = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode


def dumps(value: object) -> bytes:
    """Write JSON with the standard library; a side that has a faster one brings its own."""
    return _encode(value).encode()


def loads(text: Buffer) -> Any:  # noqa: ANN401 - JSON
    """Read JSON with the standard library; raise ValueError if it is none."""
    return _decode(str(text, "utf-8"))


def call(  # noqa: PLR0913 - the parts of a frame
    number: int,
    tag: str,
    params: Mapping[str, str],
    items: Sequence[Item],
    *,
    deadline_us: int = 0,
    more: int = 0,
    dumps: Dumps = dumps,
) -> bytes:
    """Return the head, header and meta, of a CALL; the items' data follows it."""
    meta = dumps((tag, params, items))
    return _head(Kind.CALL, number, meta, deadline_us, items, more=more)


def answer(number: int, items: Sequence[Item], *, spent_us: int = 0, dumps: Dumps = dumps) -> bytes:
    """Return the head of an ANSWER; the items' data follows it."""
    return _head(Kind.ANSWER, number, dumps((items,)), spent_us, items)


def failure(  # noqa: PLR0913 - what a failure is made of
    number: int, code: int, text: str, *, step: int = 0, spent_us: int = 0, dumps: Dumps = dumps
) -> bytes:
    """Return a whole FAILURE; `step` is the number of what failed, 0 where that is plain."""
    meta = dumps((code, text, step) if step else (code, text))
    return _head(Kind.FAILURE, number, meta, spent_us, ())


def open_session(tag: str, params: Mapping[str, str], *, dumps: Dumps = dumps) -> bytes:
    """Return a whole OPEN: it begins a session under the name by which its results are routed."""
    return _head(Kind.OPEN, 0, dumps((tag, params, ())), 0, ())


def write(number: int, items: Sequence[Item], *, dumps: Dumps = dumps) -> bytes:
    """Return the head of a WRITE; the items' data follows it. Its DONE repeats the number."""
    return _head(Kind.WRITE, number, dumps((items,)), 0, items)


def done(number: int, *, spent_us: int = 0) -> bytes:
    """Return a whole DONE; number 0 stands for the OPEN."""
    return _head(Kind.DONE, number, b"[]", spent_us, ())


def note(kind: Kind, number: int, meta: bytes = b"") -> bytes:
    """Return a whole frame that has nothing but meta."""
    return _head(kind, number, meta, 0, ())


def read_header(data: Buffer, offset: int = 0) -> Header:
    """Read the header at `offset`; raise `FrameError` if it is none that this version knows."""
    number, version, reserved, call_number, meta_bytes, more, extra, data_bytes = (
        _HEADER.unpack_from(data, offset)
    )
    if version != VERSION:
        raise FrameError(f"frame version {version}, we speak {VERSION}")
    kind = _KINDS.get(number)
    if kind is None:
        raise FrameError(f"unknown kind of frame: {number}")
    if reserved or (more and kind is not Kind.CALL):
        raise FrameError("reserved bytes of a frame are not zero")
    if more >= MAX_TOGETHER:
        raise FrameError(f"a batch of {more + 1} calls, at most {MAX_TOGETHER} are allowed")
    if meta_bytes > MAX_META_BYTES:
        raise FrameError(f"meta of {meta_bytes} bytes, at most {MAX_META_BYTES} are allowed")
    if data_bytes > MAX_DATA_BYTES:
        raise FrameError(f"data of {data_bytes} bytes, at most {MAX_DATA_BYTES} are allowed")
    return Header(kind, call_number, meta_bytes, extra, data_bytes, more)


def read_call(header: Header, meta: Buffer, *, loads: Loads = loads) -> CallMeta:
    """Read the meta of a CALL, or of an OPEN; raise `FrameError` if it is none."""
    match _json(meta, loads):
        case [str() as tag, dict() as params, list() as items]:
            _check_texts(params, "params")
            return CallMeta(tag, params, _items(items, header.data_bytes))
        case other:
            raise FrameError(
                f"expected [tag, params, items] in a {header.kind.name}, got {_quoted(other)}"
            )


def read_answer(header: Header, meta: Buffer, *, loads: Loads = loads) -> list[Item]:
    """Read the meta of an ANSWER, or of a WRITE; raise `FrameError` if it is none."""
    match _json(meta, loads):
        case [list() as items]:
            return _items(items, header.data_bytes)
        case other:
            raise FrameError(
                f"expected [items] in a frame of kind {header.kind.name}, got {_quoted(other)}"
            )


def read_failure(header: Header, meta: Buffer, *, loads: Loads = loads) -> tuple[int, str, int]:
    """Read the meta of a FAILURE: code, text and step; raise `FrameError` if it is none."""
    match _json(meta, loads):
        case [int() as code, str() as text, *steps] if not isinstance(code, bool):
            if header.data_bytes:
                raise FrameError("a FAILURE has no data")
            if not -(_UINT32 // 2) <= code < _UINT32 // 2:
                raise FrameError(f"code {code} does not fit 32 bits")
            match steps:
                case []:
                    return code, text, 0
                case [int() as step] if not isinstance(step, bool) and 0 < step < _UINT32 // 2:
                    return code, text, step
                case other:
                    raise FrameError(f"expected one step of a FAILURE, got {_quoted(other)}")
        case other:
            raise FrameError(f"expected [code, text] in a FAILURE, got {_quoted(other)}")


def behind(buffers: Sequence[Buffer], count: int) -> list[Buffer]:
    """Return what of `buffers` comes after their first `count` bytes."""
    left: list[Buffer] = []
    for buffer in buffers:
        if count >= len(buffer):
            count -= len(buffer)
        else:
            left.append(memoryview(buffer)[count:] if count else buffer)
            count = 0
    return left


def _head(  # noqa: PLR0913 - the parts of a header
    kind: Kind, number: int, meta: bytes, extra: int, items: Sequence[Item], *, more: int = 0
) -> bytes:
    data_bytes = 0
    for item in items:
        data_bytes += item[1]
    if len(items) > MAX_ITEMS:
        raise FrameError(f"{len(items)} items, at most {MAX_ITEMS} are allowed")
    if len(meta) > MAX_META_BYTES:
        raise FrameError(f"meta of {len(meta)} bytes, at most {MAX_META_BYTES} are allowed")
    if data_bytes > MAX_DATA_BYTES:
        raise FrameError(f"data of {data_bytes} bytes, at most {MAX_DATA_BYTES} are allowed")
    return _HEADER.pack(kind, VERSION, 0, number, len(meta), more, extra, data_bytes) + meta


def _json(meta: Buffer, loads: Loads) -> Any:  # noqa: ANN401 - JSON
    try:
        return loads(meta)
    except (ValueError, RecursionError) as error:
        raise FrameError(f"meta is not JSON: {error}") from None


def _items(values: list[Any], data_bytes: int) -> list[Item]:
    if len(values) > MAX_ITEMS:
        raise FrameError(f"{len(values)} items, at most {MAX_ITEMS} are allowed")
    items: list[Item] = []
    for value in values:
        match value:
            case [str(), int() as size, int() as kind, int() as status, dict() as desc]:
                if size < 0 or not 0 <= kind < _UINT32 or not 0 <= status < _UINT32:
                    raise FrameError(f"a number is out of range in item {_quoted(value)}")
                if desc:
                    _check_texts(desc, "desc")
                items.append(tuple(value))
                data_bytes -= size
            case _:
                raise FrameError(
                    f"expected [key, size, type, status, desc] as an item, got {_quoted(value)}"
                )
    if data_bytes:
        raise FrameError("the sizes of the items do not add up to the data")
    return items


def _check_texts(texts: dict[str, Any], what: str) -> None:
    for value in texts.values():
        if not isinstance(value, str):
            raise FrameError(f"expected texts in {what}, got {_quoted(value)}")


def _quoted(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _QUOTED_CHARS else f"{text[:_QUOTED_CHARS]}..."

"""What a typed wrapper takes and gives: text, JSON, images, sound. Pure.

`aiges.typed` exports the classes. `received` makes one of what a client sent, `item_of` makes what
the client gets of one.
"""

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from aiges.core.types import DataAudio, DataImage, DataText, Once, Types
from aiges.dto import DataListNode, ResponseData

MAX_TEXT_BYTES: Final = 64 << 20
"""Of text that came compressed."""

_CODECS: Final[Mapping[str, str]] = {
    "utf8": "utf-8",
    "utf-8": "utf-8",
    "ascii": "ascii",
    # The newest of the three reads what was written by the older two.
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "gb18030": "gb18030",
}


class BadValueError(Exception):
    """A client's value is not what the method's signature asks for; the message says which."""


@dataclass(frozen=True)
class Payload:
    """What the four kinds of input and output have in common.

    Attributes:
        encoding: How the client encoded it, or shall know that it is encoded: "jpg", "pcm", ...
        status: Where in a stream it stands: DataBegin, DataContinue, DataEnd or Once. Outputs of
            a stream may be left at Once; the runtime numbers them.
        attributes: What else the client says of it, or shall be told in a session: "sample_rate"
            and the like, as text.
    """

    data_type: ClassVar[int]

    encoding: str = field(default="", kw_only=True)
    status: int = field(default=Once, kw_only=True)
    attributes: Mapping[str, str] = field(default_factory=dict, kw_only=True)


@dataclass(frozen=True)
class Text(Payload):
    """Text.

    An input is decoded by its attribute `encoding` (utf8, ascii, gb2312, gbk or gb18030; without
    it, utf8), and unpacked if its attribute `compress` is gzip. An output is sent as UTF-8.

    Attributes:
        text: The text.
    """

    data_type: ClassVar[int] = DataText

    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Json(Payload):
    """A JSON value, sent and received as text; see `Text`.

    Attributes:
        value: Of dict, list, str, int, float, bool and None.
    """

    data_type: ClassVar[int] = DataText

    value: Any


@dataclass(frozen=True)
class Image(Payload):
    """A picture.

    Attributes:
        data: The bytes of its file.
    """

    data_type: ClassVar[int] = DataImage

    data: bytes


@dataclass(frozen=True)
class Audio(Payload):
    """Sound.

    Attributes:
        data: Samples, or the bytes of a file, as `encoding` says.
    """

    data_type: ClassVar[int] = DataAudio

    data: bytes


PAYLOADS: Final[tuple[type[Payload], ...]] = (Text, Json, Image, Audio)


def received(kind: type[Payload], node: DataListNode, encoding: str) -> Payload:
    """Make an input of what a client sent.

    Args:
        kind: One of `PAYLOADS`.
        node: As the runtime hands it over.
        encoding: What counts if the client names none.

    Raises:
        BadValueError: Of another type, or text that cannot be decoded.
    """
    if node.type != kind.data_type:
        wanted, got = (Types.get(n, f"type {n}") for n in (kind.data_type, node.type))
        raise BadValueError(f"payload {node.key!r}: expected {wanted}, got {got}")
    attributes = dict(node.desc)
    encoding = attributes.pop("encoding", "") or encoding
    rest: dict[str, Any] = {"encoding": encoding, "status": node.status, "attributes": attributes}
    if kind is Image or kind is Audio:
        return kind(bytes(node.data), **rest)
    try:
        text = _decoded(_unpacked(node.data, attributes.get("compress", "")), encoding)
        return Text(text, **rest) if kind is Text else Json(json.loads(text), **rest)
    except (BadValueError, json.JSONDecodeError) as error:
        what = error if isinstance(error, BadValueError) else f"is no JSON: {error}"
        raise BadValueError(f"payload {node.key!r}: {what}") from None


def item_of(key: str, payload: Payload, encoding: str) -> ResponseData:
    """Make of an output what the client gets.

    Args:
        key: Its name.
        payload: One of `PAYLOADS`.
        encoding: What counts if the payload says nothing of it.

    Raises:
        TypeError: A value that JSON cannot hold.
        ValueError: Likewise.
    """
    match payload:
        case Text():
            data: bytes | str = payload.text
        case Json():
            data = json.dumps(payload.value, ensure_ascii=False, allow_nan=False)
        case Image() | Audio():
            data = payload.data
        case _:
            raise TypeError(f"output {key!r}: {type(payload).__name__} cannot be sent")
    item = ResponseData(key=key, data=data, type=payload.data_type, status=payload.status)
    encoding = payload.encoding or encoding
    item.desc = {**payload.attributes, **({"encoding": encoding} if encoding else {})}
    return item


def _unpacked(data: bytes, compress: str) -> bytes:
    if compress in ("", "raw"):
        return data
    if compress != "gzip":
        raise BadValueError(f'compress: expected "raw" or "gzip", got {json.dumps(compress)}')
    unpacking = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        unpacked = unpacking.decompress(data, MAX_TEXT_BYTES)
    except zlib.error:
        raise BadValueError("is no gzip") from None
    if not unpacking.eof:
        longer = bool(unpacking.unconsumed_tail)
        raise BadValueError(f"is longer than {MAX_TEXT_BYTES} bytes" if longer else "is cut off")
    return unpacked


def _decoded(data: bytes, encoding: str) -> str:
    codec = _CODECS.get(encoding.lower() or "utf8")
    if codec is None:
        names = ", ".join(json.dumps(name) for name in _CODECS)
        raise BadValueError(f"encoding: expected one of {names}, got {json.dumps(encoding)}")
    try:
        return bytes(data).decode(codec)
    except UnicodeDecodeError as error:
        raise BadValueError(f"is not {encoding or 'utf8'}: byte {error.start}") from None

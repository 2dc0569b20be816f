"""Bytes to text where bytes that are not UTF-8 shall not be an error. No I/O."""

import re
from typing import Final

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_PIECE_CHARS: Final = 64 << 10
"""Replaced at once: the interpreter's lock is held so long, and other threads have to wait."""


def decode_replacing(data: bytes | bytearray | memoryview) -> str:
    """Return `data` as text, with one U+FFFD for each byte that is not part of valid UTF-8.

    Python's own "replace" writes one U+FFFD for a whole cut-off sequence; clients of this
    protocol see one for each byte.
    """
    try:
        return str(data, "utf-8")
    except UnicodeDecodeError:
        return replace_surrogates(str(data, "utf-8", "surrogateescape"))


def replace_surrogates(text: str) -> str:
    """Return `text` with U+FFFD for every surrogate, lone by nature in a Python string."""
    starts = range(0, len(text), _PIECE_CHARS)
    return "".join(_SURROGATE.sub("\ufffd", text[at : at + _PIECE_CHARS]) for at in starts)

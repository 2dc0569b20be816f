"""Standard base64 as Go reads it: what it accepts, and where it says the fault is. No I/O."""

import binascii
import re
from typing import Final

import pybase64

_DIGITS: Final = re.compile(rb"[A-Za-z0-9+/\r\n]*+")
_SKIPPED: Final = re.compile(rb"[\r\n]*+")
_LINE_ENDS: Final = b"\r\n"
_QUANTUM: Final = 4
"""Characters that stand for three bytes."""
_FIRST_PADDABLE: Final = 2
"""Characters of a quantum that must stand before its padding."""


class Base64Error(ValueError):
    """The text is not base64; `str(error)` is what Go's decoder says about it."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"illegal base64 data at input byte {offset}")


def decode(text: str) -> bytes:
    """Decode standard base64 with padding; CR and LF anywhere, and stray last bits, are ignored.

    Raises:
        Base64Error: With the offset, in bytes of the text's UTF-8, that Go's decoder reports.
    """
    try:
        return pybase64.b64decode(text, validate=True)
    except ValueError:
        return _decode_with_care(text.encode())


def encode(data: bytes | bytearray | memoryview) -> str:
    """Encode as one line of standard base64 with padding."""
    return pybase64.b64encode_as_string(data)


def _decode_with_care(text: bytes) -> bytes:
    """Decode what the strict decoder refuses: text with line ends in it, or not base64 at all."""
    end = _end_of(_DIGITS, text, 0)
    in_quantum = len(text[:end].translate(None, _LINE_ENDS)) % _QUANTUM
    if end < len(text):
        _check_padding(text, end, in_quantum)
    elif in_quantum:
        raise Base64Error(len(text) - in_quantum)
    return binascii.a2b_base64(text.translate(None, _LINE_ENDS))


def _check_padding(text: bytes, start: int, in_quantum: int) -> None:
    """Check the end of `text` from `start` on, the first byte that is no base64 digit.

    Args:
        text: All of it.
        start: Less than its length.
        in_quantum: How many digits of the last quantum stand before `start`.
    """
    if text[start : start + 1] != b"=" or in_quantum < _FIRST_PADDABLE:
        raise Base64Error(start)
    end = _end_of(_SKIPPED, text, start + 1)
    if in_quantum == _FIRST_PADDABLE:
        if end == len(text):
            raise Base64Error(end)
        if text[end : end + 1] != b"=":
            raise Base64Error(end - 1)
        end = _end_of(_SKIPPED, text, end + 1)
    if end < len(text):
        raise Base64Error(end)


def _end_of(pattern: re.Pattern[bytes], text: bytes, start: int) -> int:
    """Return where the run of `pattern`, perhaps an empty one, ends that begins at `start`."""
    run = pattern.match(text, start)
    return start if run is None else run.end()

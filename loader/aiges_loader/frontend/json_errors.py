"""What Go's JSON scanner says about a text that is not JSON. No I/O.

The texts reach clients in `header.message`, so they are part of the interface. They were recorded
from Go 1.26 and are the same in the releases that upstream's servers were built with.
"""

import re
from typing import Final

_LOW_SURROGATE: Final = 0xDC00
"""Python's "surrogateescape" puts the byte B, 0x80 or above, at U+DC00 + B."""

_NAMED: Final = {
    "\a": r"\a",
    "\b": r"\b",
    "\f": r"\f",
    "\n": r"\n",
    "\r": r"\r",
    "\t": r"\t",
    "\v": r"\v",
    "\\": r"\\",
    "'": r"\'",
}
_UNPRINTABLE: Final = frozenset(map(chr, [*range(0x80, 0xA1), 0xAD]))

_INTEGER: Final = r"-?(?:0|[1-9][0-9]*+)"
_CUT_NUMBERS: Final = (
    (re.compile(r"-(?![0-9])"), "in numeric literal"),
    (re.compile(rf"{_INTEGER}\.(?![0-9])"), "after decimal point in numeric literal"),
    (
        re.compile(rf"{_INTEGER}(?:\.[0-9]++)?+[eE][+-]?+(?![0-9])"),
        "in exponent of numeric literal",
    ),
)
_CUT_STRING: Final = re.compile(
    r'"(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+(\\(u[0-9a-fA-F]*+)?+)?+'
)
_LITERALS: Final = {"t": "true", "f": "false", "n": "null"}


class JsonError(ValueError):
    """The text is not JSON; `str(error)` is what Go's decoder says about it."""


def unexpected(text: str, position: int, where: str) -> JsonError:
    """Blame the character at `position`; `where` is the scanner's place: "after object key".

    Args:
        text: Decoded with "surrogateescape", so that a byte that is not UTF-8 can be named.
        position: Where scanning stopped; at the end of `text` the end itself is to blame.
        where: The words behind the character.
    """
    if position == len(text):
        return JsonError("unexpected EOF")
    return JsonError(f"invalid character {_quoted(text[position])} {where}")


def cut_number(text: str, position: int) -> JsonError | None:
    """Return what is wrong with the number at `position`, if it ends where digits must follow."""
    for pattern, where in _CUT_NUMBERS:
        if cut := pattern.match(text, position):
            return unexpected(text, cut.end(), where)
    return None


def bad_string(text: str, position: int) -> JsonError:
    """Return what is wrong with the string that begins at `position`."""
    good = _CUT_STRING.match(text, position)
    assert good is not None, "no string begins here"
    if good[2] is not None:
        where = r"in \u hexadecimal character escape"
    elif good[1] is not None:
        where = "in string escape code"
    else:
        where = "in string literal"
    return unexpected(text, good.end(), where)


def bad_value(text: str, position: int) -> JsonError:
    """Return what is wrong at `position`, where a value must begin and no number or string does."""
    literal = _LITERALS.get(text[position : position + 1])
    if literal is None:
        return unexpected(text, position, "looking for beginning of value")
    right = 1
    while text[position + right : position + right + 1] == literal[right]:
        right += 1
    where = f"in literal {literal} (expecting {_quoted(literal[right])})"
    return unexpected(text, position + right, where)


def _quoted(character: str) -> str:
    """Quote the first byte of `character` as Go does: a BOM is an 'ï'."""
    code = ord(character)
    if _LOW_SURROGATE + 0x80 <= code <= _LOW_SURROGATE + 0xFF:
        byte = chr(code - _LOW_SURROGATE)
    else:
        byte = chr(character.encode()[0])
    if byte in _NAMED:
        return f"'{_NAMED[byte]}'"
    if byte in _UNPRINTABLE:
        return f"'\\u{ord(byte):04x}'"
    if byte < " " or byte == "\x7f":
        return f"'\\x{ord(byte):02x}'"
    return f"'{byte}'"

"""Read JSON as Go's encoding/json does: what it accepts, and what it makes of it. No I/O.

The front end reads with a faster decoder and comes here with what that one refuses: bytes after
the document, invalid UTF-8, lone surrogates, numbers beyond float64, and everything malformed,
for which Go's words are wanted. Plain stretches are left to Python's C decoder, so large strings
and long lists of numbers are read at its speed; nesting is walked without recursion.
"""

import json
import math
import re
from dataclasses import dataclass
from functools import cache
from typing import Final, TypeAlias

from aiges_loader.frontend.json_errors import (
    JsonError,
    bad_string,
    bad_value,
    cut_number,
    unexpected,
)
from aiges_loader.frontend.utf8 import replace_surrogates

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"

MAX_DEPTH: Final = 1024
"""Containers inside each other. Go allows 10 000; the faster decoder stops here, so both do."""

_FLOAT_DIGITS: Final = 309
"""The largest float64 has so many digits before its point; a shorter integer is in its range."""

_RUN_DEPTH: Final = 2
"""Containers inside each other in what is left to Python's decoder in one go."""

_SPACE: Final = r"[ \t\n\r]*+"
_NUMBER: Final = r"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][+-]?+[0-9]++)?+"
_STRING: Final = r'"(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+"'
# For what is left to Python's decoder: no number that float64 may not hold, no lone surrogate.
_SMALL_NUMBER: Final = (
    r"-?(?:0|[1-9][0-9]{0,199}+)(?:\.[0-9]++)?+(?:[eE][+-]?+[0-9]{1,2}+(?![0-9]))?+"
)
_CLEAN_STRING: Final = (
    r'"(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u(?![dD][89a-fA-F])[0-9a-fA-F]{4}))*+"'
)
_SCALAR: Final = f"(?:{_CLEAN_STRING}|{_SMALL_NUMBER}|true|false|null)"
_COMMA: Final = f"{_SPACE},{_SPACE}"
_COLON: Final = f"{_SPACE}:{_SPACE}"


def _scalar_or_container_of(value: str) -> str:
    """Return a pattern for a scalar, or an array or object of nothing but such values."""
    member = f"{_CLEAN_STRING}{_COLON}{value}"
    values = f"(?:{value}(?:{_COMMA}{value})*+{_SPACE})?+"
    members = f"(?:{member}(?:{_COMMA}{member})*+{_SPACE})?+"
    return rf"(?:{_SCALAR}|\[{_SPACE}{values}\]|\{{{_SPACE}{members}\}})"


@cache
def _plain_run(opener: str) -> re.Pattern[str]:
    """Match the next items, or members, of a container for as long as they are nearly flat.

    Each has the comma behind it, but for one that is the container's last.
    """
    before = f"{_CLEAN_STRING}{_COLON}" if opener == "{" else ""
    plain = _SCALAR
    for _ in range(_RUN_DEPTH):
        plain = _scalar_or_container_of(plain)
    last = rf"(?={_SPACE}\{_CLOSERS[opener]})"
    return re.compile(f"(?:{before}{plain}(?:{_COMMA}|{last}))++")


_decode: Final = json.JSONDecoder().raw_decode
_skip_space: Final = re.compile(_SPACE).match
_match_number: Final = re.compile(_NUMBER).match
_match_string: Final = re.compile(_STRING).match
_CLOSERS: Final = {"{": "}", "[": "]"}
_MORE_DIGITS: Final = ("-", ".", "e", "E")
"""Behind these a number must go on."""
_LITERALS: Final[dict[str, bool | None]] = {"true": True, "false": False, "null": None}


class OutOfRange(float):
    """A number beyond float64: infinite, with the literal that it was."""

    literal: str


@dataclass(frozen=True, slots=True)
class Document:
    """The first JSON document of a text; `out_of_range` says whether an `OutOfRange` is in it."""

    value: Json
    out_of_range: bool


def read(body: bytes) -> Document:
    """Read the first JSON document in `body`; what follows it is ignored.

    Each byte that is not UTF-8 and each lone surrogate in a string becomes U+FFFD. The last of
    repeated keys counts. Integers are exact.

    Raises:
        JsonError: With the text of Go's decoder. Also for more than `MAX_DEPTH` levels.
    """
    reader = _Reader(body.decode(errors="surrogateescape"))
    value = reader.read()
    return Document(value, reader.out_of_range)


class _Reader:
    """A position in a text, and the containers that are open there, outermost first."""

    def __init__(self, text: str) -> None:
        self.out_of_range = False
        self._text = text
        self._position = 0
        self._open: list[dict[str, Json] | list[Json]] = []

    def read(self) -> Json:
        self._advance(0)
        if self._position == len(self._text):
            raise JsonError("EOF")
        root = self._value()
        while self._open:
            container = self._open[-1]
            run = self._next_run("{" if isinstance(container, dict) else "[")
            if isinstance(container, dict):
                if run is not None:
                    container.update(_decode(f"{{{self._take(run)}}}")[0])
                else:
                    key = self._key()
                    container[key] = self._value()
            elif run is not None:
                container.extend(_decode(f"[{self._take(run)}]")[0])
            else:
                container.append(self._value())
        return root

    def _value(self) -> Json:
        """Read a value up to the next key or item; a container is only opened, unless empty."""
        opener = self._peek()
        value: Json
        if opener in _CLOSERS:
            if len(self._open) == MAX_DEPTH:
                raise unexpected(self._text, self._position, "exceeded max depth")
            container: dict[str, Json] | list[Json] = {} if opener == "{" else []
            self._advance(1)
            if self._peek() != _CLOSERS[opener]:
                self._open.append(container)
                return container
            self._position += 1
            value = container
        elif opener == '"':
            value = self._string()
        else:
            value = self._number_or_literal()
        self._leave_value()
        return value

    def _leave_value(self) -> None:
        """Go on behind a complete value: past the comma, or past what closes after it."""
        while self._open:
            self._advance(0)
            inside_object = isinstance(self._open[-1], dict)
            character = self._peek()
            if character == ",":
                self._advance(1)
                return
            if character != ("}" if inside_object else "]"):
                where = "after object key:value pair" if inside_object else "after array element"
                raise unexpected(self._text, self._position, where)
            self._open.pop()
            self._position += 1

    def _key(self) -> str:
        if self._peek() != '"':
            where = "looking for beginning of object key string"
            raise unexpected(self._text, self._position, where)
        key = self._string()
        self._advance(0)
        if self._peek() != ":":
            raise unexpected(self._text, self._position, "after object key")
        self._advance(1)
        return key

    def _string(self) -> str:
        found = _match_string(self._text, self._position)
        if found is None:
            raise bad_string(self._text, self._position)
        self._position = found.end()
        text: str = _decode(found[0])[0]
        return replace_surrogates(text)

    def _number_or_literal(self) -> Json:
        start = self._position
        found = _match_number(self._text, start)
        end = start if found is None else found.end()
        if self._text[end : end + 1] in _MORE_DIGITS and (error := cut_number(self._text, start)):
            raise error
        if found is not None:
            self._position = end
            literal = found[0]
            return self._integer(literal) if literal.lstrip("-").isdigit() else self._float(literal)
        for word, value in _LITERALS.items():
            if self._text.startswith(word, start):
                self._position += len(word)
                return value
        raise bad_value(self._text, start)

    def _next_run(self, opener: str) -> re.Match[str] | None:
        if len(self._open) + _RUN_DEPTH > MAX_DEPTH:
            return None
        return _plain_run(opener).match(self._text, self._position)

    def _take(self, run: re.Match[str]) -> str:
        """Go on behind `run`; return it without its last comma, nor bytes that are not UTF-8."""
        self._position = run.end()
        items = run[0].rstrip(" \t\n\r")
        if items[-1] != ",":
            self._leave_value()
        return replace_surrogates(items.removesuffix(","))

    def _integer(self, literal: str) -> int | float:
        if len(literal) < _FLOAT_DIGITS:
            return int(literal)
        number = self._float(literal)
        return number if math.isinf(number) else int(literal)

    def _float(self, literal: str) -> float:
        number = float(literal)
        if math.isinf(number):
            self.out_of_range = True
            number = OutOfRange(literal)
            number.literal = literal
        return number

    def _peek(self) -> str:
        return self._text[self._position : self._position + 1]

    def _advance(self, characters: int) -> None:
        """Step over `characters` and the white space behind them."""
        space = _skip_space(self._text, self._position + characters)
        assert space is not None, "matches the empty string at least"
        self._position = space.end()

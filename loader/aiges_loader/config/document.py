"""A TOML text, parsed, that can still say on which line a key stands. No I/O."""

import bisect
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field

from aiges_loader.config.findings import ConfigError, Finding, Place

_WHERE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_WHOLE_NUMBERS = range(-(2**63), 2**63)


@dataclass(frozen=True, slots=True)
class Document:
    """One TOML text.

    Attributes:
        name: The file's path as the user knows it, or "-dc".
        text: The whole text.
        data: Its top-level table. Every whole number in it fits 64 bits, as TOML asks.
    """

    name: str
    text: str
    data: Mapping[str, object]
    _heads: dict[int, Mapping[str, object] | None] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def place(self, *keys: str) -> Place:
        """Find where the key stands that `keys` lead to; if it is missing, where its table does.

        The parser itself is the judge: the shortest run of leading lines that parses and has the
        key ends with the key's own statement. Quoted and dotted keys, inline tables and multi-line
        texts need no special case. Costs some ten parses, so it is for errors and warnings only.
        """
        for depth in range(len(keys), 0, -1):
            if _has(self.data, keys[:depth]):
                return Place(self.name, self._first_line(keys[:depth]))
        return Place(self.name, 1)

    def _first_line(self, keys: tuple[str, ...]) -> int:
        """Return the line, from 1, on which the statement begins that first brings `keys`."""
        lines = self.text.replace("\r\n", "\n").split("\n")

        def head(count: int) -> Mapping[str, object] | None:
            if count not in self._heads:
                self._heads[count] = _parse_or_none("\n".join(lines[:count]))
            return self._heads[count]

        def whole(count: int) -> int:
            """Shorten to the end of a statement: inside a multi-line value nothing parses."""
            while head(count) is None:
                count -= 1
            return count

        end = bisect.bisect_left(
            range(len(lines) + 1), True, key=lambda count: _has(head(whole(count)), keys)
        )
        return whole(end - 1) + 1


def parse_document(name: str, text: str) -> Document:
    """Parse `text`; raise `ConfigError` with the line and column at fault."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _syntax_error(name, text, str(error)) from error
    except RecursionError as error:
        raise _refusal(Place(name), "arrays or tables are nested too deeply") from error
    except ValueError as error:  # Python limits the digits of a decimal number
        raise _refusal(Place(name), "a number has too many digits") from error
    document = Document(name, text, data)
    for keys in _oversized(data):
        raise _refusal(document.place(*keys), "expected a whole number of at most 64 bits")
    return document


def _syntax_error(name: str, text: str, message: str) -> ConfigError:
    match = _WHERE.search(message)
    problem = _WHERE.sub("", message)
    if match is None or match[1] is None:
        return _refusal(Place(name, _unfinished(text)), f"{problem}, up to the end of the text")
    return _refusal(Place(name, int(match[1])), f"column {match[2]}: {problem}")


def _unfinished(text: str) -> int:
    """Return the line on which the statement begins that the end of `text` cuts off."""
    lines = text.replace("\r\n", "\n").rstrip("\n").split("\n")
    count = len(lines) - 1
    while _parse_or_none("\n".join(lines[:count])) is None:
        count -= 1
    return count + 1


def _refusal(place: Place, problem: str) -> ConfigError:
    return ConfigError([Finding(place, "", f"not TOML: {problem}")])


def _oversized(data: Mapping[str, object]) -> list[tuple[str, ...]]:
    """Name the keys that hold a whole number of more than 64 bits; a list counts as its key."""
    found: list[tuple[str, ...]] = []
    pending: list[tuple[tuple[str, ...], object]] = [((), data)]
    while pending:  # not recursive: dotted keys nest deeper than Python's stack
        keys, value = pending.pop()
        if isinstance(value, dict):
            pending += (((*keys, key), inner) for key, inner in value.items())
        elif isinstance(value, list):
            pending += ((keys, inner) for inner in value)
        elif isinstance(value, int) and value not in _WHOLE_NUMBERS:
            found.append(keys)
    return found


def _parse_or_none(text: str) -> Mapping[str, object] | None:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return None


def _has(data: object, keys: tuple[str, ...]) -> bool:
    for key in keys:
        if not isinstance(data, dict) or key not in data:
            return False
        data = data[key]
    return True

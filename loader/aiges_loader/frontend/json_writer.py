"""Write JSON as Go's encoding/json does, for payload data given as JSON. No I/O."""

import json
from collections.abc import Iterator
from typing import Final

from aiges_loader.frontend import number_text
from aiges_loader.frontend.json_reader import Json

_quoted: Final = json.JSONEncoder(ensure_ascii=False).encode
_ESCAPED: Final = {
    "<": r"\u003c",
    ">": r"\u003e",
    "&": r"\u0026",
    "\u2028": r"\u2028",
    "\u2029": r"\u2029",
}
"""These stand only inside strings, and there Go escapes them."""


def compact(value: Json) -> bytes:
    """Return `value` without white space, keys sorted, as UTF-8; without recursion."""
    pieces: list[str] = []
    open_containers: list[Iterator[tuple[str, Json]]] = [iter([("", value)])]
    closers = [""]
    while open_containers:
        for before, item in open_containers[-1]:
            pieces.append(before)
            if isinstance(item, dict):
                pieces.append("{")
                closers.append("}")
                open_containers.append(_members(item))
                break
            if isinstance(item, list):
                pieces.append("[")
                closers.append("]")
                open_containers.append(_items(item))
                break
            pieces.append(_scalar(item))
        else:
            open_containers.pop()
            pieces.append(closers.pop())
    text = "".join(pieces)
    for character, escape in _ESCAPED.items():
        text = text.replace(character, escape)
    return text.encode()


def _members(members: dict[str, Json]) -> Iterator[tuple[str, Json]]:
    """Yield each value with what stands before it."""
    comma = ""
    for key in sorted(members):
        yield f"{comma}{_quoted(key)}:", members[key]
        comma = ","


def _items(items: list[Json]) -> Iterator[tuple[str, Json]]:
    """Yield each item with what stands before it."""
    comma = ""
    for item in items:
        yield comma, item
        comma = ","


def _scalar(value: str | float | None) -> str:
    if isinstance(value, str):
        return _quoted(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return number_text.go(value)

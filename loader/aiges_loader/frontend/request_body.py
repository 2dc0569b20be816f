"""The three sections of a request body, each of the JSON kind it must be. No I/O."""

from dataclasses import dataclass
from typing import Final

import orjson

from aiges_loader.errors import BadRequestError
from aiges_loader.frontend import json_reader
from aiges_loader.frontend.json_errors import JsonError
from aiges_loader.frontend.json_reader import Json, OutOfRange

_MAP: Final = "map[string]interface {}"
_MAP_OF_MAPS: Final = "map[string]map[string]interface {}"
_KINDS: Final = {dict: "object", list: "array", str: "string"}
_FIRST_INEXACT: Final = 2.0**63
"""From here on the faster decoder may have made a float of an integer."""


@dataclass(slots=True)
class Sections:
    """What a request body says; sections and entries that are null or absent are empty.

    Attributes:
        header: Name -> value.
        parameter: Service -> name -> value.
        payload: Input -> attribute -> value.
    """

    header: dict[str, Json]
    parameter: dict[str, dict[str, Json]]
    payload: dict[str, dict[str, Json]]


def read_sections(body: bytes) -> Sections:
    """Read a request body: its first JSON document, an object or null.

    The names of the sections match in any case, the last of repeated ones counts, others are
    ignored. Integers are exact where they stand for themselves: as a member of the header, of a
    parameter section or of a payload entry.

    Raises:
        BadRequestError: With the text of the Go decoder that upstream used.
    """
    try:
        value: Json = orjson.loads(body)
    except orjson.JSONDecodeError:
        return _read_exactly(body)
    sections = _sections(value, has_out_of_range=False)
    return _read_exactly(body) if _has_rounded_integer(sections) else sections


def kind_of(value: Json) -> str:
    """Name the kind of a JSON value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    return _KINDS[type(value)]


def _read_exactly(body: bytes) -> Sections:
    try:
        document = json_reader.read(body)
    except JsonError as error:
        raise BadRequestError(str(error)) from None
    return _sections(document.value, has_out_of_range=document.out_of_range)


def _sections(document: Json, *, has_out_of_range: bool) -> Sections:
    """Check kinds in the order of the document, since the first fault is the one to report."""
    sections = Sections({}, {}, {})
    for key, value in _object(document, "value", "dto.Request").items():
        field = key.lower()
        if field == "header":
            sections.header = _object(value, "struct field Request.header", _MAP)
            if has_out_of_range:
                _refuse_out_of_range(sections.header, field)
        elif field in ("parameter", "payload"):
            place = f"struct field Request.{field}"
            entries: dict[str, dict[str, Json]] = {}
            for name, entry in _object(value, place, _MAP_OF_MAPS).items():
                entries[name] = _object(entry, place, _MAP)
                if has_out_of_range:
                    _refuse_out_of_range(entries[name], field)
            if field == "parameter":
                sections.parameter = entries
            else:
                sections.payload = entries
    return sections


def _object(value: Json, place: str, go_type: str) -> dict[str, Json]:
    """Return `value` as an object, null as an empty one; `place` and `go_type` are Go's words."""
    if isinstance(value, dict):
        return value
    if value is None:
        return {}
    raise BadRequestError(
        f"json: cannot unmarshal {kind_of(value)} into Go {place} of type {go_type}"
    )


def _refuse_out_of_range(value: Json, field: str) -> None:
    """Raise `BadRequestError` for the first number in `value` that is beyond float64."""
    pending = [value]
    while pending:
        part = pending.pop()
        if isinstance(part, OutOfRange):
            raise BadRequestError(
                f"json: cannot unmarshal number {part.literal} into Go struct field"
                f" Request.{field} of type float64"
            )
        if isinstance(part, dict):
            pending.extend(reversed(part.values()))
        elif isinstance(part, list):
            pending.extend(reversed(part))


def _has_rounded_integer(sections: Sections) -> bool:
    """Say whether the faster decoder made a float of a number that may have been an integer."""
    for members in (
        sections.header,
        *sections.parameter.values(),
        *sections.payload.values(),
    ):
        for value in members.values():
            if isinstance(value, float) and abs(value) >= _FIRST_INEXACT:
                return True
    return False

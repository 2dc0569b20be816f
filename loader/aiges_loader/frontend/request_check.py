"""Requests against the wrapper's schema, for `[http] validate`. No I/O.

Needs the package jsonschema, so whoever imports this module does it only where it is asked for.
"""

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final, cast

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.exceptions import SchemaError as InvalidSchemaError
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from aiges_loader.errors import BadValueError
from aiges_loader.frontend.data_fields import TYPE_OF_FIELD
from aiges_loader.frontend.json_reader import Json
from aiges_loader.frontend.request_body import Sections
from aiges_loader.frontend.schema import SchemaError, Service, default_of

MAX_PROBLEMS: Final = 5
"""So many are told at once."""

_MAX_SHOWN_CHARS: Final = 60

_EXPECTED: Final = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "exclusiveMinimum": "more than {}",
    "exclusiveMaximum": "less than {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "const": "{}",
    "pattern": "a text that matches {}",
}
"""Keyword of JSON Schema -> what is expected, with the keyword's value."""

_KINDS: Final = {"object": "an object", "array": "an array", "integer": "an integer"}


def request_schema(service: Service) -> dict[str, Json]:
    """Return the JSON Schema that a request is checked against.

    It is the wrapper's own, with three differences, all for requests that clients have always sent.
    Whatever a client calls the service, its parameters are those of this service. An expected
    output, which the wrapper's schema describes like an input, need have neither data nor any
    attribute. In header and payload, a member for which the schema has a default may be missing:
    the SDK demands the same members of every service's requests.
    """
    properties = dict(_properties(service.input_schema))
    for name in ("header", "payload"):
        if name in properties:
            properties[name] = _without_defaulted(properties[name])
    services = _properties(properties.get("parameter", {}))
    declared = services.get(service.id, next(iter(services.values()), {}))
    if isinstance(declared, dict):
        members = {
            name: _expectation(schema) if name in service.outputs else schema
            for name, schema in _properties(declared).items()
        }
        ours: dict[str, Json] = {**declared, "properties": members}
        properties["parameter"] = {"type": "object", "properties": {service.id: ours}}
    return {**service.input_schema, "properties": properties}


class RequestCheck:
    """Refuses requests that do not fit a schema. May be called from any thread."""

    def __init__(self, schema: Mapping[str, Json]) -> None:
        """Prepare the check.

        Args:
            schema: See `request_schema`.

        Raises:
            SchemaError: It is no JSON Schema, or refers to something outside itself.
        """
        try:
            Draft202012Validator.check_schema(schema)
        except InvalidSchemaError as error:
            path = _path(["schemainput", *error.absolute_path])
            raise SchemaError(f"{path}: {_cut(error.message)}") from None
        _check_references(schema)
        # An empty registry: nothing is fetched from anywhere.
        self._validator = Draft202012Validator(schema, registry=Registry())
        services = _properties(_properties(schema).get("parameter", {}))
        self._service = next(iter(services), "")

    def __call__(self, sections: Sections) -> None:
        """Look at a request; raise `BadValueError` that names what is wrong, and where."""
        merged: dict[str, Json] = {}
        for members in sections.parameter.values():
            merged.update(members)
        request = {
            "header": sections.header,
            "parameter": {self._service: merged},
            "payload": sections.payload,
        }
        names = list(sections.parameter)
        called = names[0] if len(names) == 1 else self._service
        found: dict[str, str] = {}
        try:
            for error in self._validator.iter_errors(request):
                for path, problem in _problems(error, called):
                    found.setdefault(path, problem)  # one for each place
                if len(found) > MAX_PROBLEMS:
                    break
        except RecursionError:  # a schema that refers to itself follows a request to any depth
            raise BadValueError("the request is nested too deeply to be checked") from None
        if found:
            told = [f"{path}: {problem}" for path, problem in islice(found.items(), MAX_PROBLEMS)]
            raise BadValueError("; ".join([*told, "..."] if len(found) > MAX_PROBLEMS else told))


def _problems(error: ValidationError, service: str) -> Iterator[tuple[str, str]]:
    """Yield place and words for an error; a service's parameters are where the client put them."""
    place = list(error.absolute_path)
    if len(place) > 1 and place[0] == "parameter":
        place[1] = service
    keyword, value = str(error.validator), cast(Any, error.validator_value)
    instance = cast(Any, error.instance)
    if keyword == "required":
        for name in value:
            if name not in instance:
                yield _path([*place, name]), "is missing"
        return
    if keyword == "type":
        kinds = value if isinstance(value, list) else [value]
        expected = " or ".join(_KINDS.get(kind, f"a {kind}") for kind in kinds)
    elif keyword == "enum":
        expected = f"one of {', '.join(_shown(choice) for choice in value)}"
    elif keyword in _EXPECTED:
        expected = _EXPECTED[keyword].format(_shown(value))
    else:
        expected = f"what {keyword} {_shown(value)} allows"
    yield _path(place), f"expected {expected}, got {_got(instance, keyword)}"


def _got(instance: Any, keyword: str) -> str:  # noqa: ANN401 - JSON
    if isinstance(instance, dict | list):
        return _KINDS["object" if isinstance(instance, dict) else "array"]
    if keyword in ("minLength", "maxLength"):
        return str(len(instance))
    return _shown(instance)


def _shown(value: Any) -> str:  # noqa: ANN401 - JSON
    if isinstance(value, str) and len(value) > _MAX_SHOWN_CHARS:
        value = f"{value[:_MAX_SHOWN_CHARS]}..."
    return _cut(json.dumps(value, ensure_ascii=False))


def _cut(text: str) -> str:
    return text if len(text) <= 3 * _MAX_SHOWN_CHARS else f"{text[: 3 * _MAX_SHOWN_CHARS]}..."


def _path(parts: list[Any]) -> str:
    return ".".join(str(part) for part in parts) or "the request"


def _without_defaulted(schema: Json) -> Json:
    """Require nothing that the schema has a default for, here and in the objects inside."""
    if not isinstance(schema, dict):
        return schema
    changed: dict[str, Json] = dict(schema)
    members = _properties(schema)
    if members:
        changed["properties"] = {name: _without_defaulted(part) for name, part in members.items()}
    required, default = schema.get("required"), default_of(schema)
    if isinstance(required, list) and isinstance(default, dict):
        changed["required"] = [name for name in required if default.get(str(name)) is None]
    return changed


def _expectation(schema: Json) -> Json:
    if not isinstance(schema, dict):
        return schema
    members = {
        name: part for name, part in _properties(schema).items() if name not in TYPE_OF_FIELD
    }
    kept = {word: value for word, value in schema.items() if word != "required"}
    return {**kept, "properties": members}


def _properties(schema: "Json | Mapping[str, Json]") -> Mapping[str, Json]:
    properties = schema.get("properties") if isinstance(schema, Mapping) else None
    return properties if isinstance(properties, dict) else {}


def _check_references(schema: Mapping[str, Json]) -> None:
    resolver = Registry().resolver_with_root(DRAFT202012.create_resource(dict(schema)))
    pending: list[Json] = [dict(schema)]
    while pending:
        part = pending.pop()
        if isinstance(part, dict):
            reference = part.get("$ref")
            if isinstance(reference, str):
                try:
                    resolver.lookup(reference)
                except Unresolvable:
                    text = f"schemainput: $ref {_shown(reference)} is not in the schema"
                    raise SchemaError(text) from None
            pending.extend(part.values())
        elif isinstance(part, list):
            pending.extend(part)

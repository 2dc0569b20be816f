"""What a wrapper's schema says about its service: routes, inputs, outputs, parameters. No I/O.

The schema is a JSON text that the worker hands over: `meta` describes the service, `schemainput`
and `schemaoutput` are JSON Schemas of a request and a response. Workers of several generations
write it, so only `meta` is demanded, and every other part may be absent.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import orjson

from aiges_loader.frontend import go_base64
from aiges_loader.frontend.data_fields import TYPE_OF_FIELD
from aiges_loader.frontend.json_reader import Json
from aiges_loader.frontend.request_body import kind_of
from aiges_wire.codes import DataType


class SchemaError(ValueError):
    """The worker's schema cannot be used; `str(error)` names the part at fault."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A declared parameter.

    Attributes:
        name: Its key in the request.
        required: Whether a request must have it.
        schema: Its JSON Schema: type, enum, bounds.
        default: None if the schema gives none.
    """

    name: str
    required: bool
    schema: Mapping[str, Json]
    default: Json


@dataclass(frozen=True, slots=True)
class Service:
    """A service as its wrapper describes it.

    Attributes:
        id: Names the service's member of the parameter section.
        version: As the wrapper gives it: "v1".
        sub: First part of a streaming session's sid.
        routes: Paths to serve it on, without repetition; the first is the one to publish.
        inputs: Key -> type, in declared order.
        outputs: Key -> type, in declared order.
        attribute_kinds: Output -> attribute -> "integer", "number" or "bool", where declared.
        parameters: In declared order.
        input_schema: JSON Schema of a request.
        output_schema: JSON Schema of a response.
        example_params: Parameter -> test value, where the wrapper has one.
        example_inputs: Input -> test data in base64, where the wrapper has some.
    """

    id: str
    version: str
    sub: str
    routes: tuple[str, ...]
    inputs: Mapping[str, DataType]
    outputs: Mapping[str, DataType]
    attribute_kinds: Mapping[str, Mapping[str, str]]
    parameters: tuple[Parameter, ...]
    input_schema: Mapping[str, Json]
    output_schema: Mapping[str, Json]
    example_params: Mapping[str, Json]
    example_inputs: Mapping[str, str]


_MAX_DEPTH: Final = 100


def parse_schema(text: str, *, service_name: str) -> Service:
    """Read a worker's schema; the least that is accepted is `{"meta": {}}`.

    Args:
        text: JSON.
        service_name: Stands in for a missing service id, and makes the route `/v1/<name>`.

    Raises:
        SchemaError: Not JSON, no `meta`, a part of the wrong kind, or more than 100 levels.
    """
    try:
        document: Json = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise SchemaError(f"the schema is not JSON: {error}") from None
    _check_depth(document)
    root = _Part("", document)
    meta = root.part("meta")
    service_id = meta.text("serviceId") or service_name
    version = meta.text("version") or "v1"
    request = root.part("schemainput", optional=True)
    response = root.part("schemaoutput", optional=True)
    entries = request.property("payload").properties()
    block = meta.part(service_id, optional=True)
    outputs = _declared_types(block.part("accept", optional=True)) or _guessed_types(
        response.property("payload").properties()
    )
    example = root.part("x-example", optional=True)
    return Service(
        id=service_id,
        version=version,
        sub=meta.text("sub"),
        routes=_routes(meta, service_id, version, service_name),
        inputs=_declared_types(block.part("input", optional=True)) or _guessed_types(entries),
        outputs=outputs,
        attribute_kinds=_attribute_kinds(response.property("payload").properties()),
        parameters=_parameters(request.property("parameter").properties(), service_id, outputs),
        input_schema=request.members,
        output_schema=response.members,
        example_params=example.part("params", optional=True).members,
        example_inputs=_example_inputs(example.part("inputs", optional=True)),
    )


def _check_depth(document: Json) -> None:
    """Refuse what recursive readers of the schema could not walk."""
    level = [document]
    for _ in range(_MAX_DEPTH):
        objects = [part for part in level if isinstance(part, dict)]
        lists = [part for part in level if isinstance(part, list)]
        level = [value for part in objects for value in part.values()]
        level += [value for part in lists for value in part]
    if level:
        raise SchemaError(f"the schema is nested deeper than {_MAX_DEPTH} levels")


class _Part:
    """An object in the schema, and the path that names it in errors."""

    def __init__(self, path: str, value: Json) -> None:
        self._path = path
        if not isinstance(value, dict):
            raise SchemaError(f"{self}: expected an object, got {kind_of(value)}")
        self.members = value

    def __str__(self) -> str:
        return self._path or "the schema"

    def part(self, name: str, *, optional: bool = False) -> "_Part":
        """Return the member `name`; an optional one that is absent or null is empty."""
        if optional and self.members.get(name) is None:
            return _Part(self.path_of(name), {})
        if name not in self.members:
            raise SchemaError(f"{self} has no {name}")
        return _Part(self.path_of(name), self.members[name])

    def text(self, name: str) -> str:
        """Return the member `name`, a string, or "" if it is absent or null."""
        value = self.members.get(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise SchemaError(f"{self.path_of(name)}: expected a string, got {kind_of(value)}")
        return value

    def properties(self) -> "dict[str, _Part]":
        """Return the properties that this JSON Schema declares, by name."""
        properties = self.part("properties", optional=True)
        return {name: properties.part(name) for name in properties.members}

    def property(self, name: str) -> "_Part":
        """Return the property `name` of this JSON Schema, empty if it is not declared."""
        return self.part("properties", optional=True).part(name, optional=True)

    def path_of(self, name: str) -> str:
        """Name the member `name` as errors do."""
        return f"{self._path}.{name}" if self._path else name


def _routes(meta: _Part, service_id: str, version: str, service_name: str) -> tuple[str, ...]:
    route = meta.members.get("route") or f"/{version}/private/{service_id}"
    routes = route if isinstance(route, list) else [route]
    paths: list[str] = []
    for path in (*routes, f"/v1/{service_name}"):
        if not isinstance(path, str) or not path.startswith("/"):
            problem = f"expected a path that begins with /, or a list of such, got {path!r}"
            raise SchemaError(f"{meta.path_of('route')}: {problem}")
        paths.append(path)
    return tuple(dict.fromkeys(paths))


def _declared_types(block: _Part) -> dict[str, DataType]:
    """Read a list of inputs or outputs; a type that we do not know is OTHER."""
    return {
        name: TYPE_OF_FIELD.get(block.part(name).text("dataType"), DataType.OTHER)
        for name in block.members
    }


def _guessed_types(entries: Mapping[str, _Part]) -> dict[str, DataType]:
    """Tell types from the data field that the JSON Schema of each entry declares."""
    types: dict[str, DataType] = {}
    for name, entry in entries.items():
        declared = entry.properties()
        field = next((field for field in TYPE_OF_FIELD if field in declared), "other")
        types[name] = TYPE_OF_FIELD[field]
    return types


def _attribute_kinds(outputs: Mapping[str, _Part]) -> dict[str, dict[str, str]]:
    """Tell which attributes of results are no texts: the original knows these three words."""
    kinds: dict[str, dict[str, str]] = {}
    for name, output in outputs.items():
        declared = {key: part.members.get("type") for key, part in output.properties().items()}
        kinds[name] = {
            key: str(kind)
            for key, kind in declared.items()
            if kind in ("integer", "number", "bool")
        }
    return kinds


def _parameters(
    services: Mapping[str, _Part], service_id: str, outputs: Mapping[str, DataType]
) -> tuple[Parameter, ...]:
    """Read the parameters of `service_id`, or of the only service that is declared."""
    if service_id in services:
        service = services[service_id]
    elif len(services) == 1:
        (service,) = services.values()
    else:
        return ()
    required = service.members.get("required")
    names = required if isinstance(required, list) else []
    return tuple(
        Parameter(name, name in names, declared.members, default_of(declared.members))
        for name, declared in service.properties().items()
        if name not in outputs and declared.members.get("type") != "object"
    )


def default_of(schema: Mapping[str, Json]) -> Json:
    """Return a JSON Schema's default, which the worker's SDK spells `defaultVal`, or None."""
    return schema.get("defaultVal", schema.get("default"))


def _example_inputs(inputs: _Part) -> dict[str, str]:
    texts = {name: inputs.text(name) for name in inputs.members}
    for name, text in texts.items():
        try:
            go_base64.decode(text)
        except go_base64.Base64Error as error:
            raise SchemaError(f"{inputs.path_of(name)}: {error}") from None
    return texts

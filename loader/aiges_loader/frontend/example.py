"""A request that works as it is, made from a service's schema: what /test.json shows. No I/O."""

import binascii
from collections.abc import Mapping
from typing import Final

from aiges_loader.frontend import go_base64, sample_data
from aiges_loader.frontend.data_fields import FIELD_OF_TYPE
from aiges_loader.frontend.json_reader import Json
from aiges_loader.frontend.schema import Parameter, Service, default_of
from aiges_wire.codes import DataStatus, DataType

_ENCODINGS: Final[Mapping[DataType, tuple[str, ...]]] = {
    DataType.TEXT: ("utf8",),
    DataType.IMAGE: ("png", "jpg"),
    DataType.AUDIO: ("raw", "pcm"),
}
"""Encodings to ask for, and of made-up data, best first."""

_MAGIC: Final = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpg", b"GIF8": "gif", b"BM": "bmp"}
"""First bytes of an image file -> its encoding."""

_AUDIO_ATTRIBUTES: Final[Mapping[str, Json]] = {
    "sample_rate": 16_000,
    "bit_depth": 16,
    "channels": 1,
}
_LEAST_AUDIO_BYTES: Final = 32
"""Less than this is a placeholder such as "test", not a recording."""


def example_request(service: Service) -> dict[str, Json]:
    """Return a complete request: parameters at their defaults, all outputs expected, test data.

    The wrapper's own test values come first, then the schema's defaults, then made-up values.
    """
    parameter: dict[str, Json] = {}
    for declared in service.parameters:
        value = _parameter_value(declared)
        if value is not None:
            parameter[declared.name] = value
    parameter.update(service.example_params)
    for name, data_type in service.outputs.items():
        parameter[name] = _expectation(data_type, _entry_schema(service.output_schema, name))
    payload: dict[str, Json] = {
        name: _entry(
            data_type,
            _entry_schema(service.input_schema, name),
            service.example_inputs.get(name),
        )
        for name, data_type in service.inputs.items()
    }
    return {
        "header": {"appid": "123456", "status": DataStatus.ONCE.value},
        "parameter": {service.id: parameter},
        "payload": payload,
    }


def _parameter_value(parameter: Parameter) -> Json:
    """Return the default, the first allowed value, or, where one must be given, a made-up one."""
    schema = parameter.schema
    if parameter.default is not None:
        return parameter.default
    allowed = schema.get("enum")
    if isinstance(allowed, list) and allowed:
        return allowed[0]
    if not parameter.required:
        return None
    match schema.get("type"):
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case _:
            return _filled_string(schema)


def _filled_string(schema: Mapping[str, Json]) -> str:
    text = sample_data.TEXT.decode()
    least, most = schema.get("minLength"), schema.get("maxLength")
    if isinstance(least, int):
        text = text.ljust(least, "o")
    return text[:most] if isinstance(most, int) else text


def _expectation(data_type: DataType, schema: Mapping[str, Json]) -> Json:
    attributes = _attributes(schema, _ENCODINGS.get(data_type, ()))
    return {**attributes, "data_type": FIELD_OF_TYPE[data_type]}


def _entry(data_type: DataType, schema: Mapping[str, Json], given: str | None) -> Json:
    text = given or _sane_default(data_type, schema) or _made_up(data_type)
    declared = _properties(schema)
    entry: dict[str, Json] = {
        **_attributes(schema, _encodings(data_type, go_base64.decode(text))),
        "status": DataStatus.ONCE.value,
        FIELD_OF_TYPE[data_type]: text,
    }
    if data_type is DataType.AUDIO:
        entry.update(
            {name: _AUDIO_ATTRIBUTES[name] for name in _AUDIO_ATTRIBUTES if name in declared}
        )
    return entry


def _attributes(schema: Mapping[str, Json], encodings: tuple[str, ...]) -> dict[str, str]:
    """Choose encoding, compress and format among the values that the schema allows."""
    wanted = {"encoding": encodings, "compress": ("raw",), "format": ("plain",)}
    attributes: dict[str, str] = {}
    for name, declared in _properties(schema).items():
        allowed = declared.get("enum") if isinstance(declared, dict) else None
        for value in wanted.get(name, ()):
            if not isinstance(allowed, list) or value in allowed:
                attributes[name] = value
                break
    return attributes


def _encodings(data_type: DataType, data: bytes) -> tuple[str, ...]:
    """Return the names that fit the data, best first; an image tells its own."""
    if data_type is DataType.IMAGE:
        return tuple(name for magic, name in _MAGIC.items() if data.startswith(magic))
    return _ENCODINGS.get(data_type, ())


def _sane_default(data_type: DataType, schema: Mapping[str, Json]) -> str | None:
    """Return the data of the schema's default if it is data; often it is a word like "test"."""
    default = default_of(schema)
    text = default.get(FIELD_OF_TYPE[data_type]) if isinstance(default, dict) else None
    if not isinstance(text, str) or not text:
        return None
    try:
        data = go_base64.decode(text)
        if data_type is DataType.TEXT:
            data.decode()
    except ValueError:
        return None
    if data_type is DataType.IMAGE and not _encodings(data_type, data):
        return None
    if data_type in (DataType.AUDIO, DataType.VIDEO) and len(data) < _LEAST_AUDIO_BYTES:
        return None
    return text


def _made_up(data_type: DataType) -> str:
    match data_type:
        case DataType.IMAGE:
            data = sample_data.picture()
        case DataType.AUDIO:
            data = sample_data.tone()
        case _:
            data = sample_data.TEXT
    return binascii.b2a_base64(data, newline=False).decode()


def _entry_schema(schema: Mapping[str, Json], name: str) -> Mapping[str, Json]:
    """Return the JSON Schema of an entry of the payload, empty if there is none."""
    payload = _properties(schema).get("payload")
    entry = _properties(payload).get(name) if isinstance(payload, dict) else None
    return entry if isinstance(entry, dict) else {}


def _properties(schema: Mapping[str, Json]) -> Mapping[str, Json]:
    properties = schema.get("properties")
    return properties if isinstance(properties, dict) else {}

"""A wrapper's description as JSON: `meta`, `schemainput`, `schemaoutput`. Pure.

This is the form that hosts ask for; schema_legacy.py has the older one. Gateways read it and it
becomes the OpenAPI document, so the order of members and the words in it are the original's.
Where the original lost or broke what the author declared, this says what was declared.
"""

import json
from collections.abc import Iterable
from typing import Any, Final

from aiges._runtime.declaration import HOSTS, Declaration, declare
from aiges._runtime.fields import (
    IMAGE_PLACEHOLDER,
    Field,
    ParamField,
    RangeParamField,
    StringParamField,
)
from aiges.core.types import Once, Status

Json = dict[str, Any]

MAX_CONTENT_CHARS: Final = 10_485_760

# Kind of payload -> for each of its attributes: the title of its type, and the usual values.
_ATTRIBUTES: Final[dict[str, dict[str, tuple[str, tuple[str, ...]]]]] = {
    "text": {
        "encoding": ("TextEncoding", ("utf8", "gb2312", "gbk")),
        "compress": ("Compress", ("raw", "gzip")),
        "format": ("TextFormat", ("xml", "plain", "json")),
    },
    "audio": {"encoding": ("AudioEncoding", ("pcm", "raw", "mp3"))},
    "image": {"encoding": ("ImageEncoding", ("jpg", "png"))},
    "video": {"encoding": ("VideoEncoding", ("mp4",))},
}
_HEADER: Final = {
    "appid": "11",
    "uid": None,
    "device_id": None,
    "imei": None,
    "imsi": None,
    "mac": None,
    "net_type": None,
    "net_isp": None,
    "status": 3,
    "res_id": None,
}
_SAMPLE: Final = {"text": "value", "audio": "test", "image": "test", "video": "test"}


def bare_schema(service_id: str) -> str:
    """Describe a service of which nothing is known but its name."""
    return v2(declare(None, default_service_id=service_id))


def v2(declaration: Declaration, *, is_aipaas: bool = True, keep_default: bool = True) -> str:
    """Write the form that hosts ask for.

    Args:
        declaration: What the wrapper declares.
        is_aipaas: As the gateway wants it: without titles, and defaults are called `defaultVal`.
        keep_default: With `is_aipaas`: whether defaults are there at all.
    """
    schemas = {"schemainput": _request(declaration), "schemaoutput": _reply(declaration)}
    if is_aipaas:
        schemas = {name: _for_aipaas(schema, keep_default) for name, schema in schemas.items()}
    return json.dumps({"meta": _meta(declaration), **schemas})


def _meta(declaration: Declaration) -> Json:
    return {
        "serviceId": declaration.service_id,
        "version": declaration.version,
        "sub": declaration.sub,
        "call": declaration.call,
        "call_type": declaration.call_type,
        "webgate_type": 0,
        "hosts": HOSTS,
        "route": declaration.route,
        "service": [declaration.service_id],
        declaration.service_id: declaration.data_section(),
    }


def _request(declaration: Declaration) -> Json:
    payload = {key: _payload(field) for key, field in declaration.inputs.items()}
    expected = {key: _payload(field, output=True) for key, field in declaration.outputs.items()}
    params = {key: _parameter(field) for key, field in declaration.params.items()}
    service = _object(declaration.service_id, params | expected, declaration.required)
    return _object(
        "",
        {
            "payload": _object("payload", payload),
            "header": _header(),
            "parameter": _object("parameter", {declaration.service_id: service}),
        },
        title="SchemaInputModel",
        with_default=False,
    )


def _reply(declaration: Declaration) -> Json:
    payload = {key: _payload(field, output=True) for key, field in declaration.outputs.items()}
    return _object(
        "", {"payload": _object("payload", payload)}, title="OutputModel", with_default=False
    )


def _header() -> Json:
    members: dict[str, Json] = {
        name: {"title": _title(name), "type": "integer" if name == "status" else "string"}
        for name in _HEADER
    }
    header = _object("header", members, ("appid", "status"))
    return header | {"default": dict(_HEADER)}


def _payload(field: Field, *, output: bool = False) -> Json:
    kind = field.kind
    members: dict[str, Json] = {}
    default: Json = {}
    for name, (title, usual) in _ATTRIBUTES[kind].items():
        default[name] = getattr(field, name, usual[0])
        values = usual if default[name] in usual else (*usual, default[name])
        members[name] = _choice(title, values, "string")
    # Only text has attributes that a request must have.
    required = [*members, "status"] if kind == "text" else []
    members["status"] = _choice("DataStatus", Status, "integer")
    members[kind] = {
        "title": _title(kind),
        "maxLength": MAX_CONTENT_CHARS,
        "minLength": 1,
        "type": "string",
    }
    members["data_type"] = {"title": "Data Type", "default": kind, "type": "string"}
    default["status"] = getattr(field, "status", Once)
    default[kind] = IMAGE_PLACEHOLDER.decode() if output and kind == "image" else _SAMPLE[kind]
    default["data_type"] = kind
    return _object(field.key, members, required) | {"default": default}


def _choice(title: str, values: Iterable[Any], json_type: str) -> Json:
    return {
        "title": title,
        "description": "An enumeration.",
        "enum": list(values),
        "type": json_type,
    }


def _parameter(field: ParamField) -> Json:
    schema: Json = {"title": field.title or _title(field.key)}
    if field.description:
        schema["description"] = field.description
    if field.default is not None:
        schema["default"] = field.default
    bounds: dict[str, float | None] = {}
    if isinstance(field, StringParamField):
        bounds = {"maxLength": field.maxLength, "minLength": field.minLength}
    if isinstance(field, RangeParamField):
        bounds = {"minimum": field.minimum, "maximum": field.maximum}
    schema |= {word: bound for word, bound in bounds.items() if bound is not None}
    if isinstance(field, StringParamField | RangeParamField) and field.enums:
        schema["enum"] = field.enums
    return schema | {"type": field.data_type}


def _object(
    name: str,
    members: dict[str, Json],
    required: Iterable[str] = (),
    *,
    title: str = "",
    with_default: bool = True,
) -> Json:
    """Describe an object whose default is made of its members' defaults."""
    schema: Json = {"title": title or _title(name)}
    if with_default:
        schema["default"] = {key: member.get("default") for key, member in members.items()}
    schema |= {"type": "object", "properties": members}
    if listed := list(required):
        schema["required"] = listed
    return schema


def _title(name: str) -> str:
    return name.replace("_", " ").title()


def _for_aipaas(schema: Json, keep_default: bool) -> Json:
    """Leave out titles, and rename or drop defaults; those of plain values move to the end."""
    result: Json = {}
    for word, value in schema.items():
        if word == "properties":
            result[word] = {
                name: _for_aipaas(member, keep_default) for name, member in value.items()
            }
        elif word == "default":
            if keep_default and schema["type"] == "object":
                result["defaultVal"] = value
        elif word != "title":
            result[word] = value
    if keep_default and schema["type"] != "object" and "default" in schema:
        result["defaultVal"] = schema["default"]
    return result

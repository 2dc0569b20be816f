"""The older form of a wrapper's description; schema.py has the one that hosts ask for. Pure."""

import json
from collections.abc import Mapping
from typing import Any, Final

from aiges._runtime.declaration import HOSTS, Declaration
from aiges._runtime.fields import (
    BooleanParamField,
    Field,
    ParamField,
    RangeParamField,
    StringParamField,
)

Json = dict[str, Any]

ROUTEKEY: Final[list[str]] = []

_HEADER: Final = (
    "appid",
    "uid",
    "device_id",
    "device.imei",
    "device.imsi",
    "device.mac",
    "device.other",
    "net.type",
    "net.isp",
    "app.ver",
)
_ANY_STATUS: Final[Json] = {"type": "integer", "enum": [0, 1, 2, 3]}
_SHORT_TEXT: Final[Json] = {"type": "string", "maxLength": 50}
_PAYLOAD: Final[dict[str, Json]] = {
    "text": {
        "encoding": {"type": "string", "enum": ["utf8", "gb2312"]},
        "compress": {"type": "string", "enum": ["gzip"]},
        "status": _ANY_STATUS,
        "seq": {"type": "integer"},
        "text": {"type": "string"},
    },
    "audio": {
        "encoding": {"type": "string", "enum": ["opus", "speex"]},
        "sample_rate": {"type": "integer", "enum": [8000, 16000]},
        "bit_depth": {"type": "integer", "enum": [8, 16]},
        "channels": {"type": "integer", "enum": [1, 2]},
        "status": _ANY_STATUS,
        "seq": {"type": "integer"},
        "audio": {"type": "string"},
    },
    "image": {
        "encoding": {"type": "string", "enum": ["jpg", "png", "bmp", "jpeg"]},
        "image": {"type": "string", "minLength": 1, "maxLength": 10_485_760},
        "status": {"type": "integer", "enum": [3]},
    },
    "video": {
        "status": _ANY_STATUS,
        "seq": {"type": "integer"},
        "video": {"type": "string"},
    },
}


def legacy(declaration: Declaration) -> str:
    """Write the description as JSON."""
    service = _object(parameters(declaration.params), declaration.required)
    document = {
        "meta": {
            "serviceId": declaration.service_id,
            "version": declaration.version,
            "route": declaration.route,
            "sub": declaration.sub,
            "call": declaration.call,
            "call_type": declaration.call_type,
            "hosts": HOSTS,
            "service": [declaration.service_id],
            "routeKey": ROUTEKEY,
            declaration.service_id: declaration.data_section(),
        },
        "schemainput": _object(
            {
                "header": _object(dict.fromkeys(_HEADER, _SHORT_TEXT), ["appid"]),
                "parameter": _object({declaration.service_id: service}),
                "payload": _object(payload(declaration.inputs)),
            }
        ),
        "schemaoutput": _object({"payload": _object(payload(declaration.outputs))}),
    }
    return json.dumps(document)


def payload(fields: Mapping[str, Field]) -> Json:
    """Return {key: schema} of inputs or outputs."""
    return {key: _object(_PAYLOAD[field.kind]) for key, field in fields.items()}


def parameters(fields: Mapping[str, ParamField]) -> Json:
    """Return {key: schema} of parameters."""
    return {key: _parameter(field) for key, field in fields.items()}


def _parameter(field: ParamField) -> Json:
    schema: Json = {"type": field.data_type}
    if isinstance(field, BooleanParamField):
        return schema if field.default is None else schema | {"default": field.default}
    if isinstance(field, StringParamField | RangeParamField) and field.enums:
        return schema | {"enum": field.enums}
    if isinstance(field, StringParamField) and field.maxLength is not None:
        return schema | {"maxLength": field.maxLength}
    if isinstance(field, RangeParamField) and field.maximum is not None:
        return schema | {"maximum": field.maximum}
    return schema


def _object(properties: Mapping[str, Json], required: list[str] | None = None) -> Json:
    schema: Json = {"type": "object", "properties": dict(properties)}
    return schema | {"required": required} if required else schema

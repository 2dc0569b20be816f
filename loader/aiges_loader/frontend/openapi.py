"""The OpenAPI document of a service, as published at /openapi.json. No I/O."""

import json
from collections.abc import Mapping
from typing import Final

from aiges_loader.frontend.json_reader import Json
from aiges_loader.frontend.schema import Service, default_of

_SUBSCHEMAS: Final = ("items", "not", "additionalProperties")
_SUBSCHEMA_LISTS: Final = ("allOf", "anyOf", "oneOf")
_BOUNDS: Final = {"exclusiveMinimum": "minimum", "exclusiveMaximum": "maximum"}


def openapi(service: Service) -> bytes:
    """Return the OpenAPI 3.0 document of `service`: JSON, indented, keys sorted."""
    answer: Json = {"content": _json_content(service.output_schema)}
    document: Json = {
        "components": {},
        "info": {
            "description": "this is the doc openapi3.0 for the aiges service ...",
            "license": {
                "name": "Apache2",
                "url": "https://www.apache.org/licenses/LICENSE-2.0",
            },
            "title": f"Aiges Service doc for {service.id}",
            "version": "",
        },
        "openapi": "3.0.3",
        "paths": {
            "/": {
                "post": {
                    "operationId": "callAIAbility",
                    "requestBody": {"content": _json_content(service.input_schema)},
                    "responses": {"200": answer, "default": answer},
                }
            }
        },
        "servers": [{"description": "api for the aiges service", "url": service.routes[0]}],
    }
    text = json.dumps(document, indent=4, sort_keys=True, ensure_ascii=False)
    return f"{text}\n".encode()


def _json_content(schema: Mapping[str, Json]) -> Json:
    return {"application/json": {"schema": _converted(dict(schema))}}


def _converted(schema: Json) -> Json:
    """Turn a JSON Schema into OpenAPI 3.0's dialect of it.

    The default gets its standard name back; one of null and a minLength of 0 say nothing and go;
    an exclusive bound is a bound and a flag.
    """
    if not isinstance(schema, dict):
        return schema
    converted: dict[str, Json] = {}
    for key, value in schema.items():
        if key == "properties" and isinstance(value, dict):
            converted[key] = {name: _converted(part) for name, part in value.items()}
        elif key in _SUBSCHEMAS:
            converted[key] = _converted(value)
        elif key in _SUBSCHEMA_LISTS and isinstance(value, list):
            converted[key] = [_converted(part) for part in value]
        elif key in _BOUNDS and not isinstance(value, bool):
            converted[_BOUNDS[key]] = value
            converted[key] = True
        elif key not in ("default", "defaultVal") and (key, value) != ("minLength", 0):
            converted[key] = value
    if (default := default_of(schema)) is not None:
        converted["default"] = default
    return converted

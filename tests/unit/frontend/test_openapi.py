"""The OpenAPI document."""

import json
from pathlib import Path
from typing import Any

import pytest

from aiges_loader.frontend.openapi import openapi
from aiges_loader.frontend.schema import parse_schema

GOLDEN = Path(__file__).parents[2] / "golden"


def document_of(schema: dict[str, Any]) -> Any:
    return json.loads(openapi(parse_schema(json.dumps(schema), service_name="svcName")))


def converted(schema: object) -> Any:
    """Return what becomes of one property of the request's schema."""
    document = document_of({"meta": {}, "schemainput": {"properties": {"x": schema}}})
    content = document["paths"]["/"]["post"]["requestBody"]["content"]
    return content["application/json"]["schema"]["properties"]["x"]


def test_it_is_the_document_that_the_recorded_server_made() -> None:
    schema = (GOLDEN / "schema-example-no-number.json").read_text(encoding="utf-8")
    recorded = json.loads((GOLDEN / "openapi-example.json").read_text(encoding="utf-8"))
    expected = json.dumps(recorded, indent=4, sort_keys=True, ensure_ascii=False) + "\n"
    assert openapi(parse_schema(schema, service_name="svcName")).decode() == expected


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("schema-example*.json")), ids=lambda p: p.stem)
def test_every_generation_of_schema_makes_a_document(path: Path) -> None:
    service = parse_schema(path.read_text(encoding="utf-8"), service_name="svcName")
    text = openapi(service).decode()
    assert "defaultVal" not in text
    assert json.loads(text)["servers"][0]["url"] in service.routes


def test_the_server_is_a_route_that_works() -> None:
    document = document_of({"meta": {"serviceId": "demo", "route": ["/a", "/b"]}})
    assert document["servers"][0]["url"] == "/a"
    assert document["info"]["title"] == "Aiges Service doc for demo"


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "integer", "defaultVal": 0}, {"type": "integer", "default": 0}),
        ({"default": "a", "title": "T"}, {"default": "a", "title": "T"}),
        ({"defaultVal": None, "type": "string"}, {"type": "string"}),
        ({"minimum": 0, "maximum": 4.5}, {"minimum": 0, "maximum": 4.5}),
        ({"exclusiveMinimum": 0}, {"minimum": 0, "exclusiveMinimum": True}),
        ({"exclusiveMaximum": 1.5}, {"maximum": 1.5, "exclusiveMaximum": True}),
        ({"minimum": 1, "exclusiveMinimum": True}, {"minimum": 1, "exclusiveMinimum": True}),
        ({"minLength": 0, "maxLength": 0}, {"maxLength": 0}),
        ({"minLength": 1}, {"minLength": 1}),
        ({"items": {"defaultVal": 1}}, {"items": {"default": 1}}),
        ({"anyOf": [{"defaultVal": 1}, {}]}, {"anyOf": [{"default": 1}, {}]}),
        ({"additionalProperties": False}, {"additionalProperties": False}),
        ({"properties": {"defaultVal": {"minLength": 0}}}, {"properties": {"defaultVal": {}}}),
        ({"defaultVal": {"minLength": 0, "items": {}}}, {"default": {"minLength": 0, "items": {}}}),
    ],
)
def test_json_schema_becomes_the_dialect_of_openapi(schema: object, expected: object) -> None:
    assert converted(schema) == expected

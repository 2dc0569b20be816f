"""Worker schemas of all generations, and broken ones, read as a service."""

import json
from pathlib import Path
from typing import Any

import pytest

from aiges_loader.frontend.schema import SchemaError, parse_schema
from aiges_wire.codes import DataType

GOLDEN = Path(__file__).parents[2] / "golden"


def schema_text(name: str) -> str:
    return (GOLDEN / f"schema-example{name}.json").read_text(encoding="utf-8")


def parse(document: object) -> Any:
    return parse_schema(json.dumps(document), service_name="svcName")


@pytest.mark.parametrize(
    "name", ["", "-no-number", "-legacy", "-keep-default-false", "-not-aipaas"]
)
def test_every_generation_of_schema_describes_the_same_service(name: str) -> None:
    service = parse_schema(schema_text(name), service_name="svcName")
    assert (service.id, service.version, service.sub) == ("demo", "v1", "ase")
    assert service.routes == ("/v1/private/demo", "/v1/svcName")
    assert list(service.inputs.items()) == [("img", DataType.IMAGE), ("prompt", DataType.TEXT)]
    assert list(service.outputs.items()) == [
        ("result", DataType.TEXT),
        ("preview", DataType.IMAGE),
    ]


def test_parameters_have_their_defaults_enums_and_demands() -> None:
    legacy = parse_schema(schema_text("-legacy"), service_name="svcName").parameters
    assert [(p.name, p.required, p.default) for p in legacy] == [
        ("mode", False, None),
        ("name", True, None),
        ("free", False, None),
        ("score", False, None),
        ("count", False, None),
        ("flag", False, True),
    ]
    assert legacy[0].schema["enum"] == ["fast", "good"]
    current = parse_schema(schema_text(""), service_name="svcName").parameters
    assert [(p.name, p.default) for p in current] == [
        ("mode", None),
        ("name", "cc"),
        ("free", None),
        ("score", None),
        ("flag", True),
    ]


def test_a_schema_without_its_lists_still_has_a_route() -> None:
    service = parse_schema(schema_text("-0.16-pydantic2"), service_name="svcName")
    assert service.routes == ("/v1/private/demo", "/v1/svcName")
    assert (service.inputs, service.outputs, service.parameters) == ({}, {}, ())


def test_the_least_schema_takes_the_service_s_name_and_v1() -> None:
    service = parse({"meta": {}})
    assert (service.id, service.version, service.sub) == ("svcName", "v1", "")
    assert service.routes == ("/v1/private/svcName", "/v1/svcName")
    assert service.input_schema == service.output_schema == {}


def test_inputs_and_outputs_are_guessed_where_meta_does_not_list_them() -> None:
    def payload(**entries: object) -> dict[str, object]:
        return {"properties": {"payload": {"properties": entries}}}

    service = parse(
        {
            "meta": {"serviceId": "demo"},
            "schemainput": payload(a={"properties": {"encoding": {}, "audio": {}}}, b={}),
            "schemaoutput": payload(c={"properties": {"video": {}}}),
        }
    )
    assert service.inputs == {"a": DataType.AUDIO, "b": DataType.OTHER}
    assert service.outputs == {"c": DataType.VIDEO}


def test_optional_parts_may_be_null() -> None:
    optional = dict.fromkeys(("schemainput", "schemaoutput", "x-example"))
    meta = dict.fromkeys(("serviceId", "version", "sub", "route", "svcName"))
    assert parse({"meta": meta, **optional}) == parse({"meta": {}})


def test_a_type_that_nobody_knows_is_other() -> None:
    service = parse({"meta": {"serviceId": "d", "d": {"input": {"a": {"dataType": "smell"}}}}})
    assert service.inputs == {"a": DataType.OTHER}


@pytest.mark.parametrize(
    ("route", "routes"),
    [
        ("/a", ("/a", "/v1/svcName")),
        (["/a", "/b"], ("/a", "/b", "/v1/svcName")),
        (["/a", "/v1/svcName", "/a"], ("/a", "/v1/svcName")),
        ([], ("/v2/private/demo", "/v1/svcName")),
        ("", ("/v2/private/demo", "/v1/svcName")),
        (None, ("/v2/private/demo", "/v1/svcName")),
    ],
)
def test_the_wrapper_s_routes_come_first(route: object, routes: tuple[str, ...]) -> None:
    service = parse({"meta": {"serviceId": "demo", "version": "v2", "route": route}})
    assert service.routes == routes


def test_test_values_of_the_wrapper_are_kept() -> None:
    example = {"params": {"mode": "fast", "n": 3}, "inputs": {"img": "iVBO"}}
    service = parse({"meta": {}, "x-example": example})
    assert service.example_params == {"mode": "fast", "n": 3}
    assert service.example_inputs == {"img": "iVBO"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "the schema is not JSON: "),
        ("{'meta': {}}", "the schema is not JSON: "),
        ("[]", "the schema: expected an object, got array"),
        ("null", "the schema: expected an object, got null"),
        ("{}", "the schema has no meta"),
        ('{"meta": "x"}', "meta: expected an object, got string"),
        ('{"meta": {"serviceId": 5}}', "meta.serviceId: expected a string, got number"),
        ('{"meta": {"version": ["v1"]}}', "meta.version: expected a string, got array"),
        ('{"meta": {"route": "v1/x"}}', "meta.route: expected a path that begins with /"),
        ('{"meta": {"route": ["/a", 5]}}', "meta.route: expected a path that begins with /"),
        ('{"meta": {"svcName": []}}', "meta.svcName: expected an object, got array"),
        ('{"meta": {"svcName": {"input": 1}}}', "meta.svcName.input: expected an object"),
        (
            '{"meta": {"svcName": {"accept": {"a": null}}}}',
            "meta.svcName.accept.a: expected an object, got null",
        ),
        ('{"meta": {}, "schemainput": true}', "schemainput: expected an object, got bool"),
        (
            '{"meta": {}, "schemaoutput": {"properties": {"payload": 1}}}',
            "schemaoutput.properties.payload: expected an object, got number",
        ),
        ('{"meta": {}, "x-example": []}', "x-example: expected an object, got array"),
        (
            '{"meta": {}, "x-example": {"inputs": {"img": 5}}}',
            "x-example.inputs.img: expected a string, got number",
        ),
        (
            '{"meta": {}, "x-example": {"inputs": {"img": "a*"}}}',
            "x-example.inputs.img: illegal base64 data at input byte 1",
        ),
        (
            '{"meta": {}, "a": ' + "[" * 100 + "]" * 100 + "}",
            "the schema is nested deeper than 100",
        ),
    ],
)
def test_a_schema_that_cannot_be_used_is_an_error_that_names_the_part(
    text: str, problem: str
) -> None:
    with pytest.raises(SchemaError) as caught:
        parse_schema(text, service_name="svcName")
    assert str(caught.value).startswith(problem)

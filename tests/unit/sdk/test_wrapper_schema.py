"""Against recordings of the original's schema() for the wrapper below."""

# ruff: noqa: N815 - the names that wrappers must use.

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aiges._runtime.describing import MAX_EXAMPLE_BYTES, describe
from aiges._runtime.schema import bare_schema
from aiges.sdk import (
    AudioBodyField,
    BooleanParamField,
    ImageBodyField,
    IntegerParamField,
    JsonBodyField,
    NumberParamField,
    StringBodyField,
    StringParamField,
    WrapperBase,
)

GOLDEN = Path(__file__).resolve().parents[2] / "golden"

Json = dict[str, Any]


class Request:
    mode = StringParamField(key="mode", enums=["fast", "good"], value="fast")
    name = StringParamField(key="name", maxLength=44, required=True, value="x")
    free = StringParamField(key="free", minLength=1, maxLength=20)
    score = NumberParamField(key="score", minimum=0, maximum=44)
    count = IntegerParamField(key="count", minimum=1, maximum=10, value=3)
    flag = BooleanParamField(key="flag", default=True)
    img = ImageBodyField(key="img", path=__file__)
    prompt = StringBodyField(key="prompt", value=b"hello")


class Reply:
    result = StringBodyField(key="result")
    preview = ImageBodyField(key="preview")


class Wrapper(WrapperBase):
    serviceId = "demo"
    version = "v1"
    requestCls = Request()
    responseCls = Reply()


def recorded(name: str) -> str:
    return (GOLDEN / name).read_text(encoding="utf-8").rstrip()


def written(document: Json) -> str:
    """Write as the recordings are: comparing text compares the order of members as well."""
    return json.dumps(document, indent=2)


def without_params(document: Json) -> Json:
    """Take out the parameters and their defaults, which the original gets wrong; keep the rest."""
    parameter = document["schemainput"]["properties"]["parameter"]
    service = parameter["properties"]["demo"]
    for key in ("mode", "name", "free", "score", "count"):
        service["properties"].pop(key, None)
    for word in ("defaultVal", "default"):
        for defaults in (service.get(word, {}), parameter.get(word, {}).get("demo", {})):
            for key in ("mode", "name", "free", "score", "count"):
                defaults.pop(key, None)
    service.pop("required", None)
    return document


def params_of(document: Json) -> Json:
    properties: Json = document["schemainput"]["properties"]["parameter"]["properties"]["demo"]
    return properties


@pytest.mark.parametrize(
    ("golden", "keywords"),
    [
        ("schema-example.json", {}),
        ("schema-example-keep-default-false.json", {"keep_schema_default_value": False}),
        ("schema-example-not-aipaas.json", {"is_aipaas": False}),
    ],
)
def test_all_but_the_parameters_is_what_the_original_writes(
    golden: str, keywords: dict[str, bool]
) -> None:
    ours = json.loads(Wrapper(legacy=False, **keywords).schema())
    assert written(without_params(ours)) == written(without_params(json.loads(recorded(golden))))


def test_the_legacy_form_is_exactly_what_the_original_writes() -> None:
    assert written(json.loads(Wrapper().schema())) == recorded("schema-example-legacy.json")


def test_parameters_are_described_as_declared() -> None:
    service = params_of(json.loads(Wrapper(legacy=False).schema()))
    assert service["required"] == ["name"]
    described = {
        key: service["properties"][key] for key in ("mode", "name", "free", "score", "count")
    }
    assert described == {
        "mode": {
            "maxLength": 1024,
            "minLength": 0,
            "enum": ["fast", "good"],
            "type": "string",
            "defaultVal": "fast",
        },
        "name": {"maxLength": 44, "minLength": 0, "type": "string", "defaultVal": "x"},
        "free": {"maxLength": 20, "minLength": 1, "type": "string"},
        "score": {"minimum": 0, "maximum": 44, "type": "number"},
        "count": {"minimum": 1, "maximum": 10, "type": "integer", "defaultVal": 3},
    }


def test_the_default_parameters_are_the_declared_values() -> None:
    parameter = json.loads(Wrapper(legacy=False).schema())["schemainput"]["properties"]["parameter"]
    expected = {"mode": "fast", "name": "x", "free": None, "score": None, "count": 3, "flag": True}
    for defaults in (
        parameter["defaultVal"]["demo"],
        parameter["properties"]["demo"]["defaultVal"],
    ):
        assert {key: defaults[key] for key in expected} == expected
        assert list(defaults) == [*expected, "result", "preview"]


def test_the_gateway_form_without_defaults_has_none_anywhere() -> None:
    text = Wrapper(legacy=False, keep_schema_default_value=False).schema()
    assert "default" not in text


def test_titles_and_defaults_stay_for_anybody_but_the_gateway() -> None:
    service = params_of(json.loads(Wrapper(legacy=False, is_aipaas=False).schema()))
    assert service["properties"]["mode"] == {
        "title": "Mode",
        "default": "fast",
        "maxLength": 1024,
        "minLength": 0,
        "enum": ["fast", "good"],
        "type": "string",
    }


def test_parameters_called_like_schema_words_are_left_alone() -> None:
    class Asked:
        title = StringParamField(key="title", value="t")
        default = StringParamField(key="default", value="d")
        properties = StringBodyField(key="properties")

    class Other(Wrapper):
        requestCls = Asked()

    document = json.loads(Other(legacy=False).schema())
    service = params_of(document)
    assert list(service["properties"]) == ["title", "default", "result", "preview"]
    assert service["defaultVal"]["title"] == "t"
    assert service["defaultVal"]["default"] == "d"
    assert list(document["schemainput"]["properties"]["payload"]["properties"]) == ["properties"]


def test_an_authors_title_and_description_are_used() -> None:
    class Asked:
        mode = StringParamField(key="mode", title="Speed", description="how fast")

    class Other(Wrapper):
        requestCls = Asked()

    for_people = params_of(json.loads(Other(legacy=False, is_aipaas=False).schema()))
    assert for_people["properties"]["mode"]["title"] == "Speed"
    assert for_people["properties"]["mode"]["description"] == "how fast"
    for_gateway = params_of(json.loads(Other(legacy=False).schema()))
    assert "title" not in for_gateway["properties"]["mode"]
    assert for_gateway["properties"]["mode"]["description"] == "how fast"


@pytest.mark.parametrize("legacy", [True, False])
def test_required_parameters_of_every_type_are_listed(legacy: bool) -> None:
    class Asked:
        text = StringParamField(key="s", required=True)
        number = NumberParamField(key="n", required=True)
        whole = IntegerParamField(key="i", required=True)
        flag = BooleanParamField(key="b", required=True)
        other = BooleanParamField(key="o")

    class Other(Wrapper):
        requestCls = Asked()

    assert params_of(json.loads(Other(legacy=legacy).schema()))["required"] == ["s", "n", "i", "b"]


@pytest.mark.parametrize("legacy", [True, False])
def test_json_and_audio_are_described_as_inputs_and_outputs(legacy: bool) -> None:
    class Asked:
        sound = AudioBodyField(key="sound", encoding="opus")
        facts = JsonBodyField(key="facts", value={"a": 1})

    class Other(Wrapper):
        requestCls = Asked()
        responseCls = Asked()

    document = json.loads(Other(legacy=legacy).schema())
    assert document["meta"]["demo"] == {
        "input": {"sound": {"dataType": "audio"}, "facts": {"dataType": "text"}},
        "accept": {"sound": {"dataType": "audio"}, "facts": {"dataType": "text"}},
    }
    for side in ("schemainput", "schemaoutput"):
        payload = document[side]["properties"]["payload"]["properties"]
        assert payload["sound"]["properties"]["audio"]["type"] == "string"
        assert payload["facts"]["properties"]["text"]["type"] == "string"
        assert "opus" in payload["sound"]["properties"]["encoding"]["enum"]


def test_default_payload_has_the_attributes_that_the_field_declares() -> None:
    class Asked:
        facts = JsonBodyField(key="facts")
        photo = ImageBodyField(key="photo", encoding="webp", status=0)

    class Other(Wrapper):
        requestCls = Asked()

    payload = json.loads(Other(legacy=False).schema())["schemainput"]["properties"]["payload"]
    assert payload["defaultVal"] == {
        "facts": {
            "encoding": "utf8",
            "compress": "raw",
            "format": "json",
            "status": 3,
            "text": "value",
            "data_type": "text",
        },
        "photo": {"encoding": "webp", "status": 0, "image": "test", "data_type": "image"},
    }
    encodings = payload["properties"]["photo"]["properties"]["encoding"]["enum"]
    assert encodings == ["jpg", "png", "webp"]


def test_an_output_image_does_not_carry_its_test_file(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"\x89PNG\xff")

    class Answered:
        picture = ImageBodyField(key="picture", path=str(tmp_path / "x.png"))

    class Other(Wrapper):
        responseCls = Answered()

    output = json.loads(Other(legacy=False).schema())["schemaoutput"]["properties"]["payload"]
    assert output["defaultVal"]["picture"]["image"] == "<your image base64 here>"


@pytest.mark.parametrize("legacy", [True, False])
def test_a_wrapper_that_declares_nothing_has_a_schema(legacy: bool) -> None:
    document = json.loads(WrapperBase(legacy=legacy).schema())
    assert document["meta"]["serviceId"] == "svcName"
    assert document["meta"]["route"] == "/v1/private/svcName"
    assert document["schemaoutput"]["properties"]["payload"]["properties"] == {}


def test_a_wrapper_that_skips_the_base_constructor_has_a_schema() -> None:
    class Other(Wrapper):
        def __init__(self) -> None:
            pass

    assert json.loads(Other().schema())["meta"]["serviceId"] == "demo"


def test_a_host_gets_the_new_form_whatever_the_constructor_was_told() -> None:
    described = json.loads(describe(Wrapper(legacy=True), "host"))
    del described["x-example"]
    assert described == json.loads(Wrapper(legacy=False).schema())


def test_a_host_is_told_the_test_data_that_there_is() -> None:
    class Request:
        said = StringBodyField(key="said", value="中")
        unsaid = StringBodyField(key="unsaid")
        long = StringBodyField(key="long", value=b"x" * (MAX_EXAMPLE_BYTES + 1))
        picture = ImageBodyField(key="picture", path=__file__)
        no_picture = ImageBodyField(key="no_picture")
        no_sound = AudioBodyField(key="no_sound")

    class Other(WrapperBase):
        requestCls = Request()

    example = json.loads(describe(Other(), "host"))["x-example"]
    picture = base64.b64encode(Path(__file__).read_bytes()).decode()
    assert example == {"inputs": {"said": "5Lit", "picture": picture}}


@pytest.mark.parametrize("make", [WrapperBase, object])
def test_a_host_may_name_a_nameless_wrapper(make: Callable[[], object]) -> None:
    assert describe(make(), "host") == bare_schema("host")
    assert json.loads(bare_schema("host"))["meta"]["service"] == ["host"]


def test_a_host_gets_what_the_wrappers_own_schema_returns() -> None:
    class Router:
        def schema(self) -> str:
            return "its own"

    class Other(Wrapper):
        @classmethod
        def schema(cls) -> str:
            return "the class's"

    assert describe(Router(), "host") == "its own"
    assert describe(Other(), "host") == "the class's"

"""What a typed signature declares, and what is said of one that cannot be served."""

# ruff: noqa: N815 - the names that wrappers must use.

import enum
import json
from collections import namedtuple
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import pytest

from aiges._runtime.binding import BadSignatureError
from aiges._runtime.declaration import declare
from aiges.sdk import IntegerParamField, NumberParamField, StringParamField
from aiges.typed import Audio, Body, Image, Json, Param, Text, TypedWrapper


class Size(enum.Enum):
    SMALL = "s"
    LARGE = "l"


class Answer(NamedTuple):
    label: Text
    picture: Annotated[Image, Body(key="pic", encoding="png")]
    facts: Json | None = None


class Everything(TypedWrapper):
    serviceId = "every"
    version = "v2"

    def infer(  # noqa: PLR0917 - one of each
        self,
        img: Image,
        said: Annotated[Text, Body(value="hello")],
        need: str,
        top: Annotated[int, Param(minimum=1, maximum=10, description="so many")] = 3,
        ratio: Annotated[float, Param(key="RATIO", minimum=0)] = 0.5,
        flag: bool = False,
        mode: Literal["fast", "good"] = "fast",
        level: Literal[1, 2] = 2,
        size: Size = Size.LARGE,
        unit: Annotated[str, Param(enums=["cm", "in"], title="Unit")] = "cm",
        seed: int | None = None,
        sound: Audio | None = None,
        facts: Annotated[Json | None, Body(key="more")] = None,
    ) -> Answer:
        raise AssertionError


def test_inputs_parameters_and_outputs_follow_from_the_types() -> None:
    declared = declare(Everything())
    assert {key: (type(f).__name__, f.data_type) for key, f in declared.inputs.items()} == {
        "img": ("ImageBodyField", 2),
        "said": ("StringBodyField", 0),
        "sound": ("AudioBodyField", 1),
        "more": ("JsonBodyField", 0),
    }
    assert {key: (f.data_type, f.default, f.required) for key, f in declared.params.items()} == {
        "need": ("string", None, True),
        "top": ("integer", 3, False),
        "RATIO": ("number", 0.5, False),
        "flag": ("boolean", False, False),
        "mode": ("string", "fast", False),
        "level": ("integer", 2, False),
        "size": ("string", "l", False),
        "unit": ("string", "cm", False),
        "seed": ("integer", None, False),
    }
    assert {key: f.kind for key, f in declared.outputs.items()} == {
        "label": "text",
        "pic": "image",
        "facts": "text",
    }


def test_bounds_and_choices_are_declared_and_only_those() -> None:
    params = declare(Everything()).params
    top, ratio, seed = params["top"], params["RATIO"], params["seed"]
    assert isinstance(top, IntegerParamField)
    assert (top.minimum, top.maximum, top.description) == (1, 10, "so many")
    assert isinstance(ratio, NumberParamField)
    assert (ratio.minimum, ratio.maximum) == (0, None)
    assert isinstance(seed, IntegerParamField)
    assert (seed.minimum, seed.maximum, seed.enums) == (None, None, [])
    choices = {key: field.enums for key, field in params.items() if getattr(field, "enums", None)}
    assert choices == {
        "mode": ["fast", "good"],
        "level": [1, 2],
        "size": ["s", "l"],
        "unit": ["cm", "in"],
    }
    need = params["need"]
    assert isinstance(need, StringParamField)
    assert (need.maxLength, params["unit"].title) == (None, "Unit")


@pytest.mark.parametrize("legacy", [True, False])
def test_both_forms_of_the_schema_can_be_written(legacy: bool) -> None:
    document = json.loads(Everything(legacy=legacy).schema())
    assert document["meta"]["route"] == "/v2/private/every"
    service = document["schemainput"]["properties"]["parameter"]["properties"]["every"]
    assert service["required"] == ["need"]
    seed = service["properties"]["seed"]
    assert seed == {"type": "integer"}


def test_a_local_run_has_something_for_every_parameter() -> None:
    class Demanding(TypedWrapper):
        def infer(  # noqa: PLR0917 - one of each
            self,
            text: Text,
            word: Annotated[str, Param(minLength=2)],
            one_of: Literal["a", "b"],
            low: Annotated[int, Param(minimum=5)],
            high: Annotated[float, Param(maximum=-2)],
            flag: bool,
            given: Annotated[int, Param(test=7)],
            free: float,
        ) -> Text:
            return Text("; ".join(map(str, (word, one_of, low, high, flag, given, free))))

    assert Demanding().run_once() is True
    tested = {key: field.test_value for key, field in declare(Demanding).params.items()}
    assert list(tested.values()) == ["xx", "a", 5, -2, False, 7, 0]


def test_test_data_comes_from_the_body_s_path_and_value(tmp_path: Path) -> None:
    (tmp_path / "7.png").write_bytes(b"\x89PNG")

    class Tested(TypedWrapper):
        def infer(
            self,
            img: Annotated[Image, Body(path=str(tmp_path / "7.png"), encoding="png")],
            facts: Annotated[Json, Body(value={"a": 1})],
            text: Annotated[Text, Body(value="中")],
            empty: Json,
        ) -> Text:
            return Text("x")

    fields = declare(Tested).inputs
    assert [field.test_value for field in fields.values()] == [
        b"\x89PNG",
        b'{"a": 1}',
        "中".encode(),
        b"{}",
    ]
    assert fields["img"].encoding == "png"


def test_a_subclass_may_answer_in_another_way_or_keep_its_parent_s() -> None:
    class Once(TypedWrapper):
        serviceId = "once"

        def infer(self, text: Text) -> Text:
            return text

    class Same(Once):
        pass

    class Streams(Once):
        def infer(self, text: Text) -> Iterator[Text]:  # type: ignore[override]
            yield text

    assert Same.wrapperOnceExec is Once.wrapperOnceExec
    assert Streams.wrapperOnceExec is TypedWrapper.wrapperOnceExec
    assert Streams.wrapperStream is not Once.wrapperStream
    assert declare(Same).inputs == declare(Once).inputs


@dataclass
class Nested:
    inner: Answer


Bare = namedtuple("Bare", ["a"])


class Empty(NamedTuple):
    pass


def no_type(self: Any, text: Text, mode) -> Text: ...  # type: ignore[no-untyped-def, empty-body] # noqa: ANN001
def bytes_input(self: Any, text: bytes) -> Text: ...  # type: ignore[empty-body]
def two_types(self: Any, text: Text, x: int | str) -> Text: ...  # type: ignore[empty-body]
def two_or_none(self: Any, text: Text, x: int | str | None = None) -> Text: ...  # type: ignore[empty-body]
def list_of(self: Any, text: Text, x: list[int]) -> Text: ...  # type: ignore[empty-body]
def mixed(self: Any, text: Text, x: Literal["a", 1] = 1) -> Text: ...  # type: ignore[empty-body]
def many(self: Any, *text: Text) -> Text: ...  # type: ignore[empty-body]
def named(self: Any, text: Text, **x: int) -> Text: ...  # type: ignore[empty-body]
def positional(self: Any, text: Text, /) -> Text: ...  # type: ignore[empty-body]
def nothing(self: Any, x: int = 1) -> Text: ...  # type: ignore[empty-body]
def no_result(self: Any, text: Text): ...  # type: ignore[no-untyped-def] # noqa: ANN201
def none_result(self: Any, text: Text) -> None: ...
def str_result(self: Any, text: Text) -> str: ...  # type: ignore[empty-body]
def maybe_result(self: Any, text: Text) -> Text | None: ...
def nested_result(self: Any, text: Text) -> Nested: ...  # type: ignore[empty-body]
def empty_result(self: Any, text: Text) -> Empty: ...  # type: ignore[empty-body]
def bare_result(self: Any, text: Text) -> Bare: ...  # type: ignore[empty-body]
def bad_default(self: Any, text: Text, x: Annotated[int, Param(minimum=2)] = 1) -> Text: ...  # type: ignore[empty-body]
def wrong_default(self: Any, text: Text, x: int = "1") -> Text: ...  # type: ignore[assignment, empty-body]
def true_default(self: Any, text: Text, x: int = True) -> Text: ...  # type: ignore[empty-body]
def none_default(self: Any, text: Text, x: int = None) -> Text: ...  # type: ignore[assignment, empty-body] # noqa: RUF013
def no_none(self: Any, text: Text, x: int | None) -> Text: ...  # type: ignore[empty-body]
def body_param(self: Any, text: Text, x: Annotated[int, Body()]) -> Text: ...  # type: ignore[empty-body]
def param_body(self: Any, text: Annotated[Text, Param()]) -> Text: ...  # type: ignore[empty-body]
def twice(self: Any, text: Annotated[Text, Body(), Body()]) -> Text: ...  # type: ignore[empty-body]
def length_of_int(self: Any, text: Text, x: Annotated[int, Param(maxLength=3)]) -> Text: ...  # type: ignore[empty-body]
def minimum_of_str(self: Any, text: Text, x: Annotated[str, Param(minimum=3)]) -> Text: ...  # type: ignore[empty-body]
def half_minimum(self: Any, text: Text, x: Annotated[int, Param(minimum=0.5)]) -> Text: ...  # type: ignore[empty-body]
def enums_type(self: Any, text: Text, x: Annotated[int, Param(enums=["a"])]) -> Text: ...  # type: ignore[empty-body]
def enums_bool(self: Any, text: Text, x: Annotated[bool, Param(enums=[True])]) -> Text: ...  # type: ignore[empty-body]
def enums_twice(self: Any, text: Text, x: Annotated[Size, Param(enums=["s"])]) -> Text: ...  # type: ignore[empty-body]
def text_path(self: Any, text: Annotated[Text, Body(path="x")]) -> Text: ...  # type: ignore[empty-body]
def image_value(self: Any, img: Annotated[Image, Body(value="x")]) -> Text: ...  # type: ignore[empty-body]
def same_key(self: Any, text: Text, x: Annotated[int, Param(key="result")] = 1) -> Text: ...  # type: ignore[empty-body]
def same_input(self: Any, a: Annotated[Text, Body(key="b")], b: Text) -> Text: ...  # type: ignore[empty-body]
def yields(self: Any, text: Text) -> Text:  # type: ignore[misc]
    yield text


async def no_yield(self: Any, text: Text) -> AsyncIterator[Text]: ...  # type: ignore[empty-body]
async def sync_type(self: Any, text: Text) -> Iterator[Text]:  # type: ignore[misc]
    yield text


def streams_in(self: Any, text: Iterator[Text]) -> Text: ...  # type: ignore[empty-body]
def two_streams(self: Any, a: Iterator[Text], b: Iterator[Text]) -> Iterator[Text]: ...  # type: ignore[empty-body]
async def async_streams_in(self: Any, text: Iterator[Text]) -> AsyncIterator[Text]:
    yield Text("")


def bare_iterator(self: Any, text: Text) -> Iterator: ...  # type: ignore[type-arg, empty-body]
def undefined(self: Any, text: "NotThere") -> Text: ...  # type: ignore[name-defined, empty-body] # noqa: F821


@pytest.mark.parametrize(
    ("method", "words"),
    [
        (no_type, "Wrapper.infer: parameter 'mode': has no type; inputs are Text, Json, Image,"),
        (
            bytes_input,
            "parameter 'text': bytes cannot be served; inputs are Text, Json, Image, Audio",
        ),
        (two_types, "parameter 'x': int | str cannot be served"),
        (two_or_none, "parameter 'x': may be of one type only, and None"),
        (list_of, "parameter 'x': list[int] cannot be served"),
        (mixed, "parameter 'x': its values must be all text or all numbers"),
        (many, "parameter 'text': * and ** cannot be served"),
        (named, "parameter 'x': * and ** cannot be served"),
        (positional, "parameter 'text': is passed by name"),
        (nothing, "Wrapper.infer takes no input: add a parameter of type Text"),
        (no_result, "Wrapper.infer: its result: has no type"),
        (none_result, "its result: has no type"),
        (str_result, "its result: str cannot be sent; results are Text, Json, Image, Audio"),
        (maybe_result, "cannot be sent"),
        (nested_result, "its result: inner: Answer cannot be sent"),
        (bare_result, "its result: a: has no type; outputs are Text"),
        (empty_result, "its result: Empty has nothing in it"),
        (bad_default, "parameter 'x': its default 1: expected a whole number from 2"),
        (wrong_default, "parameter 'x': its default '1': expected a whole number"),
        (true_default, "parameter 'x': its default True: expected a whole number"),
        (none_default, "parameter 'x': its default is None, so its type needs `| None`"),
        (no_none, "parameter 'x': may be None, so its default must be None"),
        (body_param, "parameter 'x': is a parameter: say Param, not Body"),
        (param_body, "parameter 'text': is an input: say Body, not Param"),
        (twice, "parameter 'text': has more than one Param or Body"),
        (length_of_int, "minLength and maxLength are for text"),
        (minimum_of_str, "minimum and maximum are for numbers"),
        (half_minimum, "minimum and maximum of a whole number must be whole"),
        (enums_type, "enums must be of its type, int"),
        (enums_bool, "enums says nothing of true and false"),
        (enums_twice, "enums says again what the type says"),
        (text_path, "Body(path=...) is for Image and Audio"),
        (image_value, "Body(value=...) is for Text and Json"),
        (same_key, "Wrapper.infer: two things have the key 'result'"),
        (same_input, "Wrapper.infer: two things have the key 'b'"),
        (yields, "its result: yields, so its type is an Iterator"),
        (no_yield, "its result: an async method that returns an iterator must yield"),
        (sync_type, "its result: is AsyncIterator for async def"),
        (streams_in, "Wrapper.infer takes an iterator, so it must return one"),
        (two_streams, "Wrapper.infer: only one input may be an iterator"),
        (async_streams_in, "Wrapper.infer takes an iterator, so it may not be async"),
        (bare_iterator, "its result: Iterator cannot be sent"),
        (undefined, "Wrapper.infer: 'NotThere' in its types is not defined above its class"),
        (5, "Wrapper.infer must be a plain method"),
    ],
)
def test_a_signature_that_cannot_be_served_says_why_where_the_class_is_made(
    method: object, words: str
) -> None:
    with pytest.raises(BadSignatureError) as caught:
        type("Wrapper", (TypedWrapper,), {"infer": method})
    assert words in str(caught.value)


def test_a_wrapper_without_the_method_says_so_when_it_is_loaded() -> None:
    class Bare(TypedWrapper):
        pass

    with pytest.raises(BadSignatureError, match="Bare defines no method infer"):
        Bare().wrapperInit({})

import inspect

import pytest

from aiges.dto import DataListCls
from aiges.sdk import CALL, CALL_TYPE, HOSTS, ROUTEKEY, SUB, SessionManager, WrapperBase, type_map


def test_a_wrapper_takes_no_argument_or_the_hosts_keywords() -> None:
    plain = WrapperBase()
    assert (plain.legacy, plain.is_aipaas, plain.keep_schema_default_value) == (True, True, True)
    asked = WrapperBase(legacy=False, is_aipaas=False, keep_schema_default_value=False)
    assert (asked.legacy, asked.is_aipaas, asked.keep_schema_default_value) == (False, False, False)


def test_each_wrapper_has_its_own_sessions_and_test_values() -> None:
    first, second = WrapperBase(), WrapperBase()
    assert isinstance(first.session, SessionManager)
    assert first.session is not second.session
    assert first.inputs_test_values == {}
    assert first.inputs_test_values is not second.inputs_test_values


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("wrapperInit", ({},)),
        ("wrapperFini", ()),
        ("wrapperOnceExec", ({}, DataListCls())),
        ("wrapperOnceExecAsync", ({}, DataListCls(), "sid")),
    ],
)
def test_what_an_author_must_define_says_so(name: str, arguments: tuple[object, ...]) -> None:
    with pytest.raises(NotImplementedError, match=f"define {name}"):
        getattr(WrapperBase(), name)(*arguments)


@pytest.mark.parametrize(
    ("name", "arguments", "returned"),
    [
        ("wrapperLoadRes", (DataListCls(), "7"), 0),
        ("wrapperUnloadRes", ("7",), 0),
        ("wrapperCreate", ({}, "sid"), None),
        ("wrapperWrite", ("handle", DataListCls()), 0),
        ("wrapperWrite", ("handle", DataListCls(), "sid"), 0),
        ("wrapperRead", ("handle",), []),
        ("wrapperRead", ("handle", "sid"), []),
        ("wrapperDestroy", ("handle",), 0),
        ("wrapperError", (7,), ""),
        ("wrapperTestFunc", ([], []), None),
    ],
)
def test_the_other_methods_have_defaults(
    name: str, arguments: tuple[object, ...], returned: object
) -> None:
    assert getattr(WrapperBase(), name)(*arguments) == returned


def test_error_100_has_a_text() -> None:
    assert WrapperBase().wrapperError(100)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("wrapperOnceExec", ["params", "reqData", "usrTag", "persId"]),
        ("wrapperCreate", ["params", "sid", "persId", "usrTag"]),
        ("wrapperLoadRes", ["reqData", "resId"]),
        ("wrapperDestroy", ["handle"]),
    ],
)
def test_the_parameter_names_are_those_that_hosts_look_for(
    name: str, parameters: list[str]
) -> None:
    assert list(inspect.signature(getattr(WrapperBase(), name)).parameters) == parameters


def test_the_gateways_constants_are_there() -> None:
    assert (SUB, CALL, CALL_TYPE, HOSTS, ROUTEKEY) == ("ase", "atmos", 0, "api.xf-yun.com", [])
    assert type_map == {0: "text", 1: "audio", 2: "image", 3: "video"}

"""The wrappers with which the original was recorded, imported and run as they are."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from aiges.dto import DataImage, DataListCls, DataListNode, Response

WRAPPERS = Path(__file__).resolve().parents[2] / "golden" / "http-wrappers"


def load(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"published_{name}", WRAPPERS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    wrapper = module.Wrapper(legacy=False, is_aipaas=True, keep_schema_default_value=True)
    assert wrapper.wrapperInit({"common.lic": "10"}) == 0
    return wrapper


def request(**inputs: bytes) -> DataListCls:
    made = DataListCls()
    for key, data in inputs.items():
        node = DataListNode()
        node.key, node.data, node.len = key, data, len(data)
        made.list.append(node)
    return made


@pytest.mark.parametrize("name", ["dump", "echo", "image", "modes"])
def test_every_wrapper_loads_describes_itself_and_ends(name: str) -> None:
    wrapper = load(name)
    assert json.loads(wrapper.schema())["meta"]["route"] == "/v1/private/svcName"
    assert wrapper.wrapperFini() == 0


@pytest.mark.parametrize("name", ["dump", "echo", "image", "modes"])
def test_every_wrapper_passes_its_local_run(name: str) -> None:
    assert load(name).run_once() is True


def test_echo_answers_what_it_was_given() -> None:
    (item,) = load("echo").wrapperOnceExec({}, request(text=b"abc")).list
    assert (item.key, item.data, item.len, item.type, item.status) == ("result", b"abc", 3, 0, 3)


def test_dump_sees_bytes_and_parameters() -> None:
    (item,) = load("dump").wrapperOnceExec({"a": "1", "sid": "s"}, request(text=b"abc")).list
    seen = json.loads(item.data)
    assert (seen["params"], seen["params_has_sid"]) == ({"a": "1"}, True)
    assert [(node["key"], node["pytype"], node["len"]) for node in seen["list"]] == [
        ("text", "bytes", 3)
    ]


def test_image_measures_a_picture() -> None:
    given = request(img=b"\x89PNG1234")
    given.list[0].type = DataImage
    (item,) = load("image").wrapperOnceExec({}, given).list
    assert json.loads(item.data)["size"] == 8


@pytest.mark.parametrize(
    ("mode", "keys"),
    [
        ("echo", ["result"]),
        ("empty", []),
        ("str", ["result"]),
        ("image", ["pic"]),
        ("multi", ["result", "pic"]),
        ("dupkey", ["result", "result"]),
        ("wrongkey", ["other"]),
        ("audio", ["result"]),
        ("video", ["result"]),
        ("status1", ["result"]),
        ("pid", ["result"]),
        ("big1000", ["result"]),
    ],
)
def test_modes_makes_replies(mode: str, keys: list[str]) -> None:
    response = load("modes").wrapperOnceExec({"ctl": mode}, request(text=b"abc"))
    assert isinstance(response, Response)
    assert [item.key for item in response.list] == keys
    assert all(isinstance(item.data, bytes) for item in response.list)


@pytest.mark.parametrize("mode", ["err", "err_with_data", "err_empty"])
def test_modes_makes_errors(mode: str) -> None:
    wrapper = load("modes")
    assert wrapper.wrapperOnceExec({"ctl": mode}, request(text=b"")).error_code == 100
    assert wrapper.wrapperError(100) == "wrapperError said 100"

import json

import pytest

from aiges.dto import (
    DataImage,
    DataListCls,
    DataListNode,
    DataText,
    Once,
    Response,
    ResponseData,
    SessionCreateResponse,
)


def test_a_new_node_is_empty_and_every_attribute_can_be_set() -> None:
    node = DataListNode()
    assert (node.key, node.data, node.len, node.type, node.status, node.desc) == (
        "",
        b"",
        0,
        DataText,
        Once,
        {},
    )
    node.key, node.data, node.len, node.type, node.status = "img", b"abc", 3, DataImage, 0
    assert node.get_data() == b"abc"
    assert "img" in str(node)


def test_nodes_do_not_share_their_attributes_dict() -> None:
    first, second = DataListNode(), DataListNode()
    first.desc["encoding"] = "jpg"
    assert second.desc == {}


def test_a_new_request_has_an_empty_list() -> None:
    assert DataListCls().list == []
    assert DataListCls().get("x") is None


def test_get_returns_the_first_node_with_the_key() -> None:
    first, second = DataListNode(), DataListNode()
    first.key = second.key = "a"
    request = DataListCls()
    request.list = [first, second]
    assert request.get("a") is first
    assert request.get("b") is None
    assert "'a'" in f"{request}"


@pytest.mark.parametrize(
    ("data", "stored", "size"),
    [
        (b"abc", b"abc", 3),
        ("中文", "中文".encode(), 6),
        (bytearray(b"abcd"), bytearray(b"abcd"), 4),
        (memoryview(b"12345678").cast("I"), memoryview(b"12345678").cast("I"), 8),
        ("", b"", 0),
    ],
)
def test_set_data_encodes_text_and_measures_bytes(
    data: bytes | str, stored: object, size: int
) -> None:
    item = ResponseData()
    item.setData(data)
    assert item.data == stored
    assert item.len == size


def test_set_data_refuses_what_cannot_be_sent() -> None:
    with pytest.raises(TypeError, match="needs bytes or str, got dict"):
        ResponseData().setData({"a": 1})  # type: ignore[arg-type]


def test_data_and_len_can_be_assigned() -> None:
    item = ResponseData()
    item.data = "text, as it is"
    item.len = 14
    assert (item.data, item.len) == ("text, as it is", 14)


def test_the_constructor_keeps_its_data_under_both_spellings_of_length() -> None:
    assert ResponseData(key="k", data=b"abc").len == 3
    by_length = ResponseData(key="k", data=b"abc", length=7, type=DataImage, status=2)
    by_len = ResponseData(key="k", data=b"abc", len=7, type=DataImage, status=2)
    for item in (by_length, by_len):
        assert vars(item) == {"key": "k", "data": b"abc", "len": 7, "type": 2, "status": 2}


@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_set_data_type_takes_the_four_types(number: int) -> None:
    item = ResponseData()
    item.setDataType(number)
    assert item.type == number


@pytest.mark.parametrize("number", [-1, 4, "text"])
def test_set_data_type_refuses_anything_else(number: int) -> None:
    with pytest.raises(Exception, match="Please specify the correct data type"):
        ResponseData().setDataType(number)


def test_a_new_response_has_one_empty_item_and_no_error() -> None:
    response = Response()
    assert [(item.key, item.data) for item in response.list] == [("", b"")]
    assert response.error_code == 0
    assert Response(list=[]).list == []


def test_response_err_sets_the_code_and_returns_the_response() -> None:
    response = Response()
    assert response.response_err(100) is response
    assert response.error_code == 100


def test_a_new_session_response_is_empty() -> None:
    created = SessionCreateResponse()
    assert json.loads(created.toJSON()) == {"handle": "", "error_code": 0}


def test_to_json_writes_bytes_as_text() -> None:
    response = Response(list=[ResponseData(key="k", data="é".encode())])
    assert json.loads(response.toJSON()) == {
        "error_code": 0,
        "list": [{"key": "k", "data": "é", "len": 2, "type": 0, "status": 3}],
    }
    assert json.loads(ResponseData(key="k", data=memoryview(b"x")).toJSON())["data"] == "x"

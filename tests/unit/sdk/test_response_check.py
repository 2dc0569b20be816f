# ruff: noqa: N815 - the names that wrappers must use.

import logging

import pytest

from aiges.dto import DataImage, Response, ResponseData
from aiges.sdk import JsonBodyField, StringBodyField, WrapperBase


class Reply:
    result = StringBodyField(key="result")
    facts = JsonBodyField(key="facts")


class Wrapper(WrapperBase):
    responseCls = Reply()


class Undeclared(WrapperBase):
    pass


def reply(*items: ResponseData) -> Response:
    return Response(list=list(items))


@pytest.mark.parametrize(
    "response",
    [
        reply(ResponseData(key="result", data=b"x")),
        reply(ResponseData(key="result", data=memoryview(b"x"))),
        reply(ResponseData(key="result", data="中"), ResponseData(key="facts", data=b"{}")),
        Response().response_err(100),
        Response(list=[]).response_err(100),
    ],
)
def test_good_replies_pass(response: Response) -> None:
    assert Wrapper().check_resp(response) is True


def assigned(data: object, length: int) -> ResponseData:
    item = ResponseData(key="result")
    item.data = data  # type: ignore[assignment]
    item.len = length
    return item


@pytest.mark.parametrize("length", [3, 1])
def test_text_may_be_measured_in_bytes_or_characters(length: int) -> None:
    assert Wrapper().check_resp(reply(assigned("中", length)))


@pytest.mark.parametrize(
    ("response", "complaint"),
    [
        (None, "must return a Response, not NoneType"),
        (-1, "must return a Response, not int"),
        (Response(list=[]), "empty list"),
        (reply(assigned(None, 0)), "data must be bytes or str, not NoneType"),
        (reply(assigned(b"abc", 2)), "len is 2, but data has 3 bytes"),
        (reply(assigned("中", 2)), "len is 2, but data has 3 bytes"),
        (
            reply(ResponseData(key="result"), ResponseData(key="result")),
            "output 'result' is there 2 times",
        ),
        (reply(ResponseData(key="result", status=1)), "output 'result': status is 1"),
        (reply(ResponseData(key="other")), "not declared in responseCls, which has result, facts"),
        (
            reply(ResponseData(key="result", type=DataImage)),
            "type is image, but responseCls declares text",
        ),
    ],
)
def test_each_fault_is_found_and_logged(
    response: Response, complaint: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        assert Wrapper().check_resp(response) is False
    assert complaint in caplog.text


def test_a_wrapper_that_declares_no_outputs_may_send_any() -> None:
    assert Undeclared().check_resp(reply(ResponseData(key="any", type=DataImage)))

"""What operators' tools get from the gRPC port."""

import os
import re

import pytest

from aiges_loader.frontend.toolbox import ToolBox, ToolBoxError

GET = '{"method": "get"}'


def box(*, is_ready: bool = True) -> ToolBox:
    return ToolBox(lambda: is_ready, lambda: 61.9)


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ('{"cmd": "health"}', "health staus:"),
        ('{"cmd": "metrics"}', ""),
        ('{"cmd": "query"}', "query method not defined"),
        ('{"cmd": "nope"}', "don't support the cmd"),
        ("{}", "don't support the cmd"),
        ("null", "don't support the cmd"),
        ('{"cmd": null}', "don't support the cmd"),
        *(
            (f'{{"cmd": "{name}"}}', "not available: this program is not written in Go")
            for name in ("block", "rawHeap", "rawTrace", "rawCpu")
        ),
    ],
)
def test_a_command_has_its_answer(query: str, body: str) -> None:
    assert box().answer(query, GET) == body


def test_health_says_err_when_no_worker_is_ready() -> None:
    assert "err" not in box().answer('{"cmd": "health"}', GET)
    assert "err" in box(is_ready=False).answer('{"cmd": "health"}', GET)


async def test_status_has_five_lines() -> None:
    status = box().answer('{"cmd": "status"}', GET)
    pattern = r"pid:\t\t(\d+)\nuser:\t\t\S+\nuptime:\t\t61s\ngoroutineid:\t\d+\ngoroutines:\t\d+"
    match = re.fullmatch(pattern, status)
    assert match is not None, status
    assert int(match[1]) == os.getpid()


async def test_what_go_would_show_of_itself_is_shown_of_this_program() -> None:
    stacks = box().answer('{"cmd": "goroutine"}', GET)
    assert "thread MainThread" in stacks
    assert "test_what_go_would_show_of_itself" in stacks
    assert re.match(r"rss_bytes:\d+\n", box().answer('{"cmd": "heap"}', GET))
    assert re.match(r"\d+ MainThread", box().answer('{"cmd": "threadcreate"}', GET))
    assert box().answer('{"cmd": "gcsummary"}', GET).startswith("generation:0 collections:")


@pytest.mark.parametrize(
    ("query", "headers", "error"),
    [
        ("", GET, "query:,err:unexpected end of JSON input"),
        ('{"cmd"', GET, 'query:{"cmd",err:unexpected end of JSON input'),
        ("x", GET, "query:x,err:invalid character 'x' looking for beginning of value"),
        ("{}", "", "headers:,err:unexpected end of JSON input"),
        ("{}", "{}", "don't support the method"),
        ("{}", '{"method": "POST"}', "don't support the method"),
        (
            "[]",
            GET,
            "query:[],err:json: cannot unmarshal array into Go value of type map[string]string",
        ),
        (
            '{"cmd": 1}',
            GET,
            'query:{"cmd": 1},err:json: cannot unmarshal number into Go value of type string',
        ),
    ],
)
def test_what_is_no_request_is_refused(query: str, headers: str, error: str) -> None:
    with pytest.raises(ToolBoxError) as refused:
        box().answer(query, headers)
    assert str(refused.value) == error

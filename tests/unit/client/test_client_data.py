"""What the client sends, and how it reads what comes back, without a service."""

import json
from typing import Any

import pytest

from aiges.client import (
    Description,
    Input,
    RefusedRequestError,
    UnexpectedAnswerError,
    WrapperError,
)
from aiges.client.data import (
    Numbering,
    Output,
    Package,
    Piece,
    Result,
    expectations,
    joined,
    param_texts,
)
from aiges.client.description import DescriptionError, describe
from aiges.client.errors import (
    BadOutputError,
    BusyError,
    ClientError,
    ServiceError,
    ServiceTimeoutError,
    SessionEndedError,
    WorkerDiedError,
    service_error,
)
from aiges.client.json_messages import (
    EventReader,
    Opening,
    error_in,
    first_message,
    next_message,
    read_answer,
)

# Results:


def piece(name: str, data: bytes, status: int, seq: str) -> Output:
    return Output(name, "text", data, status, {"seq": seq})


def test_the_pieces_of_an_answer_are_put_together_output_by_output() -> None:
    whole = joined(
        [
            Result("s", {"a": piece("a", b"one ", 0, "1"), "b": piece("b", b"x", 0, "1")}),
            Result("s", {"a": piece("a", b"two", 1, "2")}),
            Result("s", {"a": piece("a", b"", 2, "3")}),
        ]
    )
    assert whole == Result(
        "s", {"a": piece("a", b"one two", 2, "1"), "b": piece("b", b"x", 0, "1")}
    )


# Numbering:


def sent(packages: list[Package], *, ends: bool = True) -> list[list[tuple[str, bytes, int]]]:
    numbering = Numbering({"text": "text", "image": "image"})
    last = len(packages) - 1
    return [
        [
            (piece.name, piece.data, piece.status)
            for piece in numbering.pieces(package, is_last=ends and number == last)
        ]
        for number, package in enumerate(packages)
    ]


def test_the_only_package_is_the_only_one() -> None:
    assert sent([{"text": "é"}]) == [[("text", b"\xc3\xa9", 3)]]


def test_packages_begin_go_on_and_end() -> None:
    packages: list[Package] = [{"text": "a"}, {"text": "b"}, {"text": "c"}]
    assert sent(packages) == [[("text", b"a", 0)], [("text", b"b", 1)], [("text", b"c", 2)]]


def test_the_last_package_ends_inputs_that_it_does_not_have() -> None:
    packages: list[Package] = [{"text": "a", "image": b"i"}, {"text": "b"}]
    assert sent(packages) == [
        [("text", b"a", 0), ("image", b"i", 0)],
        [("text", b"b", 2), ("image", b"", 2)],
    ]


def test_an_input_that_comes_only_in_the_last_package_is_the_only_one() -> None:
    assert sent([{"text": "a"}, {"image": b"i"}])[1] == [("image", b"i", 3), ("text", b"", 2)]


def test_a_status_that_is_given_stays() -> None:
    numbering = Numbering({"text": "text"})
    assert not numbering.has_begun
    (piece,) = numbering.pieces({"text": Input("a", status=2)}, is_last=False)
    assert numbering.has_begun
    assert piece.status == 2
    assert numbering.ends() == ()
    (piece,) = numbering.pieces({"text": Input("a", status=1)}, is_last=False)
    assert [end.name for end in numbering.ends()] == ["text"]
    assert numbering.ends() == ()


def test_kinds_are_given_or_declared_or_text() -> None:
    numbering = Numbering({"picture": "image"})
    package = {"picture": b"", "sound": Input(b"", kind="audio"), "else": b""}
    pieces = numbering.pieces(package, is_last=True)
    assert [piece.kind for piece in pieces] == ["image", "audio", "text"]


def test_data_without_a_name_is_for_the_only_input() -> None:
    (piece,) = Numbering({"speech": "audio"}).pieces(b"...", is_last=True)
    assert piece == Piece("speech", b"...", "audio", 3, {})


@pytest.mark.parametrize(
    ("kinds", "words"), [({}, "none that is known"), ({"a": 1, "b": 2}, "a, b")]
)
def test_data_without_a_name_needs_an_only_input(kinds: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Numbering(kinds).pieces(b"...", is_last=True)


def test_params_and_expectations_are_written_as_the_service_takes_them() -> None:
    assert param_texts({"a": True, "b": False, "c": 2, "d": 0.5, "e": "x"}) == {
        "a": "true",
        "b": "false",
        "c": "2",
        "d": "0.5",
        "e": "x",
    }
    assert expectations({"r": "text", "s": {"data_type": "audio", "encoding": "raw"}}) == {
        "r": {"data_type": "text"},
        "s": {"data_type": "audio", "encoding": "raw"},
    }


def test_an_expectation_of_no_kind_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expect\['r'\].*'words'"):
        expectations({"r": "words"})  # type: ignore[dict-item]
    with pytest.raises(ValueError, match="None"):
        expectations({"r": {"encoding": "utf8"}})


# Results:


def test_a_result_of_one_output_stands_for_it() -> None:
    result = Result("s", {"r": Output("r", "text", b"\xc3\xa9", 3, {})})
    assert (result.text, result.data, result.is_last) == ("é", b"\xc3\xa9", True)
    assert [output.name for output in result] == ["r"]


def test_a_result_of_two_outputs_does_not() -> None:
    outputs = {name: Output(name, "text", b"", 1, {}) for name in ("a", "b")}
    with pytest.raises(ValueError, match="a, b"):
        _ = Result("s", outputs).text
    assert not Result("s", outputs).is_last


# JSON:

OPENING = Opening("svc", {"appid": "me"}, {"mode": "x"}, {"result": {"data_type": "text"}})


def test_the_first_message_has_everything_and_later_ones_only_data() -> None:
    piece = Piece("text", b"hello", "text", 0, {"encoding": "utf8"})
    assert json.loads(first_message(OPENING, [piece])) == {
        "header": {"appid": "me"},
        "parameter": {"svc": {"mode": "x", "result": {"data_type": "text"}}},
        "payload": {"text": {"encoding": "utf8", "status": 0, "text": "aGVsbG8="}},
    }
    assert "payload" not in json.loads(first_message(OPENING, []))
    assert json.loads(next_message([piece._replace(kind="audio", status=2)])) == {
        "payload": {"text": {"encoding": "utf8", "status": 2, "audio": "aGVsbG8="}}
    }


def answer(**entry: Any) -> bytes:
    header = {"code": 0, "message": "success", "sid": "s", "status": 1}
    return json.dumps({"header": header, "payload": {"r": entry}}).encode()


@pytest.mark.parametrize(
    ("entry", "has_plain_text", "data"),
    [
        ({"text": "aGVsbG8="}, True, b"aGVsbG8="),
        ({"text": "aGVsbG8="}, False, b"hello"),
        ({"audio": "aGVsbG8="}, True, b"hello"),
        ({"text": {"a": ["é"]}, "format": "json"}, False, '{"a":["é"]}'.encode()),
    ],
)
def test_data_is_decoded_as_the_protocol_has_it(
    entry: dict[str, Any], has_plain_text: bool, data: bytes
) -> None:
    assert read_answer(answer(**entry), has_plain_text=has_plain_text).data == data


@pytest.mark.parametrize("status", [2, "2"])
def test_attributes_are_text_and_the_status_a_number(status: object) -> None:
    body = answer(text="", seq=4, status=status, encoding="utf8")
    (output,) = read_answer(body, has_plain_text=True)
    assert output.attributes == {"seq": "4", "encoding": "utf8"}
    assert output.status == 2
    assert output.is_last


def test_an_acknowledgement_has_no_outputs() -> None:
    body = '{"header":{"code":0,"message":"success","sid":"s","status":0}}'
    assert read_answer(body, has_plain_text=False) == Result("s", {})


def test_an_error_has_code_message_and_sid() -> None:
    body = b'{"header":{"code":10009,"message":"input invalid data","sid":"s"},"payload":null}'
    with pytest.raises(RefusedRequestError) as caught:
        read_answer(body, has_plain_text=True)
    assert (caught.value.code, caught.value.message, caught.value.sid) == (
        10009,
        "input invalid data",
        "s",
    )
    assert str(caught.value) == "input invalid data (code 10009)"
    assert isinstance(error_in(body), RefusedRequestError)
    assert error_in(b"404 page not found") is None
    assert error_in(answer(text="")) is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"404 page not found",
        b"[]",
        b"null",
        b"{}",
        b'{"header":{}}',
        b'{"header":{"code":"x"}}',
        b'{"header":{"code":0},"payload":[]  ,"x":1}'.replace(b"[]", b"[1]"),
        answer(status=2),
        answer(audio="@"),
        answer(text="", status="many"),
    ],
)
def test_what_is_no_answer_is_unexpected(body: bytes) -> None:
    with pytest.raises(UnexpectedAnswerError):
        read_answer(body, has_plain_text=False)


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_events_are_taken_apart_however_they_come(size: int) -> None:
    stream = b': hello\n\ndata: {"a":1}\n\n:\n\nevent: error\ndata: {"b":\ndata: 2}\n\ndata: x'
    reader = EventReader()
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    found = [event for piece in pieces for event in reader.feed(piece)]
    assert found == [b'{"a":1}', b'{"b":\n2}']


# Errors:


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (10000, RefusedRequestError),
        (10163, RefusedRequestError),
        (10008, SessionEndedError),
        (10101, SessionEndedError),
        (10102, ServiceTimeoutError),
        (10114, ServiceTimeoutError),
        (10106, BadOutputError),
        (10109, WorkerDiedError),
        (10110, BusyError),
        (30003, WrapperError),
        (7, WrapperError),
        (-1, WrapperError),
    ],
)
def test_each_code_has_its_class(code: int, expected: type[ServiceError]) -> None:
    error = service_error(code, "why", "s")
    assert type(error) is expected
    assert (error.code, error.message, error.sid) == (code, "why", "s")


def test_nothing_that_was_not_begun_may_have_run() -> None:
    assert not BusyError("").may_have_run
    assert not ClientError("").can_retry


# Descriptions:

OPENAPI = {
    "servers": [{"url": "/v1/private/svc"}],
    "paths": {
        "/": {
            "post": {
                "requestBody": {
                    "content": {
                        "application/json": {
                            "schema": {
                                "properties": {
                                    "parameter": {"properties": {"svc": {}}},
                                    "payload": {
                                        "properties": {
                                            "img": {"properties": {"image": {}, "status": {}}},
                                            "odd": {},
                                        }
                                    },
                                }
                            }
                        }
                    }
                },
                "responses": {
                    "200": {
                        "content": {
                            "application/json": {
                                "schema": {
                                    "properties": {
                                        "payload": {
                                            "properties": {"result": {"properties": {"text": {}}}}
                                        }
                                    }
                                }
                            }
                        }
                    }
                },
            }
        }
    },
}


def test_a_service_is_described_by_its_openapi_document() -> None:
    assert describe(OPENAPI) == Description(
        "svc", "/v1/private/svc", {"img": "image", "odd": "other"}, {"result": "text"}
    )


def test_its_example_knows_better() -> None:
    example = {
        "parameter": {"svc": {"mode": "x", "sound": {"data_type": "audio"}, "what": {}}},
        "payload": {"img": {"image": "", "status": 3}},
    }
    assert describe(OPENAPI, example) == Description(
        "svc", "/v1/private/svc", {"img": "image"}, {"sound": "audio", "what": "other"}
    )


def test_the_least_description_is_a_route() -> None:
    assert describe({"servers": [{"url": "/x"}]}) == Description(route="/x")


@pytest.mark.parametrize("openapi", [None, [], {}, {"servers": []}, {"servers": [{"url": "x"}]}])
def test_without_a_route_there_is_no_service(openapi: object) -> None:
    with pytest.raises(DescriptionError, match="url"):
        describe(openapi)

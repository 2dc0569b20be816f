"""The client's XSF messages, without a service."""

import random

import pytest

from aiges.client import BusyError, SessionEndedError, UnexpectedAnswerError, WrapperError
from aiges.client.data import Output, Piece, Result
from aiges.client.json_messages import Opening
from aiges.client.xsf_messages import (
    ResultOrder,
    drop_request,
    fetch_request,
    load_request,
    next_request,
    once_request,
    open_request,
    read_reply,
    unload_request,
)
from aiges_wire.pb import protocol_pb2 as protocol, xsf_pb2 as xsf

EXPECT = {"result": {"data_type": "audio", "encoding": "raw"}}
OPENING = Opening("svc", {"appid": "me"}, {"mode": "x"}, EXPECT)
PIECE = Piece("picture", b"data", "image", 3, {"encoding": "png"})


def package_of(data: bytes) -> tuple[xsf.ReqData, protocol.LoaderInput]:
    request = xsf.ReqData.FromString(data)
    return request, protocol.LoaderInput.FromString(request.data[0].data)


def test_a_call_says_all_at_once() -> None:
    request, package = package_of(once_request(OPENING, [PIECE], "sid", 1.5))
    assert request.op == "AIIn"
    assert dict(request.param) == {
        "SeqNo": "1",
        "version": "v2",
        "baseId": "0",
        "waitTime": "1500",
    }
    assert package.state == protocol.LoaderInput.ONCE
    assert dict(package.headers) == {"appid": "me", "sid": "sid"}
    assert dict(package.params) == {"mode": "x"}
    (expected,) = package.expect
    assert (expected.name, expected.dataType) == ("result", protocol.MetaDesc.AUDIO)
    assert dict(expected.attribute) == {"encoding": "raw"}
    (payload,) = package.pl
    assert (payload.meta.name, payload.meta.dataType) == ("picture", protocol.MetaDesc.IMAGE)
    assert dict(payload.meta.attribute) == {"encoding": "png", "status": "3"}
    assert payload.data == b"data"


def test_the_calls_of_a_session_carry_its_handle() -> None:
    _, package = package_of(open_request(OPENING, [], "sid"))
    assert (package.state, package.sync_id) == (protocol.LoaderInput.STREAM, 0)
    session = xsf.Session(h="handle", sess={"PeerAddr": "1.2.3.4:5"})
    requests = {
        "AIIn": next_request(session, [PIECE], 4),
        "AIOut": fetch_request(session, 0.25),
        "AIExcp": drop_request(session),
    }
    for op, data in requests.items():
        request, package = package_of(data)
        assert (request.op, request.s) == (op, session)
        assert "SeqNo" not in request.param
        assert package.sync_id == (4 if op == "AIIn" else 0)
    assert xsf.ReqData.FromString(requests["AIOut"]).param["waitTime"] == "250"


def test_a_resource_is_named_by_a_param() -> None:
    request, package = package_of(load_request("7", PIECE))
    assert (request.op, dict(package.params)) == ("AILoad", {"patch_id": "7"})
    (payload,) = package.pl
    assert (payload.meta.name, payload.data) == ("picture", b"data")
    request, package = package_of(unload_request("7"))
    assert (request.op, dict(package.params)) == ("AIUnLoad", {"patch_id": "7"})
    assert not package.pl


def reply(code: int = 0, text: str = "", *payloads: protocol.Payload) -> bytes:
    output = protocol.LoaderOutput(code=code, err=text, pl=payloads)
    answer = xsf.ResData(s=xsf.Session(h="handle"))
    answer.data.add(data=output.SerializeToString())
    return answer.SerializeToString()


def test_a_result_is_read() -> None:
    meta = protocol.MetaDesc(
        name="result",
        dataType=protocol.MetaDesc.AUDIO,
        attribute={"status": "2", "seq": "7", "encoding": "raw"},
    )
    found = read_reply(reply(0, "", protocol.Payload(meta=meta, data=b"data")), "sid")
    assert found.session.h == "handle"
    attributes = {"seq": "7", "encoding": "raw"}
    assert found.result == Result(
        "sid", {"result": Output("result", "audio", b"data", 2, attributes)}
    )


@pytest.mark.parametrize(
    ("code", "text", "expected", "own_code", "message"),
    [
        (10903, "no room;code=55", WrapperError, 55, "no room"),
        (10905, "no model;code=77", WrapperError, 77, "no model"),
        (10907, "no;code=such;code=-3", WrapperError, -3, "no;code=such"),
        (10910, "errr", WrapperError, 10910, "errr"),
        (10101, "released", SessionEndedError, 10101, "released"),
        (10110, "service license not enough", BusyError, 10110, "service license not enough"),
    ],
)
def test_errors_are_those_of_the_other_transports(
    code: int, text: str, expected: type[Exception], own_code: int, message: str
) -> None:
    with pytest.raises(expected) as caught:
        read_reply(reply(code, text), "sid")
    error = caught.value
    assert isinstance(error, WrapperError | SessionEndedError | BusyError)
    assert (error.code, error.message, error.sid) == (own_code, message, "sid")


def test_a_refusal_of_the_whole_call_is_an_error() -> None:
    refused = xsf.ResData(code=10110, error_info="service license not enough")
    with pytest.raises(BusyError):
        read_reply(refused.SerializeToString(), "sid")


@pytest.mark.parametrize("data", [b"\xff", b"", b"\x2a\x03\x0a\x01\xff"])
def test_what_is_no_answer_is_unexpected(data: bytes) -> None:
    with pytest.raises(UnexpectedAnswerError):
        read_reply(data, "sid")


def numbered(seq: int | None, name: str = "r") -> Result:
    attributes = {} if seq is None else {"seq": str(seq)}
    return Result("sid", {name: Output(name, "text", b"", 1, attributes)})


def test_results_of_calls_side_by_side_are_put_in_order() -> None:
    results = [numbered(number) for number in range(1, 50)]
    shuffled = random.Random(3).sample(results, len(results))
    order = ResultOrder()
    assert [ready for result in shuffled for ready in order.put(result)] == results


def test_each_output_has_numbers_of_its_own() -> None:
    order = ResultOrder()
    assert order.put(numbered(2)) == []
    assert order.put(numbered(1, "other")) == [numbered(1, "other")]
    assert order.put(numbered(1)) == [numbered(1), numbered(2)]


def test_results_without_a_number_come_as_they_come() -> None:
    assert ResultOrder().put(numbered(None)) == [numbered(None)]

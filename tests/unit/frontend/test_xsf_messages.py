"""Messages of the XSF protocol: rules that the recordings do not show, and any bytes."""

from contextlib import suppress

import pytest
from hypothesis import given, strategies as st

from aiges_loader.calls import Datum, Reply
from aiges_loader.errors import (
    BadDownMethodError,
    BadInputError,
    BadMessageError,
    BadOutputError,
    CallError,
    NoLicenceError,
    NoResourcesError,
    ResourceError,
    SessionStepError,
    WrapperError,
)
from aiges_loader.frontend.codec import Expectation
from aiges_loader.frontend.xsf_messages import (
    Answer,
    Asked,
    BadRequestBytesError,
    Package,
    StreamOutputs,
    decode_package,
    decode_request,
    decode_resource,
    encode_answer,
    failure,
    once_output,
    resource_of,
)
from aiges_wire.pb import protocol_pb2 as protocol, xsf_pb2 as xsf


def asked(**params: str) -> Asked:
    return decode_request(xsf.ReqData(op="AIOut", param=params).SerializeToString())


def package(message: protocol.LoaderInput, *header_pass: str) -> Package:
    return decode_package(message.SerializeToString(), header_pass=header_pass or ("sid",))


def payload(**attributes: str) -> protocol.Payload:
    meta = protocol.MetaDesc(name="a", attribute=attributes)
    return protocol.Payload(meta=meta, data=b"x")


@pytest.mark.parametrize(
    ("wait", "seconds"),
    [
        ("1500", 1.5),
        ("+20", 0.02),
        ("0", 0.0),
        ("-5", 0.0),
        ("", 0.0),
        ("abc", 0.0),
        ("1.5", 0.0),
        (" 5", 0.0),
        ("9" * 18, 86_400.0),
        ("9" * 30, 0.0),
    ],
)
def test_how_long_a_client_waits(wait: str, seconds: float) -> None:
    assert asked(waitTime=wait).wait_s == seconds
    assert asked().wait_s == 0.5


@pytest.mark.parametrize(("number", "opens"), [("1", True), ("01", False), ("2", False)])
def test_exactly_1_opens(number: str, opens: bool) -> None:
    assert asked(SeqNo=number).opens is opens
    assert not asked().opens


def test_a_call_without_data_has_an_empty_package() -> None:
    empty = decode_package(decode_request(b"").data, header_pass=("sid",))
    assert empty == Package("", False, {"sid": ""}, {}, (), 0)


@pytest.mark.parametrize(
    ("status", "number"),
    [("2", 2), ("", 0), ("two", 0), ("-1", 0xFFFFFFFF), ("+3", 3), ("9" * 40, 0)],
)
def test_a_status_is_a_number_or_0(status: str, number: int) -> None:
    (datum,) = package(protocol.LoaderInput(pl=[payload(status=status, seq="4")])).inputs
    assert datum == Datum("a", b"x", 0, number, {"seq": "4"})


def test_params_of_the_call_win_over_headers() -> None:
    message = protocol.LoaderInput(
        headers={"sid": "s", "appid": "a", "uid": "u"}, params={"appid": "mine"}
    )
    found = package(message, "appid", "sid", "absent")
    assert found.params == {"appid": "mine", "sid": "s", "absent": ""}


def test_what_cannot_be_served_is_refused() -> None:
    with pytest.raises(BadInputError, match="has no meta"):
        package(protocol.LoaderInput(pl=[protocol.Payload(data=b"x")]))
    with pytest.raises(BadDownMethodError, match="invalid downMethod"):
        package(protocol.LoaderInput(headers={"downMethod": "async"}))
    with pytest.raises(BadMessageError):
        decode_package(b"\xff", header_pass=("sid",))


@given(st.binary(max_size=60))
def test_any_bytes_are_a_call_or_are_refused_by_name(data: bytes) -> None:
    with suppress(BadRequestBytesError):
        found = decode_request(data)
        assert 0 <= found.wait_s <= 86_400
    with suppress(BadMessageError, BadInputError, BadDownMethodError):
        read = decode_package(data, header_pass=("sid",))
        assert "sid" in read.params
        assert all(0 <= item.status < 1 << 32 for item in read.inputs)


texts = st.text(max_size=8)


@given(
    texts,
    st.dictionaries(texts, texts, max_size=3),
    st.dictionaries(texts, texts, max_size=3),
    st.lists(st.tuples(texts, st.integers(0, 9), st.binary(max_size=9)), max_size=4),
    st.integers(-(2**31), 2**31 - 1),
)
def test_every_package_is_read_as_it_was_written(
    service_id: str,
    params: dict[str, str],
    attributes: dict[str, str],
    items: list[tuple[str, int, bytes]],
    number: int,
) -> None:
    def meta(name: str, kind: int) -> protocol.MetaDesc:
        made = protocol.MetaDesc(name=name, attribute=attributes)
        made.dataType = kind  # type: ignore[assignment]  # an open enum
        return made

    message = protocol.LoaderInput(
        serviceId=service_id,
        params=params,
        expect=[meta(name, kind) for name, kind, _ in items],
        pl=[protocol.Payload(meta=meta(name, kind), data=data) for name, kind, data in items],
        sync_id=number,
    )
    found = package(message)
    assert (found.service_id, found.number) == (service_id, number)
    assert found.params == {"sid": "", **params}
    assert [(item.key, item.type, item.data) for item in found.inputs] == items
    assert found.expectations == {name: Expectation(kind, attributes) for name, kind, _ in items}


def expecting(name: str = "a", kind: int = 0) -> dict[str, Expectation]:
    return {name: Expectation(kind, {"encoding": "utf8"})}


def test_each_output_has_its_own_numbers_and_status() -> None:
    outputs = StreamOutputs({**expecting("a"), **expecting("b", 2)})
    both = (Datum("a", b"", 0, 1), Datum("b", b"", 2, 2))
    first, second = outputs.output(both[:1], "s"), outputs.output(both, "s")
    found = [
        [(p.meta.name, *map(p.meta.attribute.get, ("seq", "status"))) for p in output.pl]
        for output in (first, second)
    ]
    assert found == [[("a", "1", "1")], [("a", "2", "1"), ("b", "1", "2")]]
    assert (first.status, second.status) == (1, 2)


def test_a_worker_may_say_what_protobuf_does_not_carry() -> None:
    outputs = StreamOutputs(expecting())
    odd = Datum("a", memoryview(b"x"), 0, 0xFFFFFFFF, {"\ud800": "\udfff"})
    output = outputs.output((odd,), "s")
    assert output.status == -1
    assert output.pl[0].data == b"x"
    assert output.pl[0].meta.attribute["?"] == "?"
    assert once_output(Reply((odd,)), "s", expecting()).status == -1


def test_an_output_of_another_type_is_refused_in_the_words_of_its_mode() -> None:
    wrong = Datum("a", b"", 1, 3)
    with pytest.raises(BadOutputError, match="nil $"):
        once_output(Reply((wrong,)), "s", {})
    for refused in (expecting(), {}):
        with pytest.raises(BadOutputError, match=r"invalid\(key or type\)"):
            StreamOutputs(refused).output((wrong,), "s")


@pytest.mark.parametrize(
    ("message", "resource_id"),
    [
        (protocol.LoaderInput(params={"patch_id": "1", "res_id": "2"}), "1"),
        (protocol.LoaderInput(params={"res_id": "2"}, headers={"res_id": "3"}), "2"),
        (protocol.LoaderInput(headers={"res_id": "3"}, pl=[payload(patch_id="4")]), "3"),
        (protocol.LoaderInput(params={"patch_id": ""}, pl=[payload(patch_id="4")]), "4"),
        (protocol.LoaderInput(headers={"patch_id": "5"}, pl=[payload()]), ""),
    ],
)
def test_what_a_resource_is_called(message: protocol.LoaderInput, resource_id: str) -> None:
    message.serviceId = "svc"
    found = decode_resource(message.SerializeToString())
    assert (found.service_id, found.id) == ("svc", resource_id)


def test_a_resource_is_one_payload_with_a_name() -> None:
    message = protocol.LoaderInput(params={"patch_id": "7"}, pl=[payload(status="3", rank="8")])
    found = decode_resource(message.SerializeToString())
    made = resource_of(found, found.inputs[0])
    assert (made.id, made.key, made.data) == ("7", "a", b"x")
    assert made.desc == {"rank": "8", "patch_id": "7"}
    nameless = decode_resource(protocol.LoaderInput(pl=[payload()]).SerializeToString())
    with pytest.raises(BadInputError, match="a resource needs an id: the param patch_id"):
        resource_of(nameless, nameless.inputs[0])
    message.pl.append(payload())
    with pytest.raises(BadInputError, match="2 payloads, a resource is one"):
        decode_resource(message.SerializeToString())
    with pytest.raises(BadInputError, match="has no meta"):
        decode_resource(protocol.LoaderInput(pl=[protocol.Payload()]).SerializeToString())
    with pytest.raises(BadMessageError):
        decode_resource(b"\xff")
    assert not decode_resource(b"").inputs


def written(error: CallError) -> tuple[xsf.ResData, protocol.LoaderOutput]:
    answer = encode_answer(failure(error), handle="h", peer="p")
    reply = xsf.ResData.FromString(answer)
    return reply, protocol.LoaderOutput.FromString(reply.data[0].data)


def test_only_what_can_be_tried_elsewhere_is_said_outside_the_output() -> None:
    reply, output = written(NoLicenceError())
    assert (reply.code, reply.error_info) == (output.code, output.err)
    assert output.code == 10110
    for error in (WrapperError(10110, "own"), SessionStepError(10905, 10110, "own")):
        reply, output = written(error)
        assert (reply.code, reply.error_info) == (0, "")
        assert output.err == "own;code=10110"
        assert output.status == protocol.LoaderOutput.END


def test_a_resource_that_failed_is_told_by_its_step() -> None:
    _, output = written(ResourceError(10903, 55, "no room"))
    assert (output.code, output.err) == (10903, "no room;code=55")
    _, output = written(NoResourcesError())
    assert (output.code, ";code=" in output.err) == (10003, False)


def test_the_text_of_an_error_may_be_odd() -> None:
    _, output = written(WrapperError(-1, "\udc80"))
    assert (output.code, output.err) == (10910, "?;code=-1")


def test_an_answer_says_who_gave_it() -> None:
    reply = xsf.ResData.FromString(encode_answer(Answer(None), handle="h", peer="1.2.3.4:5"))
    assert reply == xsf.ResData(s=xsf.Session(h="h", sess={"PeerAddr": "1.2.3.4:5"}))

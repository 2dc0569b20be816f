"""What the supervisor and its front ends tell each other, there and back."""

import os
import subprocess
import sys
from dataclasses import replace

import orjson
import pytest
from hypothesis import given, strategies as st

from aiges_loader.errors import BodyTooLargeError, CallError, NoLicenceError, WrapperError
from aiges_loader.frontend.http_limits import HttpLimits
from aiges_loader.frontend.inference import HttpSettings
from aiges_loader.frontend.request_tally import NO_ANSWER, RequestTally
from aiges_loader.fronts import messages
from aiges_loader.fronts.messages import LAST, MORE, PIECE_BYTES, Orders, Phase, Report
from aiges_loader.fronts.share import Share, new_memory
from aiges_wire import frames
from aiges_wire.frames import FrameError, Header, Kind
from support.service import SOURCES

ORDERS = Orders(
    phase=Phase.DRAIN,
    drain_s=1.5,
    routes=("/v1/a", "/v1/ü"),
    inputs=("text",),
    request_schema={"type": "object"},
    settings=HttpSettings(
        "svc", ("sid", "uid"), 120.0, 1 << 20, legacy_status=True, restart_wait_s=5.0, validate=True
    ),
    limits=HttpLimits(None, 75.0, 1 << 20),
)


def parts(frame: bytes) -> tuple[Header, bytes]:
    header = frames.read_header(frame)
    assert len(frame) == frames.HEADER_BYTES + header.meta_bytes
    return header, frame[frames.HEADER_BYTES :]


def test_orders_arrive_as_they_were_given() -> None:
    header, meta = parts(ORDERS.frame())
    assert header.kind is Kind.ORDERS
    assert Orders.read(meta) == ORDERS


def test_a_report_arrives_with_all_its_counts() -> None:
    tally = RequestTally()
    for code, seconds in ((0, 0.002), (10110, 0.0), (NO_ANSWER, 7.0), (0, 1000.0)):
        tally.begin()
        tally.end(code, seconds)
    tally.begin()
    header, meta = parts(Report(shut=True, idle=False, connections=3, tally=tally).frame(7))
    assert (header.kind, header.call) == (Kind.REPORT, 7)
    read = Report.read(meta)
    assert (read.shut, read.idle, read.connections) == (True, False, 3)
    assert read.tally.by_code == {0: 2, 10110: 1, NO_ANSWER: 1}
    assert read.tally.by_duration == tally.by_duration
    assert (read.tally.in_flight, read.tally.seconds) == (1, tally.seconds)


@pytest.mark.parametrize("meta", [b"", b"{", b"null", b"[]", b"{}", b'{"phase":"x"}', b"[1,2]"])
def test_what_is_no_message_is_refused(meta: bytes) -> None:
    with pytest.raises(FrameError):
        Orders.read(meta)
    with pytest.raises(FrameError):
        Report.read(meta)


def test_orders_with_a_phase_that_there_is_not_are_refused() -> None:
    told = orjson.loads(orjson.dumps(replace(ORDERS)))
    with pytest.raises(FrameError, match="orders"):
        Orders.read(orjson.dumps({**told, "phase": "sing"}))


@pytest.mark.parametrize(
    "error",
    [NoLicenceError(), WrapperError(-7, "wrapper says \ud800 ü"), BodyTooLargeError("more than 5")],
)
def test_an_error_keeps_its_code_text_and_status(error: CallError) -> None:
    read = messages.error_of(*parts(messages.failure(9, error)))
    assert (read.code, read.status) == (error.code, error.status)
    assert str(read) == str(error).replace("\ud800", "?")


def test_an_error_without_a_status_is_refused() -> None:
    with pytest.raises(FrameError, match="status"):
        messages.error_of(*parts(frames.failure(1, 5, "x", spent_us=12)))


@given(st.binary(max_size=3 * PIECE_BYTES))
def test_packets_put_together_are_what_was_cut(data: bytes) -> None:
    packets = list(messages.packets(data))
    assert b"".join(packet[1:] for packet in packets) == data
    assert [packet[:1] for packet in packets] == [MORE] * (len(packets) - 1) + [LAST]
    assert max(map(len, packets)) <= PIECE_BYTES + 1


def test_tallies_add_up_and_lose_nothing() -> None:
    one, other = RequestTally(), RequestTally()
    for tally, code in ((one, 0), (one, 5), (other, 0)):
        tally.begin()
        tally.end(code, 0.5)
    other.begin()
    one.add(other)
    assert (one.by_code, one.in_flight, one.seconds) == ({0: 2, 5: 1}, 1, 1.5)
    one.lose()
    assert (one.by_code, one.in_flight) == ({0: 2, 5: 1, NO_ANSWER: 1}, 0)
    assert sum(one.by_duration) == sum(one.by_code.values())


def test_who_has_more_connections_knows_it() -> None:
    fd = new_memory(3)
    first, second, third = (Share(fd, number) for number in (1, 2, 3))
    os.close(fd)
    first.have(5)
    assert not first.is_more  # the others are not there
    second.have(5)
    assert not first.is_more
    third.have(4)
    assert (first.is_more, second.is_more, third.is_more) == (True, True, False)
    third.leave()
    assert not first.is_more


def test_a_front_end_loads_neither_aiohttp_nor_grpc() -> None:
    code = "import sys, aiges_loader.fronts.child; print({'aiohttp', 'grpc'} & set(sys.modules))"
    environ = {**os.environ, "PYTHONPATH": SOURCES}
    found = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True
    )
    assert found.stdout == "set()\n"

"""The rules of sessions: order, ends, handles."""

import pytest
from hypothesis import given, strategies as st

from aiges_loader.calls import Datum
from aiges_loader.errors import EndedHandleError, HandleTakenError, UnknownHandleError
from aiges_loader.sessions.ordering import InputOrder
from aiges_loader.sessions.streams import InputStreams, is_last
from aiges_loader.sessions.table import REMEMBERED, SessionTable


def taken(order: InputOrder[str]) -> list[str]:
    found = []
    while (package := order.take()) is not None:
        found.append(package)
    return found


def piece(key: str, status: int) -> Datum:
    return Datum(key, b"", 0, status)


@given(base=st.integers(-5, 1 << 31), count=st.integers(1, 30), data=st.data())
def test_packages_come_out_in_order_whatever_order_they_come_in(
    base: int, count: int, data: st.DataObject
) -> None:
    order: InputOrder[str] = InputOrder(base)
    found = []
    for number in data.draw(st.permutations(range(count))):
        assert order.put(base + number, str(number)) is None
        found += taken(order)
    assert found == [str(number) for number in range(count)]
    assert len(order) == 0


def test_what_comes_too_late_is_dropped_and_what_waits_is_replaced() -> None:
    order: InputOrder[str] = InputOrder(3)
    assert order.put(2, "early") == "early"
    assert order.put(5, "c") is None
    assert order.put(5, "C") == "c"
    assert taken(order) == []
    assert order.has_gap
    order.put(3, "a")
    assert taken(order) == ["a"]
    assert order.has_gap  # 4 is missing
    order.skip_gap()
    assert not order.has_gap
    assert taken(order) == ["C"]
    assert order.put(4, "b") == "b"


def test_input_is_complete_when_every_stream_seen_so_far_has_ended() -> None:
    streams = InputStreams()
    assert not streams.are_complete
    streams.note([piece("a", 0), piece("b", 2)])
    assert not streams.are_complete
    streams.note([piece("a", 3)])
    assert streams.are_complete


@pytest.mark.parametrize(
    ("statuses", "ends"), [([0], False), ([1, 1], False), ([1, 2], True), ([3], True), ([], False)]
)
def test_any_output_that_ends_is_the_last(statuses: list[int], ends: bool) -> None:
    assert is_last([piece(str(n), status) for n, status in enumerate(statuses)]) is ends


def test_a_handle_means_a_session_until_it_ends_or_expires() -> None:
    table: SessionTable[str] = SessionTable()
    table.add("h", "first", 1.0)
    with pytest.raises(HandleTakenError):
        table.add("h", "second", 1.0)
    assert table.find("h", 2.0) == "first"
    table.end("h", "other")  # not the one that is there
    assert table.find("h", 3.0) == "first"
    table.end("h", "first")
    with pytest.raises(EndedHandleError):
        table.find("h", 4.0)
    table.add("h", "again", 5.0)
    assert table.take_expired(5.0) == []
    assert table.take_expired(5.1) == ["again"]
    with pytest.raises(UnknownHandleError):
        table.find("h", 6.0)


def test_those_that_were_asked_for_last_expire_last() -> None:
    table: SessionTable[str] = SessionTable()
    for number, handle in enumerate("abc"):
        table.add(handle, handle, float(number))
    table.find("a", 10.0)
    assert table.take_expired(5.0) == ["b", "c"]
    assert len(table) == 1


def test_so_many_ended_handles_are_remembered() -> None:
    table: SessionTable[str] = SessionTable()
    for number in range(REMEMBERED + 1):
        table.remember(str(number))
    with pytest.raises(UnknownHandleError):
        table.find("0", 1.0)
    with pytest.raises(EndedHandleError):
        table.find("1", 1.0)

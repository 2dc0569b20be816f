"""Licences, and which worker takes a call."""

import pytest
from hypothesis import given, strategies as st

from aiges_loader.errors import NoLicenceError
from aiges_loader.pool.admission import Licences, Load, least_loaded


def test_licences_are_refused_when_all_are_taken_and_come_back() -> None:
    licences = Licences(2)
    licences.take()
    licences.take()
    with pytest.raises(NoLicenceError, match="service license not enough"):
        licences.take()
    licences.give_back()
    licences.take()
    assert licences.taken == 2


def test_no_licences_at_all_refuse_everything() -> None:
    with pytest.raises(NoLicenceError):
        Licences(0).take()


def test_a_licence_that_nobody_took_is_a_bug() -> None:
    with pytest.raises(AssertionError):
        Licences(1).give_back()


def test_the_worker_with_the_most_room_is_chosen_and_the_first_of_equals() -> None:
    assert least_loaded([Load(1, 2), Load(0, 2), Load(0, 2)]) == 1
    assert least_loaded([Load(3, 4), Load(0, 2)]) == 1


def test_full_workers_and_no_workers_are_none() -> None:
    assert least_loaded([Load(2, 2)]) is None
    assert least_loaded([]) is None


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9)), min_size=1, max_size=8))
def test_the_chosen_worker_has_room_and_nobody_has_more(pairs: list[tuple[int, int]]) -> None:
    loads = [Load(*pair) for pair in pairs]
    chosen = least_loaded(loads)
    if chosen is None:
        assert all(load.running >= load.capacity for load in loads)
    else:
        room = loads[chosen].capacity - loads[chosen].running
        assert room > 0
        assert all(load.capacity - load.running <= room for load in loads)

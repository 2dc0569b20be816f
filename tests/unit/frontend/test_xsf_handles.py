"""Handles that the XSF service makes."""

from hypothesis import given, strategies as st

from aiges_loader.frontend.xsf_handles import Handles


def test_a_handle_says_where_the_service_is_and_when_it_was_made() -> None:
    handles = Handles("192.168.1.2", 5090, first=0)
    assert handles.make(61.9) == "0" + "c0a80102" + "13e2" + "000001" + "000003d"
    assert handles.make(61.9) == "0" + "c0a80102" + "13e2" + "000002" + "000003d"


@given(
    st.ip_addresses(v=4),
    st.integers(1, 65_535),
    st.integers(0, (1 << 24) - 1),
    st.floats(0, 1e12, allow_nan=False),
)
def test_a_handle_has_26_characters_whatever_it_is_made_of(
    address: object, port: int, first: int, age_s: float
) -> None:
    handles = Handles(str(address), port, first=first)
    made = [handles.make(age_s), handles.make(age_s)]
    assert made[0] != made[1]
    for handle in made:
        assert len(handle) == 26
        assert int(handle, 16) >= 0
        assert int(handle[9:13], 16) == port

"""Numbers as text."""

import math

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from aiges_loader.frontend import number_text

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

PLAIN = [
    (3, "3"),
    (-3, "-3"),
    (0, "0"),
    (0.25, "0.25"),
    (1.0, "1"),
    (-0.0, "0"),
    (1e6, "1000000"),
    (1e16, "10000000000000000"),
    (1e21, "1000000000000000000000"),
    (1e-5, "0.00001"),
    (1e-7, "0.0000001"),
    (-1.5e-9, "-0.0000000015"),
    (123456789012345678901234567890, "123456789012345678901234567890"),
    (2**64 - 1, "18446744073709551615"),
]


@pytest.mark.parametrize(("number", "text"), PLAIN)
def test_plain_text_has_neither_exponent_nor_needless_point(number: float, text: str) -> None:
    assert number_text.plain(number) == text


@PATIENT
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_plain_text_reads_back_as_the_same_float(number: float) -> None:
    text = number_text.plain(number)
    assert float(text) == number
    assert set(text) <= set("-0123456789.")
    assert not text.endswith(".0")


@PATIENT
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_the_form_of_go_reads_back_as_the_same_float(number: float) -> None:
    read_back = float(number_text.go(number))
    assert read_back == number
    assert math.copysign(1, read_back) == math.copysign(1, number)

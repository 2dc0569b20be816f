"""Numbers as text: plain decimal for wrappers, Go's form inside JSON. No I/O."""

from decimal import Decimal
from typing import Final

_EXACT_INTEGERS: Final = 2**53
"""Up to here a float64 holds every integer."""


def plain(number: float) -> str:
    """Return `number` in decimal without an exponent; whole values have no point.

    3 -> "3", 0.25 -> "0.25", 1.0 -> "1", 1e6 -> "1000000", 1e-7 -> "0.0000001". Integers are exact
    at any length; a float is written with the fewest digits that read back as the same float.
    """
    if isinstance(number, int):
        return str(number)
    if number == 0:
        return "0"
    text = repr(number)
    if "e" in text:
        text = format(Decimal(text), "f")
    return text.removesuffix(".0")


def go(number: float) -> str:
    """Return `number` as Go's JSON encoder writes the float64 that its decoder made of it.

    Below 1e-6 and from 1e21 on in exponent form ("1e-7", "1e+21"), plain between; integers above
    2**53 are rounded to the nearest float64.
    """
    if isinstance(number, int):
        if -_EXACT_INTEGERS <= number <= _EXACT_INTEGERS:
            return str(number)
        number = float(number)
    if number == 0:
        return "-0" if str(number).startswith("-") else "0"
    if 1e-6 <= abs(number) < 1e21:  # noqa: PLR2004 - the two bounds that the docstring names
        return plain(number)
    return repr(number).replace("e-0", "e-")

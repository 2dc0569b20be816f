"""Ids of resources that are numbers: what C plugins and `persId` know them by. Pure."""

from typing import Final

HIGHEST: Final = (1 << 32) - 1
"""What an unsigned int of C can hold."""


def number_of(resource_id: str) -> int:
    """Return the number that an id is; 0 if it is none from 1 to `HIGHEST`.

    One number has one spelling, without a sign and leading zeros: two ids are never one number.
    """
    is_number = resource_id.isascii() and resource_id.isdecimal()
    if not is_number or resource_id[0] == "0" or len(resource_id) > len(str(HIGHEST)):
        return 0
    number = int(resource_id)
    return number if number <= HIGHEST else 0

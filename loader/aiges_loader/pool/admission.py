"""How many calls are let in and which worker takes the next one. Pure."""

from collections.abc import Iterable
from math import inf
from typing import NamedTuple

from aiges_loader.errors import NoLicenceError


class Licences:
    """The `[fc] max` calls that may be in the house at once."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.taken = 0

    @property
    def left(self) -> int:
        """How many can be taken; not above 0 where the limit was lowered below what is taken."""
        return self.limit - self.taken

    def take(self) -> None:
        """Take one; raise `NoLicenceError` if none is left. Whoever took it gives it back."""
        if self.taken >= self.limit:
            raise NoLicenceError
        self.taken += 1

    def give_back(self) -> None:
        """Return one that was taken."""
        if self.taken == 0:
            raise AssertionError("a licence was given back that nobody took")
        self.taken -= 1


class Load(NamedTuple):
    """What a choice among ready workers rests on.

    Attributes:
        running: Calls it has.
        capacity: Calls it takes at once.
        ahead: Further calls that it takes while it runs those, to begin them next.
    """

    running: int
    capacity: int
    ahead: int = 0


def least_loaded(loads: Iterable[Load]) -> int | None:
    """Return the index of the ready worker with the most room, the first of equals.

    None: all are full.
    """
    best, most_room = None, -inf
    for index, load in enumerate(loads):
        room = load.capacity - load.running
        if room > most_room and room > -load.ahead:
            best, most_room = index, room
    return best

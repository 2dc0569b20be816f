"""How many connections each front end has, in memory that they have in common.

A burst of connections would else go to whichever process is awake first. One that has more than
another lets that have the next: it waits a moment before it accepts, and no longer, so that one
that hangs costs new clients that moment and nothing else.
"""

import mmap
import os
from typing import Final

_ABSENT: Final = (1 << 31) - 1
_SLOT_BYTES: Final = 4


def new_memory(count: int) -> int:
    """Make the memory for `count` front ends, none of them there yet; return its descriptor."""
    fd = os.memfd_create("aiges-fronts")
    os.ftruncate(fd, count * _SLOT_BYTES)
    for number in range(1, count + 1):
        Share(fd, number).leave()
    return fd


class Share:
    """One front end's part of all connections; it alone writes it, or the supervisor if it died."""

    def __init__(self, fd: int, number: int) -> None:
        """Map what `new_memory` has made; `number` counts from 1."""
        self._counts = memoryview(mmap.mmap(fd, 0)).cast("i")
        self._index = number - 1

    @property
    def is_more(self) -> bool:
        """Say whether another front end has fewer connections than this one."""
        return self._counts[self._index] > min(self._counts)

    def have(self, connections: int) -> None:
        """Note how many there are."""
        self._counts[self._index] = connections

    def leave(self) -> None:
        """Note that none are accepted."""
        self._counts[self._index] = _ABSENT

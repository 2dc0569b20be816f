"""What a pool remembers of workers that are no more. Pure."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from aiges_loader.pool.worker_spec import Cause, Death

MAX_DEATHS: Final = 50
MAX_LINE_CHARS: Final = 2000
MAX_CALLS: Final = 100
"""Of the deaths that are remembered: how many, how much of a line, how many names of calls."""


@dataclass(frozen=True, slots=True)
class RememberedDeath:
    """One death of many.

    Attributes:
        number: From 1, in order.
        worker: Number of the worker.
        death: The death; long lines and long lists of calls are cut.
    """

    number: int
    worker: int
    death: Death


@dataclass(frozen=True, slots=True)
class Past:
    """What earlier workers of one number have done.

    Attributes:
        served: Calls that they have been done with.
        restarts: How often their processes were started again after a death.
        death: The last one, None if none has died.
    """

    served: int = 0
    restarts: int = 0
    death: Death | None = None


class History:
    """Counts that go on when one worker replaces another.

    Attributes:
        replaced: How often a worker's process was replaced, by cause.
    """

    def __init__(self) -> None:
        self.replaced = dict.fromkeys(Cause, 0)
        self._past: dict[int, Past] = {}
        self._deaths: deque[RememberedDeath] = deque(maxlen=MAX_DEATHS)
        self._died = 0

    @property
    def deaths(self) -> Sequence[RememberedDeath]:
        """The last deaths, newest first."""
        return tuple(reversed(self._deaths))

    def remember(self, worker: int, death: Death) -> None:
        """Keep a death; the oldest makes room."""
        self._died += 1
        tail = tuple(line[:MAX_LINE_CHARS] for line in death.tail)
        kept = replace(death, tail=tail, calls=death.calls[:MAX_CALLS])
        self._deaths.append(RememberedDeath(self._died, worker, kept))

    def of(self, number: int) -> Past:
        """Return what earlier workers of that number have done."""
        return self._past.get(number, Past())

    def count(self, cause: Cause) -> None:
        """Note that a process was replaced."""
        self.replaced[cause] += 1

    def add(self, number: int, past: Past) -> None:
        """Note what a worker has done that has gone for good."""
        before = self.of(number)
        self._past[number] = Past(
            served=before.served + past.served,
            restarts=before.restarts + past.restarts,
            death=latest(before.death, past.death),
        )


def latest(one: Death | None, other: Death | None) -> Death | None:
    """Return the later of two deaths, either of which may not have been."""
    deaths = [death for death in (one, other) if death is not None]
    return max(deaths, key=lambda death: death.at, default=None)

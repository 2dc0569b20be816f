"""What a pool remembers of workers that are no more. Pure."""

from dataclasses import dataclass

from aiges_loader.pool.worker_spec import Cause, Death


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

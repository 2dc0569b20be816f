"""The sessions that a worker has, whatever carries them: found by tag, ended together."""

import asyncio
from typing import Generic, Protocol, TypeVar

from aiges_loader.errors import CallError, WorkerDiedError


class Port(Protocol):
    """What is common to the ports of every version of the protocol."""

    tag: str

    @property
    def step_began_at(self) -> float:
        """When the worker began with the step that it is at, by the loop's clock; 0 if at none."""

    def die(self, error: CallError) -> None:
        """End it, because its worker is dead or as good as."""


P = TypeVar("P", bound=Port)


class OpenPorts(Generic[P]):
    """The ports of one worker; half of a `SessionChannel`.

    Attributes:
        last_answer_at: When the worker last said anything about any, by the clock of the loop.
    """

    def __init__(self) -> None:
        """Have none."""
        self._loop = asyncio.get_running_loop()
        self._ports: dict[str, P] = {}
        self.last_answer_at = self._loop.time()

    def find(self, tag: str) -> P | None:
        """Return the port of that tag."""
        return self._ports.get(tag)

    def longest_step_s(self) -> float:
        """See `SessionChannel`."""
        began = (at for port in self._ports.values() if (at := port.step_began_at))
        return max((self._loop.time() - at for at in began), default=0.0)

    def fail_all(self, reason: str) -> tuple[str, ...]:
        """See `SessionChannel`."""
        ports = list(self._ports.values())
        for port in ports:
            port.die(WorkerDiedError(reason))
        return tuple(port.tag for port in ports)

    def heard(self) -> None:
        """Note a sign of life."""
        self.last_answer_at = self._loop.time()

    def forget(self, port: P) -> None:
        """Take in that a session has ended."""
        if self._ports.get(port.tag) is port:
            del self._ports[port.tag]

    def _remember(self, port: P) -> None:
        self._ports[port.tag] = port

"""What carries sessions to a worker: the same for every version of the protocol."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from aiges_loader.calls import Datum
from aiges_loader.errors import CallError

MAX_STEPS: Final = 32
"""Writes that a worker may have of one session and not have returned from."""

MAX_STEP_BYTES: Final = 1 << 20
"""Their data; one write may be larger."""


class SessionEvents(Protocol):
    """Hears what becomes of a session at its worker."""

    def room(self) -> None:
        """The worker has returned from a step: there may be room for another write."""

    def result(self, outputs: tuple[Datum, ...]) -> None:
        """The wrapper has produced something."""

    def failed(self, error: CallError) -> None:
        """A step failed, or the wrapper pushed an error: nothing more is to be expected."""

    def ended(self, error: CallError | None) -> None:
        """The worker is done with the session; comes last, and once.

        Args:
            error: Why it is though nobody asked for it; None after `SessionPort.close`.
        """


class SessionPort(Protocol):
    """One session at its worker."""

    @property
    def has_room(self) -> bool:
        """Say whether another write may be sent now."""

    def write(self, inputs: Sequence[Datum]) -> None:
        """Have the wrapper take inputs, after those before."""

    def pause(self) -> None:
        """Take no further results for now, as far as that can be had."""

    def resume(self) -> None:
        """Take results again."""

    def close(self) -> None:
        """Have the session destroyed, after the step that runs. `SessionEvents.ended` follows."""


class SessionChannel(Protocol):
    """The sessions of one worker.

    Attributes:
        last_answer_at: When it last said anything about any, by the clock of the loop.
    """

    last_answer_at: float

    def open(
        self,
        tag: str,
        params: Mapping[str, str],
        events: SessionEvents,
        on_done: Callable[[], None],
    ) -> SessionPort:
        """Begin a session.

        Args:
            tag: Names it among all of this worker.
            params: What the wrapper gets.
            events: Never hears anything before this returns.
            on_done: Called once, after `SessionEvents.ended`.

        Raises:
            CallError: The worker takes none.
        """

    def longest_step_s(self) -> float:
        """Return for how long the worker has been at the step that it began first; 0 if at none."""

    def fail_all(self, reason: str) -> tuple[str, ...]:
        """End every session, for the worker is dead or as good as; return their tags."""

"""The life of one worker slot, as data. No I/O, no clock, no asyncio."""

from collections.abc import Mapping
from enum import Enum
from typing import Final


class State(Enum):
    """Where a slot is; exactly one of these at any time. The values are public, in /status."""

    STOPPED = "stopped"  # no process: not started yet, or asked to stop and gone
    STARTING = "starting"  # being spawned
    HANDSHAKING = "handshaking"  # runs, has not said where it listens
    INITIALISING = "initialising"  # reached; the wrapper is being loaded
    READY = "ready"  # takes calls
    DRAINING = "draining"  # finishes the calls it has, takes no more
    STOPPING = "stopping"  # told to leave
    BACKOFF = "backoff"  # gone; waits out its restart delay
    FAILED = "failed"  # gone too often


class Event(Enum):
    """What can happen to a slot."""

    START = "start"
    SPAWNED = "spawned"
    SHOOK_HANDS = "shook hands"
    INITIALISED = "initialised"
    DRAIN = "drain"
    STOP = "stop"
    EXITED = "exited"
    GAVE_UP = "gave up"


TRANSITIONS: Final[Mapping[tuple[State, Event], State]] = {
    (State.STOPPED, Event.START): State.STARTING,
    (State.STARTING, Event.SPAWNED): State.HANDSHAKING,
    (State.STARTING, Event.EXITED): State.BACKOFF,
    (State.HANDSHAKING, Event.SHOOK_HANDS): State.INITIALISING,
    (State.HANDSHAKING, Event.EXITED): State.BACKOFF,
    (State.HANDSHAKING, Event.STOP): State.STOPPING,
    (State.INITIALISING, Event.INITIALISED): State.READY,
    (State.INITIALISING, Event.EXITED): State.BACKOFF,
    (State.INITIALISING, Event.STOP): State.STOPPING,
    (State.READY, Event.DRAIN): State.DRAINING,
    (State.READY, Event.EXITED): State.BACKOFF,
    (State.DRAINING, Event.STOP): State.STOPPING,
    (State.DRAINING, Event.EXITED): State.STOPPED,
    (State.STOPPING, Event.EXITED): State.STOPPED,
    (State.BACKOFF, Event.START): State.STARTING,
    (State.BACKOFF, Event.STOP): State.STOPPED,
    (State.BACKOFF, Event.GAVE_UP): State.FAILED,
    (State.FAILED, Event.START): State.STARTING,
    (State.FAILED, Event.STOP): State.STOPPED,
}

COMING: Final = frozenset({State.STARTING, State.HANDSHAKING, State.INITIALISING})
"""A worker in one of these may soon take calls."""


class IllegalTransitionError(Exception):
    """A bug in the owner of the slot, never in the worker it drives."""


def advance(state: State, event: Event) -> State:
    """Return the state that follows `event`; raise `IllegalTransitionError` if none does."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise IllegalTransitionError(f"no {event.name} in state {state.name}") from None

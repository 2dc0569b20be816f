"""The table of a worker's life."""

import pytest

from aiges_loader.pool.lifecycle import (
    COMING,
    TRANSITIONS,
    Event,
    IllegalTransitionError,
    State,
    advance,
)


def test_every_state_can_be_reached_and_left() -> None:
    reached, frontier = {State.STOPPED}, [State.STOPPED]
    while frontier:
        state = frontier.pop()
        for (before, _), after in TRANSITIONS.items():
            if before is state and after not in reached:
                reached.add(after)
                frontier.append(after)
    assert reached == set(State)
    assert {before for before, _ in TRANSITIONS} == set(State)


def test_every_event_happens_somewhere() -> None:
    assert {event for _, event in TRANSITIONS} == set(Event)


@pytest.mark.parametrize("state", [s for s in State if s is not State.STOPPED])
def test_every_state_leads_to_stopped(state: State) -> None:
    seen, frontier = {state}, [state]
    while frontier:
        here = frontier.pop()
        for (before, _), after in TRANSITIONS.items():
            if before is here and after not in seen:
                seen.add(after)
                frontier.append(after)
    assert State.STOPPED in seen


def test_a_death_is_never_unexpected_while_there_is_a_process() -> None:
    with_process = COMING | {State.READY, State.DRAINING, State.STOPPING}
    assert {state for state, event in TRANSITIONS if event is Event.EXITED} == with_process


def test_an_impossible_event_is_refused_by_name() -> None:
    with pytest.raises(IllegalTransitionError, match="no INITIALISED in state STOPPED"):
        advance(State.STOPPED, Event.INITIALISED)

"""The life of a slot, driven at random: transition table and restart policy, by a fake clock."""

from collections import deque

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from aiges_loader.pool.lifecycle import (
    TRANSITIONS,
    Event,
    IllegalTransitionError,
    State,
    advance,
)
from aiges_loader.pool.restart import AT_ONCE, JITTER, GiveUp, RestartPolicy

RUNNING = frozenset(
    {State.HANDSHAKING, State.INITIALISING, State.READY, State.DRAINING, State.STOPPING}
)
DRIVEN_BY_US = (Event.SPAWNED, Event.SHOOK_HANDS, Event.INITIALISED)


class Slot(RuleBasedStateMachine):
    """What an owner task does with its slot, in any order that the world may choose."""

    @initialize(
        max_restarts=st.integers(0, 6),
        period_s=st.floats(0.1, 100),
        backoff_min_s=st.floats(0.001, 1),
        spread=st.floats(1, 1000),
        stable_after_s=st.floats(0, 50),
    )
    def prepare(
        self,
        max_restarts: int,
        period_s: float,
        backoff_min_s: float,
        spread: float,
        stable_after_s: float,
    ) -> None:
        self.policy = RestartPolicy(
            max_restarts, period_s, backoff_min_s, backoff_min_s * spread, stable_after_s
        )
        self.now = 0.0
        self.state = State.STOPPED
        self.exits: tuple[float, ...] = ()
        self.ready_since: float | None = None
        self.restart_at = 0.0
        self.asked_to_stop = False
        self.deaths: list[float] = []  # since the slate was last clean

    # The world:

    @rule(seconds=st.floats(0, 60))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def somebody_asks_to_stop(self) -> None:
        self.asked_to_stop = True

    @precondition(lambda self: self.state in RUNNING or self.state is State.STARTING)
    @rule(dice=st.floats(0, 1, exclude_max=True))
    def the_process_ends(self, dice: float) -> None:
        self.state = advance(self.state, Event.EXITED)
        ready_for_s = 0.0 if self.ready_since is None else self.now - self.ready_since
        self.ready_since = None
        if self.state is State.STOPPED:
            return
        assert self.state is State.BACKOFF
        self.judge(ready_for_s, dice)

    # The owner:

    @precondition(lambda self: self.state in {State.STOPPED, State.BACKOFF})
    @rule()
    def the_owner_starts_a_process_when_it_is_time(self) -> None:
        if not self.asked_to_stop and self.now >= self.restart_at:
            self.state = advance(self.state, Event.START)

    @rule(event=st.sampled_from(DRIVEN_BY_US))
    def the_start_makes_progress(self, event: Event) -> None:
        if (self.state, event) not in TRANSITIONS:
            before = self.state
            with pytest.raises(IllegalTransitionError):
                advance(self.state, event)
            assert self.state is before
            return
        self.state = advance(self.state, event)
        if self.state is State.READY:
            self.ready_since = self.now

    @precondition(lambda self: self.asked_to_stop)
    @rule()
    def the_owner_obeys(self) -> None:
        """READY drains first; STARTING waits for its process, which is there in a moment."""
        event = Event.DRAIN if self.state is State.READY else Event.STOP
        if (self.state, event) in TRANSITIONS:
            self.state = advance(self.state, event)

    # What must be so:

    def judge(self, ready_for_s: float, dice: float) -> None:
        policy = self.policy
        if ready_for_s >= policy.stable_after_s:
            self.deaths.clear()
        self.deaths.append(self.now)
        within = [at for at in self.deaths if self.now - at <= policy.period_s]
        decision = policy.decide(self.exits, self.now, ready_for_s=ready_for_s, dice=dice)
        self.exits = decision.exits
        assert list(self.exits) == within
        if isinstance(decision, GiveUp):
            assert len(within) > policy.max_restarts
            self.state = advance(self.state, Event.GAVE_UP)
            return
        assert len(within) <= policy.max_restarts
        longest_s = policy.backoff_max_s * (1 + JITTER)
        if len(within) <= AT_ONCE:
            assert decision.delay_s == 0
        else:
            assert policy.backoff_min_s <= decision.delay_s <= longest_s
        self.restart_at = self.now + decision.delay_s

    @invariant()
    def only_a_ready_worker_has_been_ready(self) -> None:
        if getattr(self, "state", None) is State.READY:
            assert self.ready_since is not None

    @invariant()
    def every_slot_can_be_stopped(self) -> None:
        """By what its owner and the kernel can do, from wherever it is."""
        if not hasattr(self, "state"):
            return
        seen, ahead = {self.state}, deque([self.state])
        while ahead:
            state = ahead.popleft()
            for event in (Event.DRAIN, Event.STOP, Event.EXITED):
                after = TRANSITIONS.get((state, event))
                if after is not None and after not in seen:
                    seen.add(after)
                    ahead.append(after)
        assert State.STOPPED in seen

    @invariant()
    def a_failed_slot_has_used_its_budget(self) -> None:
        if getattr(self, "state", None) is State.FAILED:
            assert len(self.exits) > self.policy.max_restarts


Slot.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestSlot = Slot.TestCase


def test_the_pauses_grow_and_are_bounded_whatever_the_dice_say() -> None:
    policy = RestartPolicy(max_restarts=1000, period_s=1e9, backoff_min_s=0.1, backoff_max_s=30.0)
    exits: tuple[float, ...] = ()
    least: list[float] = []
    for death in range(200):
        decision = policy.decide(exits, float(death), ready_for_s=0.0, dice=0.0)
        assert not isinstance(decision, GiveUp)
        exits = decision.exits
        least.append(decision.delay_s)
    assert least == sorted(least)
    assert least[:3] == [0.0, 0.0, 0.1]
    assert least[-1] == 30.0

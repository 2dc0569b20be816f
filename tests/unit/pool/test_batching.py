"""When calls go together and how many, without a clock."""

from dataclasses import dataclass, field
from math import inf

import pytest
from hypothesis import given, strategies as st

from aiges_loader.calls import Call
from aiges_loader.pool.batching import (
    SIZE_BOUNDS,
    WAIT_BOUNDS_S,
    BatchPlan,
    BatchTally,
    CostLine,
    Group,
    Habits,
)

FOUR = BatchPlan(max_size=4, max_delay_s=0.01)


@dataclass(eq=False)
class Waiter:
    arrived_at: float = 0.0
    size: int = 1
    alone: bool = False
    deadline_at: float = 0.0
    call: Call = field(init=False)

    def __post_init__(self) -> None:
        self.call = Call("s", {}, (), self.deadline_at)


def group(plan: BatchPlan, *waiters: Waiter) -> Group[Waiter]:
    made: Group[Waiter] = Group(plan, Habits())
    for waiter in waiters:
        made.add(waiter)
        made.habits.came(waiter.arrived_at)
    return made


def due_at(made: Group[Waiter], *, cost: CostLine | None = None) -> float:
    return made.due_at(cost or CostLine())


def line(slope_s: float, fixed_s: float) -> CostLine:
    cost = CostLine()
    for size in (1, 2, 3, 4, 8) * 20:
        cost.learn(size, slope_s * size + fixed_s)
    return cost


def test_nobody_is_never_due() -> None:
    assert due_at(group(FOUR)) == inf


def test_the_oldest_waits_for_the_delay() -> None:
    assert due_at(group(FOUR, Waiter(5.0), Waiter(5.007))) == 5.01


def test_a_full_batch_goes_at_once() -> None:
    assert due_at(group(FOUR, *[Waiter(5.0) for _ in range(4)])) == -inf


def test_bytes_fill_a_batch_as_well() -> None:
    plan = BatchPlan(max_size=4, max_bytes=100)
    assert due_at(group(plan, Waiter(5.0, size=60), Waiter(5.0, size=40))) == -inf
    assert due_at(group(plan, Waiter(5.0, size=60), Waiter(5.0, size=39))) == pytest.approx(5.005)


def test_nobody_waits_for_more_than_half_of_the_time_until_its_deadline() -> None:
    made = group(FOUR, Waiter(5.0), Waiter(5.0, deadline_at=5.008))
    assert due_at(made) == pytest.approx(5.004)
    made.remove(made.waiting[1])
    assert due_at(made) == 5.01


def test_a_call_that_must_go_alone_goes_at_once_and_alone() -> None:
    alone = Waiter(4.0, alone=True)
    made = group(FOUR, Waiter(5.0), Waiter(5.0), alone)
    assert due_at(made) == -inf
    assert made.take() == [alone]
    assert len(made.take()) == 2


def test_a_batch_ends_before_a_call_that_is_too_large_for_it() -> None:
    plan = BatchPlan(max_size=4, max_bytes=100)
    small, large, last = Waiter(size=10), Waiter(size=1000), Waiter(size=100)
    made = group(plan, small, large, last)
    assert [made.take() for _ in range(4)] == [[small], [large], [last], []]


class TestAdaptive:
    PLAN = BatchPlan(max_size=8, max_delay_s=0.01, adaptive=True)
    COST = line(0.001, 0.002)
    """One more call in a batch saves 2 ms."""

    def crowd(self, *arrivals: float) -> Group[Waiter]:
        """Return a group of which more are known than wait."""
        made = group(self.PLAN, *map(Waiter, arrivals))
        made.habits.crowd = 8.0
        return made

    def test_waits_for_the_delay_while_it_knows_nothing(self) -> None:
        assert due_at(self.crowd(5.0)) == 5.01

    def test_goes_at_once_if_calls_come_too_rarely_to_be_worth_it(self) -> None:
        assert due_at(self.crowd(5.0), cost=self.COST) == -inf  # nobody knows how often
        assert due_at(self.crowd(5.0, 5.0025), cost=self.COST) == -inf

    def test_waits_as_long_after_the_last_call_as_it_is_worth(self) -> None:
        assert due_at(self.crowd(5.0, 5.0005), cost=self.COST) == pytest.approx(5.0025)

    def test_goes_at_once_when_all_are_there_that_are_known(self) -> None:
        made = self.crowd(5.0, 5.0005)
        made.habits.crowd = 2.0
        assert due_at(made, cost=self.COST) == -inf

    def test_never_waits_longer_than_the_delay(self) -> None:
        assert due_at(self.crowd(5.0, 5.0001), cost=line(0.0, 9.0)) == pytest.approx(5.01)

    def test_does_not_wait_where_each_call_costs_the_same_anyhow(self) -> None:
        assert due_at(self.crowd(5.0, 5.0001), cost=line(0.003, 0.0)) == -inf

    def test_those_whom_a_busy_worker_has_just_answered_may_come_back(self) -> None:
        made = self.crowd(5.0, 5.0005)
        made.offer(5.1)
        made.offer(5.2)  # only the first counts: nobody is put off for ever
        assert due_at(made, cost=self.COST) == pytest.approx(5.102)
        assert due_at(made, cost=line(0.0, 9.0)) == pytest.approx(5.11)
        assert len(made.take()) == 2
        made.add(Waiter(6.0))
        made.habits.came(5.001)
        assert due_at(made, cost=line(0.0, 9.0)) == pytest.approx(6.01)

    def test_a_busy_worker_puts_off_nothing_that_is_not_adaptive(self) -> None:
        made = group(FOUR, Waiter(5.0))
        made.offer(6.0)
        assert due_at(made) == 5.01


class TestHabits:
    def test_the_interval_follows_what_comes(self) -> None:
        habits = Habits()
        for number in range(100):
            habits.came(number * 0.5)
        assert habits.interval_s == pytest.approx(0.5)
        for number in range(100):
            habits.came(50 + number * 0.1)
        assert habits.interval_s == pytest.approx(0.1, rel=0.01)

    def test_the_crowd_is_the_most_at_once_and_shrinks_with_the_batches(self) -> None:
        habits = Habits()
        habits.begun(4, 6)
        habits.begun(6, 0)
        assert (habits.running, habits.crowd) == (10, 10)
        habits.ended(4)
        habits.ended(6)
        for _ in range(40):
            habits.begun(2, 0)
            habits.ended(2)
        assert habits.crowd == 2


class TestCostLine:
    @given(
        slope=st.floats(0, 0.1),
        fixed=st.floats(1e-6, 0.1),
        sizes=st.lists(st.integers(1, 64), min_size=10, max_size=60),
    )
    def test_finds_the_line_that_it_is_shown(
        self, slope: float, fixed: float, sizes: list[int]
    ) -> None:
        cost = CostLine()
        for size in [*sizes, 1, 64, 1, 64]:
            cost.learn(size, slope * size + fixed)
        assert cost.slope_s == pytest.approx(slope, rel=1e-3, abs=1e-6)
        assert cost.fixed_s == pytest.approx(fixed, rel=1e-2, abs=1e-5)

    @given(st.lists(st.tuples(st.integers(1, 64), st.floats(0, 10)), min_size=1, max_size=60))
    def test_its_parts_are_never_negative(self, seen: list[tuple[int, float]]) -> None:
        cost = CostLine()
        for size, seconds in seen:
            cost.learn(size, seconds)
        assert cost.slope_s >= 0
        assert cost.fixed_s >= 0

    def test_one_size_alone_is_all_fixed_cost(self) -> None:
        cost = CostLine()
        for _ in range(50):
            cost.learn(4, 0.02)
        assert (cost.slope_s, cost.fixed_s) == (0.0, pytest.approx(0.02))

    def test_asks_for_half_a_batch_now_and_then_if_sizes_are_alike(self) -> None:
        cost, asked = CostLine(), 0
        for number in range(321):
            cost.learn(8, 0.02)
            asked += cost.wants_half
            assert cost.slope_s == 0.0, number
        assert asked == 11
        cost.learn(4, 0.012)
        assert cost.slope_s == pytest.approx(0.002)
        assert not cost.wants_half

    def test_forgets_what_was(self) -> None:
        cost = line(0.001, 0.01)
        for size in (1, 2, 3, 4, 8) * 60:
            cost.learn(size, 0.005 * size + 0.001)
        assert cost.slope_s == pytest.approx(0.005, rel=0.02)


@given(
    st.lists(st.tuples(st.integers(0, 200), st.booleans(), st.booleans()), min_size=1, max_size=40),
    st.integers(1, 9),
    st.sampled_from([0, 50, 100]),
)
def test_every_call_leaves_once_in_order_and_within_the_limits(
    calls: list[tuple[int, bool, bool]], max_size: int, max_bytes: int
) -> None:
    plan = BatchPlan(max_size=max_size, max_bytes=max_bytes)
    made: Group[Waiter] = Group(plan, Habits())
    stay = []
    for size, alone, leaves in calls:
        waiter = Waiter(size=size, alone=alone)
        made.add(waiter)
        if leaves:
            made.remove(waiter)
        else:
            stay.append(waiter)
    batches = []
    while batch := made.take():
        batches.append(batch)
    taken = [waiter for batch in batches for waiter in batch]
    assert sorted(map(id, taken)) == sorted(map(id, stay))
    assert [w for w in taken if not w.alone] == [w for w in stay if not w.alone]
    for batch in batches:
        assert len(batch) <= max_size
        assert len(batch) == 1 or not any(waiter.alone for waiter in batch)
        assert len(batch) == 1 or not max_bytes or sum(w.size for w in batch) <= max_bytes
    assert due_at(made) == inf


def test_the_tally_counts_sizes_and_waits() -> None:
    tally = BatchTally()
    tally.count([Waiter(1.0), Waiter(1.0), Waiter(1.9)], 2.0)
    tally.count([Waiter(0.0)], 2.0)
    assert tally.batches == 2
    assert tally.calls == 4
    assert tally.by_size[SIZE_BOUNDS.index(4)] == 1
    assert tally.by_wait[WAIT_BOUNDS_S.index(1.0)] == 2
    assert tally.by_wait[-1] == 1
    assert tally.wait_s == pytest.approx(4.1)

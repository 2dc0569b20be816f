"""When a dead worker is started again."""

from dataclasses import replace

from hypothesis import given, strategies as st

from aiges_loader.pool.restart import AT_ONCE, JITTER, GiveUp, RestartPolicy, Retry

POLICY = RestartPolicy(
    max_restarts=5, period_s=60.0, backoff_min_s=1.0, backoff_max_s=3.0, stable_after_s=10.0
)


def delays(policy: RestartPolicy, deaths: int, *, dice: float = 0.0) -> list[float]:
    exits: tuple[float, ...] = ()
    found = []
    for _ in range(deaths):
        decision = policy.decide(exits, 0.0, ready_for_s=0.0, dice=dice)
        exits = decision.exits
        found.append(decision.delay_s if isinstance(decision, Retry) else -1.0)
    return found


def test_two_restarts_cost_nothing_then_delays_double_then_it_gives_up() -> None:
    assert delays(POLICY, 6) == [0.0, 0.0, 1.0, 2.0, 3.0, -1.0]


def test_delays_are_stretched_by_the_dice() -> None:
    assert delays(POLICY, 3, dice=0.5) == [0.0, 0.0, 1.0 + JITTER / 2]


def test_deaths_outside_the_period_are_forgotten() -> None:
    decision = POLICY.decide((0.0, 1.0, 2.0), 62.5, ready_for_s=0.0, dice=0.0)
    assert decision == Retry(0.0, (62.5,))


def test_a_worker_that_was_stable_starts_with_a_clean_slate() -> None:
    history = (50.0, 51.0, 52.0, 53.0, 54.0)
    assert isinstance(POLICY.decide(history, 55.0, ready_for_s=9.9, dice=0.0), GiveUp)
    assert POLICY.decide(history, 55.0, ready_for_s=10.0, dice=0.0) == Retry(0.0, (55.0,))


@given(
    gaps=st.lists(st.floats(0.0, 100.0), min_size=1, max_size=60),
    dice=st.floats(0.0, 1.0, exclude_max=True),
)
def test_never_more_than_the_limit_in_any_period(gaps: list[float], dice: float) -> None:
    exits: tuple[float, ...] = ()
    restarts: list[float] = []
    now = 0.0
    for gap in gaps:
        now += gap
        decision = POLICY.decide(exits, now, ready_for_s=0.0, dice=dice)
        exits = decision.exits
        if isinstance(decision, GiveUp):
            assert sum(now - at <= POLICY.period_s for at in restarts) >= POLICY.max_restarts
            return
        assert 0.0 <= decision.delay_s <= POLICY.backoff_max_s * (1.0 + JITTER)
        assert (decision.delay_s == 0.0) == (len(decision.exits) <= AT_ONCE)
        restarts.append(now)
        assert sum(now - at <= POLICY.period_s for at in restarts) <= POLICY.max_restarts


def test_a_huge_budget_does_not_overflow() -> None:
    policy = RestartPolicy(max_restarts=5000, backoff_max_s=30.0)
    assert policy.decide((0.0,) * 4000, 0.0, ready_for_s=0.0, dice=0.0).exits


def test_a_start_that_failed_is_tried_again_only_if_the_policy_says_so() -> None:
    waits = replace(POLICY, retry_starts=False)
    for policy, expected in ((POLICY, Retry), (waits, GiveUp)):
        decision = policy.decide((), 0.0, ready_for_s=0.0, dice=0.0, did_not_start=True)
        assert isinstance(decision, expected)
    assert waits.decide((), 0.0, ready_for_s=1.0, dice=0.0) == Retry(0.0, (0.0,))

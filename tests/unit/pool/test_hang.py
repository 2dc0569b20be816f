"""When a worker counts as hung."""

import pytest

from aiges_loader.pool.hang import HangPolicy

POLICY = HangPolicy(heartbeat_s=1.0, hang_timeout_s=10.0)


@pytest.mark.parametrize(
    ("silent", "busy", "verdict"),
    [
        (9.9, 9.9, ""),
        (10.0, 0.0, "hung: no heartbeat for 10 s (hangTimeout)"),
        (0.0, 10.0, "hung: a call has been in user code for 10 s (hangTimeout)"),
        (11.0, 11.0, "hung: no heartbeat for 10 s (hangTimeout)"),
    ],
)
def test_silence_and_long_calls_are_hangs(silent: float, busy: float, verdict: str) -> None:
    assert POLICY.verdict(silent_for_s=silent, longest_call_s=busy) == verdict


def test_switched_off_nothing_is_a_hang() -> None:
    assert HangPolicy(1.0, None).verdict(silent_for_s=1e9, longest_call_s=1e9) == ""


def test_a_short_timeout_is_looked_after_often_enough() -> None:
    assert HangPolicy(1.0, 0.5).period_s == 0.25
    assert POLICY.period_s == 1.0

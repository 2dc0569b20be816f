"""When a healthy worker is replaced."""

import pytest

from aiges_loader.pool.wear import JITTER, WearPolicy

MIB = 1 << 20


@pytest.mark.parametrize(
    ("policy", "verdict"),
    [
        (WearPolicy(None, None, None), ""),
        (WearPolicy(101, None, None), ""),
        (WearPolicy(100, None, None), "served 100 calls (maxRequests)"),
        (WearPolicy(None, 50 * MIB, None), ""),
        (WearPolicy(None, 49 * MIB, None), "uses 50 MiB (maxRssMb)"),
        (WearPolicy(None, None, 60.1), ""),
        (WearPolicy(None, None, 60.0), "is 60 s old (maxAge)"),
    ],
)
def test_each_limit_wears_out_by_itself(policy: WearPolicy, verdict: str) -> None:
    assert policy.verdict(served=100, rss_bytes=50 * MIB, age_s=60.0, dice=0.0) == verdict
    assert policy.is_unlimited == (policy == WearPolicy(None, None, None))


def test_workers_that_began_together_do_not_wear_out_together() -> None:
    policy = WearPolicy(100, None, None)

    def first_worn(dice: float) -> int:
        served = 0
        while not policy.verdict(served=served, rss_bytes=0, age_s=0.0, dice=dice):
            served += 1
        return served

    assert first_worn(0.0) == 100
    assert first_worn(0.5) == 100 * (1 + JITTER / 2)

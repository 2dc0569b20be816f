"""The limit on the rate of calls."""

from aiges_loader.frontend.token_bucket import TokenBucket


def test_a_burst_passes_and_then_one_call_for_each_interval() -> None:
    bucket = TokenBucket(interval_s=2.0, burst=3)
    assert [bucket.take(100.0) for _ in range(4)] == [True, True, True, False]
    assert [bucket.take(at) for at in (101.9, 102.0, 102.1, 104.0)] == [False, True, False, True]


def test_no_more_than_a_burst_comes_back() -> None:
    bucket = TokenBucket(interval_s=1.0, burst=2)
    assert [bucket.take(0.0) for _ in range(2)] == [True, True]
    assert [bucket.take(1000.0) for _ in range(3)] == [True, True, False]


def test_without_an_interval_there_is_no_limit() -> None:
    bucket = TokenBucket(interval_s=0.0, burst=0)
    assert all(bucket.take(0.0) for _ in range(1000))


def test_without_a_burst_nothing_passes() -> None:
    bucket = TokenBucket(interval_s=0.001, burst=0)
    assert not any(bucket.take(float(at)) for at in range(10))

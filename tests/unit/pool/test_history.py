"""What is remembered of deaths."""

from aiges_loader.pool.history import MAX_CALLS, MAX_DEATHS, MAX_LINE_CHARS, History
from aiges_loader.pool.worker_spec import Cause, Death


def death(reason: str, tail: tuple[str, ...] = (), calls: tuple[str, ...] = ()) -> Death:
    return Death(
        cause=Cause.CRASH,
        reason=reason,
        status=1,
        at=0.0,
        by_signal=False,
        was_ready=True,
        calls=calls,
        tail=tail,
    )


def test_the_last_deaths_are_there_newest_first() -> None:
    history = History()
    for number in range(MAX_DEATHS + 3):
        history.remember(number % 2, death(f"reason {number}"))
    assert [one.number for one in history.deaths] == list(range(MAX_DEATHS + 3, 3, -1))
    assert history.deaths[0].death.reason == f"reason {MAX_DEATHS + 2}"
    assert history.deaths[0].worker == 0


def test_what_is_kept_of_each_is_limited() -> None:
    history = History()
    history.remember(1, death("x", ("y" * 100_000,), tuple(map(str, range(1000)))))
    (kept,) = history.deaths
    assert len(kept.death.tail[0]) == MAX_LINE_CHARS
    assert len(kept.death.calls) == MAX_CALLS

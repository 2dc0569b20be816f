"""The queue for licences and places."""

import asyncio

import pytest

from aiges_loader.pool.turnstile import Turnstile


async def started(work: asyncio.Task[int]) -> None:
    """Let `work` run up to its first wait."""
    await asyncio.sleep(0)
    assert not work.done()


async def test_things_are_handed_out_in_order() -> None:
    turnstile: Turnstile[int] = Turnstile(lambda thing: pytest.fail(f"{thing} came back"))
    async with asyncio.TaskGroup() as tasks:
        waiting = [tasks.create_task(turnstile.wait(None)) for _ in range(3)]
        await started(waiting[-1])
        assert [turnstile.hand(number) for number in range(3)] == [True] * 3
    assert [task.result() for task in waiting] == [0, 1, 2]
    assert not turnstile.hand(3)


async def test_what_a_cancelled_waiter_was_handed_comes_back() -> None:
    returned: list[int] = []
    turnstile: Turnstile[int] = Turnstile(returned.append)
    waiting = asyncio.create_task(turnstile.wait(None))
    await started(waiting)
    assert turnstile.hand(7)
    waiting.cancel()  # before it could run with what it was handed
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert returned == [7]


async def test_a_waiter_that_left_is_passed_over() -> None:
    turnstile: Turnstile[int] = Turnstile(lambda thing: pytest.fail(f"{thing} came back"))
    leaves, stays = (asyncio.create_task(turnstile.wait(None)) for _ in range(2))
    await started(stays)
    leaves.cancel()
    await asyncio.wait([leaves])
    assert len(turnstile) == 1
    assert turnstile.hand(1)
    assert await stays == 1


async def test_waiting_has_a_limit() -> None:
    turnstile: Turnstile[int] = Turnstile(lambda thing: pytest.fail(f"{thing} came back"))
    with pytest.raises(TimeoutError):
        await turnstile.wait(0.01)
    assert len(turnstile) == 0


async def test_all_can_be_refused() -> None:
    turnstile: Turnstile[int] = Turnstile(lambda thing: pytest.fail(f"{thing} came back"))
    waiting = [asyncio.create_task(turnstile.wait(None)) for _ in range(2)]
    await started(waiting[-1])
    turnstile.refuse_all(ValueError("no"))
    assert [str(e) for e in await asyncio.gather(*waiting, return_exceptions=True)] == ["no", "no"]

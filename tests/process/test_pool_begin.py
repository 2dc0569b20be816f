"""Calls that are begun without a task, against workers that are real processes."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from aiges_loader.calls import Call, Datum, Reply
from aiges_loader.errors import (
    BodyTooLargeError,
    CallError,
    NoWorkerError,
    WorkerDiedError,
    WrapperError,
)
from aiges_loader.pool.pending import into
from aiges_loader.pool.pool import Pool
from aiges_wire.frames import MAX_ITEMS
from support.fake_pools import call, make, pid_of, ready, running
from support.waiting import until

BOTH = pytest.mark.parametrize("mode", ["serves", "lanes"])


def begin(
    pool: Pool, asked: Call
) -> tuple["asyncio.Future[Reply | CallError]", Callable[[], None]]:
    """Begin a call; return what gets its outcome, and what abandons it."""
    outcome: asyncio.Future[Reply | CallError] = asyncio.get_running_loop().create_future()
    abandon = pool.begin(asked, outcome.set_result)
    assert abandon is not None
    assert not outcome.done()
    return outcome, abandon


@BOTH
async def test_an_outcome_is_a_reply_or_an_error(mode: str, tmp_path: Path) -> None:
    async with running(make(mode, tmp_path)) as pool:
        await ready(pool)
        reply, _ = begin(pool, call("echo", "a"))
        error, _ = begin(pool, call("error", "b"))
        assert pool.calls == 2
        assert isinstance(await reply, Reply)
        assert isinstance(await error, WrapperError)
        assert pool.calls == 0


@BOTH
async def test_without_a_place_it_waits_for_one_in_its_turn(mode: str, tmp_path: Path) -> None:
    async with running(make(mode, tmp_path, concurrency=1)) as pool:
        await ready(pool)
        ended: list[str] = []
        outcomes = []
        for sid in "abc":
            outcome, _ = begin(pool, call("sleep 0.05", sid))
            outcome.add_done_callback(lambda _, sid=sid: ended.append(sid))
            outcomes.append(outcome)
        assert pool.waiting_for_worker == 2
        last = asyncio.create_task(pool.once(call("echo", "d")))
        last.add_done_callback(lambda _: ended.append("d"))
        await asyncio.gather(*outcomes, last)
        await until(lambda: len(ended) == 4, "the callbacks")
        assert ended == ["a", "b", "c", "d"]


@BOTH
async def test_one_that_is_abandoned_gives_all_back(mode: str, tmp_path: Path) -> None:
    async with running(make(mode, tmp_path, concurrency=1)) as pool:
        await ready(pool)
        runs, abandon_running = begin(pool, call("sleep 0.2", "a"))
        waits, abandon_waiting = begin(pool, call("echo", "b"))
        abandon_waiting()
        abandon_running()
        assert (pool.calls, pool.waiting_for_worker) == (0, 0)
        assert (await pool.once(call("echo", "c"))).outputs  # once the worker is done with a
        assert not runs.done()
        assert not waits.done()


async def test_what_must_wait_for_more_than_a_place_is_for_once(tmp_path: Path) -> None:
    async with running(make("lanes", tmp_path, licences=1)) as pool:
        assert pool.begin(call("echo"), lambda _: None) is None  # no worker is ready
        await ready(pool)
        outcome, _ = begin(pool, call("sleep 0.1", "a"))
        assert pool.begin(call("echo", "b"), lambda _: None) is None  # no licence
        await outcome


async def test_one_that_a_dying_worker_had_not_begun_goes_to_another(tmp_path: Path) -> None:
    async with running(make("tells-beginnings", tmp_path)) as pool:
        await ready(pool)
        outcome, _ = begin(pool, call(f"die once {tmp_path / 'died'}", "a"))
        assert isinstance(await outcome, Reply)
        died, _ = begin(pool, call("exit", "b"))
        assert isinstance(await died, WorkerDiedError)
        assert pool.calls == 0


async def test_one_that_is_abandoned_at_its_second_try_gives_all_back(tmp_path: Path) -> None:
    async with running(make("lanes", tmp_path, concurrency=2)) as pool:
        pid = await pid_of(pool)
        os.kill(pid, signal.SIGSTOP)
        first, _ = begin(pool, call("echo", "a"))
        second, abandon = begin(pool, call("hang", "b"))
        os.kill(pid, signal.SIGKILL)
        await first
        await until(lambda: pool.workers[0].running == 1, "the second try")
        abandon()
        assert pool.calls == 0
        await asyncio.sleep(0)
        assert not second.done()
        os.kill(pool.workers[0].pid or 0, signal.SIGKILL)  # it hangs


async def test_a_begun_one_is_tried_once_more_if_that_is_wanted(tmp_path: Path) -> None:
    async with running(make("serves", tmp_path, retry_on_crash=True)) as pool:
        await ready(pool)
        outcome, _ = begin(pool, call(f"die once {tmp_path / 'died'}", "a"))
        assert isinstance(await outcome, Reply)
        await ready(pool)
        died, _ = begin(pool, call("exit", "b"))
        assert isinstance(await died, WorkerDiedError)


async def test_whoever_waits_for_a_place_is_told_when_there_will_be_none(tmp_path: Path) -> None:
    pool = make("lanes", tmp_path, concurrency=1, drain_timeout_s=0.1)
    async with running(pool):
        await ready(pool)
        runs, _ = begin(pool, call("sleep 5", "a"))
        waits, _ = begin(pool, call("echo", "b"))
        pool.stop()
        assert isinstance(await waits, NoWorkerError)
        assert isinstance(await runs, WorkerDiedError)


@pytest.mark.parametrize("batched", [False, True])
async def test_a_call_that_fits_no_frame_costs_nobody_anything(
    batched: bool, tmp_path: Path
) -> None:
    async with running(make("lanes", tmp_path, concurrency=1)) as pool:
        await ready(pool)
        large = Call("large", {"sid": "large"}, (Datum("x", b"", 0, 3),) * (MAX_ITEMS + 1))
        with pytest.raises(BodyTooLargeError, match="4097 items, at most 4096"):
            if batched:
                answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
                worker = pool.workers[0]
                worker.reserve()
                worker.begin_together([(large, into(answer))], lambda: None)
                await answer
            else:
                await pool.once(large)
        assert (await pool.once(call("echo", "b"))).outputs
        assert (pool.workers[0].running, pool.workers[0].restarts) == (0, 0)

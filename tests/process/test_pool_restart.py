"""Restarts that are asked for: of a worker in its place, and of a pool that waits for them."""

import asyncio
import shlex
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from aiges_loader.errors import NoWorkerError, WorkerDiedError
from aiges_loader.pool.lifecycle import State
from aiges_loader.pool.pool import Pool
from aiges_loader.pool.restart import RestartPolicy
from aiges_loader.pool.worker_spec import Cause
from support.fake_pools import FAKE, call, make, pid_of, ready, running
from support.waiting import dies_within, until

WAITS = RestartPolicy(max_restarts=4, backoff_min_s=60.0, backoff_max_s=60.0, retry_starts=False)
BOTH = pytest.mark.parametrize("mode", ["serves", "lanes"])


def starts_while(folder: Path, mode: str = "serves") -> Pool:
    """Make a pool that waits for restarts; its worker starts only if there is a file "good".

    Of a file "slow" it says nothing until it is told to leave.
    """
    error = "Traceback (most recent call last):\n  File x\nNameError: name 'x' is not defined"
    script = (
        f"cd {shlex.quote(str(folder))}; test -e slow && sleep 600; "
        f"test -e good || {{ echo {shlex.quote(error)} >&2; exit 1; }}; "
        f"exec {shlex.quote(sys.executable)} {shlex.quote(FAKE)} {mode}"
    )
    plan = make(mode, folder, policy=WAITS).plan
    spec = replace(plan.spec, command=("bash", "-c", script))
    return Pool(replace(plan, spec=spec, waits_for_restart=True))


@BOTH
async def test_a_worker_that_stops_first_finishes_its_calls_and_later_ones_wait(
    mode: str, tmp_path: Path
) -> None:
    async with running(make(mode, tmp_path)) as pool:
        pid = await pid_of(pool)
        slow = asyncio.create_task(pool.once(call("sleep 0.3", "slow")))
        await until(lambda: pool.workers[0].running == 1, "the call to begin")
        restarting = asyncio.create_task(pool.restart(1, stop_first=True))
        await until(lambda: pool.workers[0].state is State.DRAINING, "draining")
        waiting = asyncio.create_task(pid_of(pool, "waits"))
        assert (await slow).outputs
        assert await restarting == ""
        assert await waiting not in (pid, None)
        assert dies_within(pid, 1.0)
        assert len(pool.workers) == 1
        assert pool.workers[0].restarts == 0  # no death
        assert pool.history.replaced[Cause.REQUEST] == 1


async def test_there_is_never_more_than_one_process_of_a_worker_that_stops_first(
    tmp_path: Path,
) -> None:
    async with running(make("serves", tmp_path)) as pool:
        await ready(pool)
        restarting = asyncio.create_task(pool.restart(1, stop_first=True))
        while not restarting.done():
            assert len(pool.workers) == 1
            await asyncio.sleep(0)
        assert await restarting == ""


async def test_a_first_start_that_fails_waits_for_a_restart(tmp_path: Path) -> None:
    async with running(starts_while(tmp_path)) as pool:
        with pytest.raises(NoWorkerError, match="failed: NameError: name 'x' is not defined"):
            await pool.once(call("echo"))
        assert pool.workers[0].state is State.FAILED
        assert not pool.failed.done()
        assert "Traceback" in pool.outage
        problem = await pool.restart(1, stop_first=True)
        assert "worker 1 did not start again: exited with status 1" in problem
        (tmp_path / "good").touch()
        assert await pool.restart(1, stop_first=True) == ""
        assert pool.outage == ""
        assert (await pool.once(call("echo"))).outputs
        assert pool.described.done()


async def test_a_restart_that_fails_leaves_no_old_worker_and_the_next_one_recovers_at_once(
    tmp_path: Path,
) -> None:
    (tmp_path / "good").touch()
    async with running(starts_while(tmp_path)) as pool:
        pid = await pid_of(pool)
        (tmp_path / "good").unlink()
        for _ in range(8):  # more often than the policy would allow
            assert "exited with status 1" in await pool.restart(1, stop_first=True)
        assert dies_within(pid, 1.0)
        with pytest.raises(NoWorkerError, match="NameError"):
            await pool.once(call("echo"))
        (tmp_path / "good").touch()
        assert await pool.restart(1, stop_first=True) == ""
        assert (await pool.once(call("echo"))).outputs
        assert not pool.failed.done()


async def test_a_ready_worker_that_dies_is_still_restarted_by_the_policy(tmp_path: Path) -> None:
    (tmp_path / "good").touch()
    async with running(starts_while(tmp_path)) as pool:
        with pytest.raises(WorkerDiedError):
            await pool.once(call("exit"))
        assert (await pool.once(call("echo"))).outputs
        assert pool.workers[0].restarts == 1


async def test_a_restart_that_is_asked_for_again_begins_anew_and_answers_both(
    tmp_path: Path,
) -> None:
    (tmp_path / "good").touch()
    (tmp_path / "slow").touch()
    async with running(starts_while(tmp_path)) as pool:
        await until(lambda: pool.workers[0].pid, "the slow start")
        pid = pool.workers[0].pid
        first = asyncio.create_task(pool.restart(1, stop_first=True))
        await until(lambda: pool.workers[0].pid not in (pid, None), "another slow start")
        (tmp_path / "slow").unlink()
        second = asyncio.create_task(pool.restart(1, stop_first=True))
        assert (await first, await second) == ("", "")
        assert (await pool.once(call("echo"))).outputs


async def test_whoever_waits_for_a_restart_hears_when_the_pool_stops(tmp_path: Path) -> None:
    (tmp_path / "slow").touch()
    async with running(starts_while(tmp_path)) as pool:
        await until(lambda: pool.workers[0].pid, "the slow start")
        restarting = asyncio.create_task(pool.restart(1, stop_first=True))
        await asyncio.sleep(0)
        pool.stop()
        assert "it was stopped" in await restarting

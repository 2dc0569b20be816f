"""Calls over lanes, with workers that keep to the frames and with some that do not."""

import asyncio
import os
import re
import signal
from pathlib import Path

import pytest

from aiges_loader.errors import WorkerDiedError
from support.fake_pools import call, make, pid_of, ready, running
from support.waiting import until


async def test_answers_of_any_size_and_shape_arrive_whole(tmp_path: Path) -> None:
    async with running(make("lanes", tmp_path)) as pool:
        reply = await pool.once(call("big"))
        assert [(o.key, len(o.data), o.type) for o in reply.outputs] == [
            ("a", 1 << 20, 0),
            ("b", 2 << 20, 2),
        ]
        assert bytes(reply.outputs[1].data) == bytes(range(256)) * 8192
        assert (await pool.once(call("piecemeal"))).outputs[0].data == b"hello"


@pytest.mark.parametrize(
    ("do", "reason"),
    [
        ("noise", "frame version 84, we speak 1"),
        ("other version", "frame version 9, we speak 1"),
        ("other kind", "unknown kind of frame: 99"),
        ("a call", "a CALL from a worker"),
        ("too much meta", "meta of 4294967295 bytes, at most 67108864 are allowed"),
        ("too much data", "data of 18446744073709551615 bytes, at most"),
        ("no JSON", "meta is not JSON"),
        ("other meta", "meta is not JSON"),
        ("other shape", "expected [code, text] in a FAILURE"),
        ("wrong sizes", "the sizes of the items do not add up to the data"),
        ("wrong call", "which is not the next"),
        ("hang up", "it closed a lane"),
        ("cut", "it closed a lane in the middle of a frame"),
    ],
)
async def test_a_worker_that_breaks_the_frames_is_replaced_and_told_apart(
    do: str, reason: str, tmp_path: Path
) -> None:
    async with running(make("lanes", tmp_path)) as pool:
        pid = await pid_of(pool)
        if do == "hang up":  # it answers first
            assert (await pool.once(call(do))).outputs
        else:
            with pytest.raises(WorkerDiedError, match=re.escape(reason)):
                await pool.once(call(do))
        await until(lambda: pool.workers[0].pid not in (pid, None), "a new process")
        assert (await pool.once(call("echo", "again"))).outputs
        death = pool.workers[0].death
        assert death is not None
        assert reason in death.reason


async def test_an_answer_that_nobody_asked_for_ends_the_worker_after_the_one_that_was(
    tmp_path: Path,
) -> None:
    async with running(make("lanes", tmp_path)) as pool:
        pid = await pid_of(pool)
        assert (await pool.once(call("twice"))).outputs
        await until(lambda: pool.workers[0].pid not in (pid, None), "a new process")


async def test_an_answer_written_before_the_death_counts(tmp_path: Path) -> None:
    async with running(make("lanes", tmp_path)) as pool:
        for _ in range(3):
            assert (await pool.once(call("answer and exit"))).outputs


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("lanes-future", "its frames are version 9, not 1"),
        ("lanes-nowhere", "no lane to it can be opened: No such file or directory"),
    ],
)
async def test_lanes_that_cannot_be_used_fail_the_start(
    mode: str, reason: str, tmp_path: Path
) -> None:
    async with running(make(mode, tmp_path)) as pool:
        assert reason in await pool.failed


async def test_a_call_that_a_stopped_worker_has_not_read_goes_to_its_successor(
    tmp_path: Path,
) -> None:
    async with running(make("lanes", tmp_path, hang_timeout_s=0.6)) as pool:
        pid = await pid_of(pool)
        os.kill(pid, signal.SIGSTOP)
        reply = await pool.once(call("pid", "unread"))
        assert int(bytes(reply.outputs[0].data)) != pid


async def test_short_calls_wait_in_the_lane_and_only_the_first_counts_as_begun(
    tmp_path: Path,
) -> None:
    async with running(make("lanes", tmp_path, concurrency=1)) as pool:
        await ready(pool)
        for number in range(100):  # the worker says that each took 10 us
            await pool.once(call("echo", str(number)))
        worker = pool.workers[0]
        assert worker.load().ahead > 1
        dies = asyncio.create_task(pool.once(call("sleep 0.3", "first")))
        waiting = [asyncio.create_task(pool.once(call("pid", f"w{n}"))) for n in range(3)]
        await until(lambda: worker.running == 4, "all calls to be in the lane")
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGKILL)
        with pytest.raises(WorkerDiedError):
            await dies
        pids = {int(bytes((await task).outputs[0].data)) for task in waiting}
        assert len(pids) == 1  # the successor's


async def test_long_calls_do_not_wait_in_a_lane(tmp_path: Path) -> None:
    async with running(make("lanes", tmp_path, workers=2, concurrency=1)) as pool:
        await ready(pool, 2)
        async with asyncio.TaskGroup() as tasks:
            for number in range(4):
                tasks.create_task(pool.once(call("sleep 0.05", str(number))))
            await asyncio.sleep(0.02)
            assert sorted(worker.running for worker in pool.workers) == [1, 1]

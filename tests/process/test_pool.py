"""The pool against workers that are real processes: how they live, and what calls get."""

import asyncio
import os
import re
import signal
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from aiges_loader.calls import Datum, Reply
from aiges_loader.errors import (
    NoLicenceError,
    NoWorkerError,
    WorkerDiedError,
    WrapperError,
    WrapperFailedError,
)
from aiges_loader.pool.lifecycle import State
from aiges_loader.pool.restart import RestartPolicy
from aiges_loader.pool.wear import WearPolicy
from aiges_loader.pool.worker_life import FINI_LIMIT_S
from aiges_loader.pool.worker_spec import Cause
from benchmarks.server import free_port
from support.fake_pools import FAKE, call, make, pid_of, ready, running
from support.waiting import dies_within, open_fds, until

BOTH = pytest.mark.parametrize("mode", ["serves", "lanes"])
"""For what holds with workers of either version."""


@BOTH
async def test_a_call_gets_its_reply(mode: str, tmp_path: Path) -> None:
    async with running(make(mode, tmp_path)) as pool:
        reply = await pool.once(call("echo"))
        assert reply == Reply((Datum("text", b"hello", 0, 3),))
        assert await pool.described == '{"service": "svc"}'


@BOTH
async def test_calls_before_the_first_worker_is_ready_wait_for_it(
    mode: str, tmp_path: Path
) -> None:
    async with running(make(mode, tmp_path)) as pool:
        assert not pool.ready_workers
        assert (await pool.once(call("echo"))).outputs


@BOTH
async def test_a_killed_worker_is_replaced_by_a_new_process(mode: str, tmp_path: Path) -> None:
    """H60 H66."""
    async with running(make(mode, tmp_path)) as pool:
        for _ in range(3):
            pid = await pid_of(pool)
            os.kill(pid, signal.SIGKILL)
            await until(lambda pid=pid: pool.workers[0].pid not in (pid, None), "a new process")
            assert await pid_of(pool) != pid
        assert pool.workers[0].restarts == 3
        death = pool.workers[0].death
        assert death is not None
        assert death.reason == "killed by SIGKILL"


@BOTH
async def test_calls_in_a_dying_worker_fail_at_once_and_later_ones_wait(
    mode: str, tmp_path: Path
) -> None:
    """H60 H61."""
    async with running(make(mode, tmp_path)) as pool:
        await ready(pool)
        begun = asyncio.create_task(pool.once(call("hang", "a")))
        await until(lambda: pool.workers[0].running == 1, "the call to begin")
        with pytest.raises(WorkerDiedError, match="exited with status 7"):
            await pool.once(call("exit", "b"))
        with pytest.raises(WorkerDiedError, match="exited with status 7"):
            await begun
        assert (await pool.once(call("echo", "c"))).outputs


async def test_a_call_that_a_dying_worker_had_not_begun_goes_to_another(tmp_path: Path) -> None:
    async with running(make("tells-beginnings", tmp_path)) as pool:
        reply = await pool.once(call(f"die once {tmp_path / 'died'}"))
        assert reply.outputs[0].data == b"hello"
        assert pool.workers[0].restarts == 1
        with pytest.raises(WorkerDiedError):  # begun: nobody knows what it did
            await pool.once(call("exit"))


async def test_a_begun_call_is_tried_once_more_if_that_is_wanted(tmp_path: Path) -> None:
    async with running(make("serves", tmp_path, retry_on_crash=True)) as pool:
        assert (await pool.once(call(f"die once {tmp_path / 'died'}"))).outputs
        with pytest.raises(WorkerDiedError):
            await pool.once(call("exit"))
        assert pool.workers[0].restarts >= 2


async def test_without_a_word_on_beginnings_every_call_counts_as_begun(tmp_path: Path) -> None:
    async with running(make("serves", tmp_path)) as pool:
        with pytest.raises(WorkerDiedError):
            await pool.once(call(f"die once {tmp_path / 'died'}"))


@BOTH
async def test_a_dead_worker_does_not_take_the_others_with_it(mode: str, tmp_path: Path) -> None:
    async with running(make(mode, tmp_path, workers=2, concurrency=1)) as pool:
        await ready(pool, 2)
        slow = asyncio.create_task(pool.once(call("sleep 0.3", "a")))
        await until(lambda: pool.calls == 1, "the call to begin")
        with pytest.raises(WorkerDiedError):
            await pool.once(call("exit", "b"))
        assert (await slow).outputs


@BOTH
async def test_a_worker_that_keeps_dying_is_given_up(mode: str, tmp_path: Path) -> None:
    """H66."""
    async with running(make(mode, tmp_path)) as pool:
        while not pool.failed.done():
            with suppress(WorkerDiedError, NoWorkerError):  # the latter while it backs off
                await pool.once(call("exit"))
            await asyncio.sleep(0)
        assert "every worker has died too often" in await pool.failed
        assert pool.workers[0].state is State.FAILED


async def test_a_pool_that_keeps_probing_comes_back(tmp_path: Path) -> None:
    policy = RestartPolicy(max_restarts=0, backoff_max_s=0.05)
    async with running(make("serves", tmp_path, policy=policy, keep_probing=True)) as pool:
        await ready(pool)
        with pytest.raises(WorkerDiedError):
            await pool.once(call("exit"))
        await ready(pool)
        assert not pool.failed.done()
        assert (await pool.once(call("echo"))).outputs


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("silent", "no handshake line within 0.5 s"),
        ("noise", "no handshake: expected at least 4 fields, got 'hello, I log to stdout'"),
        ("dies", "exited with status 3"),
        ("closes-stdout", "closed its stdout without a handshake line"),
        ("nobody-there", "an answer to a health check took more than 2 s"),
        ("future", "app version 9 is not one of those offered: 1"),
    ],
)
async def test_a_process_that_is_no_worker_fails_the_start(
    mode: str, reason: str, tmp_path: Path
) -> None:
    """H17 H18 H22 H25 H28 H29."""
    # Only for those that run into it; the second has to say a line within it first.
    limits_s = {"silent": 0.5, "nobody-there": 2.0}
    pool = make(mode, tmp_path, start_timeout_s=limits_s.get(mode, 20.0))
    async with running(pool):
        assert re.search(reason, await pool.failed)
        pid = pool.workers[0].pid
        assert pid is None


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("no-health", "health check: UNIMPLEMENTED"),
        ("unknown-health", "health check: NOT_FOUND"),
        ("not-serving", "health check: status 2, expected SERVING"),
        ("init-30001", "wrapperInit failed, ret: 30001: the wrapper could not be loaded"),
        ("init-30002", "wrapperInit failed, ret: 30002: wrapperInit did not return 0"),
        ("init-raises", "wrapperInit: UNKNOWN: .*no model"),
        ("init-dies", "exited with status 9"),
        ("init-hangs", "wrapperInit took more than 0.5 s"),
    ],
)
async def test_a_worker_that_cannot_begin_fails_the_start(
    mode: str, reason: str, tmp_path: Path
) -> None:
    """H34."""
    pool = make(mode, tmp_path, init_timeout_s=0.5 if mode == "init-hangs" else None)
    async with running(pool):
        assert re.search(reason, await pool.failed)


async def test_a_command_that_cannot_run_fails_the_start(tmp_path: Path) -> None:
    """H7."""
    pool = make("serves", tmp_path)
    for worker in pool.workers:
        worker._spec = replace(worker._spec, command=("/nonexistent/worker",))
    async with running(pool):
        assert "cannot run /nonexistent/worker: No such file" in await pool.failed


async def test_a_worker_killed_while_it_starts_is_tried_again(tmp_path: Path) -> None:
    async with running(make("init-killed", tmp_path)) as pool:
        await until(lambda: pool.workers[0].restarts >= 2, "two restarts")
        assert "died too often" not in str(pool.workers[0].death)
        assert "did not start: killed by SIGKILL" in await pool.failed


@pytest.mark.parametrize(
    ("do", "error", "text"),
    [
        ("refuse", WrapperFailedError, "the wrapper returned no answer"),
        ("raise", WrapperFailedError, "boom"),
        ("empty", WrapperFailedError, "answered without any output"),
        ("error", WrapperError, "wrapper error 100"),
    ],
)
@BOTH
async def test_a_failed_call_is_an_error_at_once(
    mode: str, do: str, error: type[Exception], text: str, tmp_path: Path
) -> None:
    async with running(make(mode, tmp_path)) as pool:
        with pytest.raises(error, match=text):
            await pool.once(call(do))
        assert pool.workers[0].running == 0


@pytest.mark.parametrize("do", ["twice", "late", "stranger"])
async def test_odd_ways_to_answer_are_still_answers(do: str, tmp_path: Path) -> None:
    async with running(make("serves", tmp_path)) as pool:
        assert (await pool.once(call(do))).outputs[0].data == b"hello"
        assert (await pool.once(call("echo", "s2"))).outputs[0].data == b"hello"


@BOTH
async def test_a_caller_that_leaves_frees_its_licence_but_not_the_place(
    mode: str, tmp_path: Path
) -> None:
    async with running(make(mode, tmp_path, licences=1, concurrency=1)) as pool:
        await ready(pool)
        leaves = asyncio.create_task(pool.once(call("sleep 0.3", "a")))
        await until(lambda: pool.workers[0].running == 1, "the call to begin")
        leaves.cancel()
        await asyncio.wait([leaves])
        assert pool.calls == 0
        assert pool.workers[0].running == 1
        assert (await pool.once(call("echo", "b"))).outputs  # waited for the place
        assert pool.workers[0].served == 2


async def test_a_forgotten_answer_frees_the_place_when_its_caller_leaves(tmp_path: Path) -> None:
    async with running(make("serves", tmp_path)) as pool:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await ready(pool)
                await pool.once(call("forget"))
        await until(lambda: pool.workers[0].running == 0, "the place to be free")


@BOTH
async def test_licences_run_out_and_the_queue_waits_for_one(mode: str, tmp_path: Path) -> None:
    async with running(make(mode, tmp_path, licences=1, queue=1)) as pool:
        await ready(pool)
        async with asyncio.TaskGroup() as tasks:
            first = tasks.create_task(pool.once(call("sleep 0.2", "a")))
            await until(lambda: pool.calls == 1, "the first call to begin")
            second = tasks.create_task(pool.once(call("echo", "b")))
            await asyncio.sleep(0)
            with pytest.raises(NoLicenceError):
                await pool.once(call("echo", "c"))
        assert first.result().outputs
        assert second.result().outputs


@BOTH
async def test_without_a_worker_to_come_calls_are_refused_at_once(
    mode: str, tmp_path: Path
) -> None:
    policy = RestartPolicy(max_restarts=0)
    async with running(make(mode, tmp_path, policy=policy)) as pool:
        await ready(pool)
        with pytest.raises(WorkerDiedError):
            await pool.once(call("exit"))
        await until(lambda: pool.workers[0].state is State.FAILED, "the worker to fail")
        with pytest.raises(NoWorkerError, match="failed"):
            await pool.once(call("echo"))


async def test_a_worker_that_is_slow_to_come_back_is_not_waited_for_too_long(
    tmp_path: Path,
) -> None:
    async with running(make("init-hangs", tmp_path, restart_wait_s=0.1)) as pool:
        with pytest.raises(NoWorkerError, match="none within 0.1 s"):
            await pool.once(call("echo"))


async def test_once_a_worker_has_come_back_its_calls_may_take_as_long_as_they_like(
    tmp_path: Path,
) -> None:
    async with running(make("serves", tmp_path, concurrency=1, restart_wait_s=3.0)) as pool:
        await ready(pool)
        with pytest.raises(WorkerDiedError):
            await pool.once(call("exit"))
        long = asyncio.create_task(pool.once(call("sleep 3.5", "long")))
        short = asyncio.create_task(pool.once(call("echo", "short")))
        assert (await short).outputs  # it waited for a place, not for a worker
        assert long.done()


@BOTH
async def test_stopping_lets_calls_finish(mode: str, tmp_path: Path) -> None:
    async with running(make(mode, tmp_path)) as pool:
        await ready(pool)
        slow = asyncio.create_task(pool.once(call("sleep 0.3")))
        await until(lambda: pool.workers[0].running == 1, "the call to begin")
        pool.stop()
        await until(lambda: pool.workers[0].state is State.DRAINING, "draining")
        with pytest.raises(NoWorkerError, match="draining"):
            await pool.once(call("echo", "b"))
        assert (await slow).outputs


@BOTH
async def test_a_call_that_outlasts_the_drain_fails(mode: str, tmp_path: Path) -> None:
    async with running(make(mode, tmp_path, drain_timeout_s=0.1)) as pool:
        await ready(pool)
        slow = asyncio.create_task(pool.once(call("hang")))
        await until(lambda: pool.workers[0].running == 1, "the call to begin")
        pool.stop()
        with pytest.raises(WorkerDiedError, match="drainTimeout"):
            await slow


async def test_stopping_does_not_wait_for_a_slow_start(tmp_path: Path) -> None:
    """H32."""
    async with asyncio.timeout(10), running(make("silent", tmp_path)) as pool:
        await until(lambda: pool.workers[0].state is State.HANDSHAKING, "the spawn")


async def test_a_stop_may_be_asked_for_at_any_time_and_more_than_once(tmp_path: Path) -> None:
    """H57: before the start, while it runs, when the worker has just died, and afterwards."""
    never_started = make("serves", tmp_path)
    never_started.stop()
    never_started.stop()
    async with running(never_started):
        pass
    assert never_started.workers[0].pid is None
    async with running(make("serves", tmp_path)) as pool:
        os.kill(await pid_of(pool), signal.SIGKILL)
        pool.stop()
        pool.stop()
    pool.stop()


async def test_a_worker_that_will_not_leave_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """H55 H56."""
    monkeypatch.setattr("aiges_loader.pool.worker_life.FINI_LIMIT_S", 0.1)
    monkeypatch.setattr("aiges_loader.pool.worker_life.TERM_GRACE_S", 0.1)
    async with running(make("ignores-shutdown", tmp_path)) as pool:
        await ready(pool)
        pid = pool.workers[0].pid
        assert pid is not None
    assert dies_within(pid, 0.0)


async def test_a_worker_that_cannot_be_asked_to_leave_is_terminated_at_once(tmp_path: Path) -> None:
    """H54."""
    async with asyncio.timeout(FINI_LIMIT_S), running(make("no-controller", tmp_path)) as pool:
        await ready(pool)


@BOTH
async def test_cancelling_the_owner_kills_the_process(mode: str, tmp_path: Path) -> None:
    """H32."""
    pool = make(mode, tmp_path)
    owner = asyncio.create_task(pool.run())
    await ready(pool)
    pid = pool.workers[0].pid
    assert pid is not None
    owner.cancel()
    with pytest.raises(asyncio.CancelledError):
        await owner
    assert dies_within(pid, 0.0)


async def test_children_of_a_dead_worker_do_not_outlive_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """H58 H59."""
    caplog.set_level("INFO", logger="worker")
    async with running(make("orphans", tmp_path)) as pool:
        await until(lambda: "orphan=" in caplog.text, "the orphan's pid")
        orphan = int(caplog.text.split("orphan=")[1].split()[0])
        with pytest.raises(WorkerDiedError):
            await pool.once(call("exit"))
        await until(lambda: dies_within(orphan, 0.0), "the orphan's end")
        assert (await pool.once(call("echo"))).outputs


async def test_a_worker_that_floods_its_stdout_is_not_blocked(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """H40: one line of 3 MB."""
    caplog.set_level("INFO", logger="worker")
    async with running(make("floods", tmp_path)) as pool:
        await until(lambda: "flooded" in caplog.messages, "the end of the flood")
        assert (await pool.once(call("echo"))).outputs
    assert sum(len(message) for message in caplog.messages if "xx" in message) == 3_000_000


@BOTH
async def test_lives_leave_no_file_descriptors_behind(mode: str, tmp_path: Path) -> None:
    """H64."""
    async with running(make(mode, tmp_path)) as pool:
        await ready(pool)
        os.kill(await pid_of(pool), signal.SIGKILL)
        await until(lambda: pool.workers[0].restarts == 1, "the restart")
        await ready(pool)
        before = open_fds()
        for _ in range(3):
            restarts = pool.workers[0].restarts
            os.kill(await pid_of(pool), signal.SIGKILL)
            await until(lambda n=restarts: pool.workers[0].restarts > n, "the restart")
            await ready(pool)
        assert open_fds() <= before + 1


async def test_a_failed_start_is_not_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with running(make("dies", tmp_path)) as pool:
        await pool.failed
    assert sum("worker started" in message for message in caplog.messages) == 1


@BOTH
async def test_a_call_that_stays_in_user_code_too_long_costs_its_worker(
    mode: str, tmp_path: Path
) -> None:
    async with running(make(mode, tmp_path, hang_timeout_s=0.6)) as pool:
        pid = await pid_of(pool)
        with pytest.raises(WorkerDiedError, match="in user code for 0.6 s"):
            await pool.once(call("hang"))
        assert await pid_of(pool) != pid
        assert dies_within(pid, 5.0)


async def test_a_stopped_worker_is_replaced(tmp_path: Path) -> None:
    """H66: SIGSTOP."""
    async with running(make("serves", tmp_path, hang_timeout_s=0.6)) as pool:
        pid = await pid_of(pool)
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(WorkerDiedError, match="no heartbeat for 0.6 s"):
            await pool.once(call("echo"))
        assert await pid_of(pool) != pid


@BOTH
async def test_a_worker_that_is_busy_but_alive_is_left_alone(mode: str, tmp_path: Path) -> None:
    async with running(make(mode, tmp_path, hang_timeout_s=1.0)) as pool:
        pid = await pid_of(pool)
        for number in range(4):
            await pool.once(call("sleep 0.4", str(number)))
        assert await pid_of(pool) == pid


@BOTH
async def test_a_worker_is_replaced_before_it_goes_and_no_call_notices(
    mode: str, tmp_path: Path
) -> None:
    async with running(make(mode, tmp_path)) as pool:
        pid = await pid_of(pool)
        slow = asyncio.create_task(pool.once(call("sleep 0.5", "slow")))
        await until(lambda: pool.workers[0].running == 1, "the call to begin")
        replacing = asyncio.create_task(pool.restart(1))
        while not replacing.done():
            assert pool.ready_workers >= 1
            assert (await pool.once(call("echo", "while"))).outputs
        assert await replacing == ""
        assert await pid_of(pool) != pid
        assert (await slow).outputs  # the old worker finished it
        await until(lambda: len(pool.workers) == 1, "the old worker to go")
        assert pool.workers[0].restarts == 0
        assert dies_within(pid, 1.0)


async def test_a_replacement_that_does_not_start_leaves_the_old_worker(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(make("serves", tmp_path)) as pool:
        pid = await pid_of(pool)
        bad = replace(pool.plan, spec=replace(pool.plan.spec, command=("false",)))
        problem = await pool.reload(bad)
        assert "did not start, the old one stays: exited with status 1" in problem
        assert "exited with status 1" not in caplog.text  # whoever reloads says it, once
        assert pool.plan.spec.command != ("false",)
        await until(lambda: len(pool.workers) == 1, "the failed one to go")
        assert await pid_of(pool) == pid
        assert not pool.failed.done()


@BOTH
async def test_a_reload_brings_more_workers_and_fewer(mode: str, tmp_path: Path) -> None:
    async with running(make(mode, tmp_path)) as pool:
        await ready(pool)
        assert await pool.reload(replace(pool.plan, size=3, licences=2)) == ""
        await ready(pool, 3)
        async with asyncio.TaskGroup() as tasks:
            for sid in "ab":
                tasks.create_task(pool.once(call("sleep 0.2", sid)))
            await until(lambda: pool.calls == 2, "two calls")
            with pytest.raises(NoLicenceError):
                await pool.once(call("echo", "c"))
        assert await pool.reload(replace(pool.plan, size=1)) == ""
        await until(lambda: len(pool.workers) == 1, "the others to go")
        assert (await pool.once(call("echo"))).outputs


async def test_a_worker_with_a_fixed_port_is_replaced_after_it_has_gone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with running(make(f"fixed {free_port()}", tmp_path)) as pool:
        pids = [await pid_of(pool)]
        for change in (pool.restart(1), pool.reload(pool.plan), pool.restart(1)):
            slow = asyncio.create_task(pool.once(call("sleep 0.3", "slow")))
            await until(lambda: pool.calls == 1, "the call to begin")
            replacing = asyncio.ensure_future(change)
            while not replacing.done():  # calls wait, and none is lost
                assert (await pool.once(call("echo"))).outputs
            assert await replacing == ""
            assert (await slow).outputs
            pids.append(await pid_of(pool))
        assert len(set(pids)) == 4
        assert pool.workers[0].restarts == 0
        assert pool.history.replaced[Cause.REQUEST] == 2
        assert pool.history.replaced[Cause.RELOAD] == 1
        assert sum(pool.history.replaced.values()) == 3
        assert pool.history.of(1).death is None  # no death, though one was refused its address
    assert caplog.text.count("the old one goes first") == 1
    assert caplog.text.count("worker started") == 5  # the first, the refused one, three more
    assert "worker died" not in caplog.text


async def test_a_successor_that_does_not_start_where_the_old_one_had_to_go_is_tried_again(
    tmp_path: Path,
) -> None:
    started = tmp_path / "started"
    async with running(make(f"fixed {free_port()} {started}", tmp_path)) as pool:
        old = await pid_of(pool)
        started.unlink()  # the next one may shake hands, to be refused; the one after it may not
        restarting = asyncio.create_task(pool.restart(1))
        await until(lambda: not pool.ready_workers, "the old one to go")
        waiting = asyncio.create_task(pid_of(pool))
        problem = await restarting
        assert "had to go first" in problem
        assert "it is tried again: exited with status 4" in problem
        started.unlink()
        assert await waiting != old
        assert pool.workers[0].restarts >= 1
        assert pool.history.replaced[Cause.START] >= 1
        assert pool.history.replaced[Cause.REQUEST] == 0


async def test_of_two_workers_with_one_fixed_port_only_the_first_runs(tmp_path: Path) -> None:
    async with running(make(f"fixed {free_port()}", tmp_path)) as pool:
        first = await pid_of(pool)
        assert await pool.reload(replace(pool.plan, size=2)) == ""
        second = next(worker for worker in pool.workers if worker.number == 2)
        await until(lambda: second.state is State.FAILED, "the second to be given up")
        assert second.death is not None
        assert "another worker does; of workers with a fixed port" in second.death.reason
        kept = await pid_of(pool)
        assert kept != first
        assert "another worker does" in await pool.restart(2)
        assert await pid_of(pool) == kept


async def test_a_successor_at_the_address_of_a_third_worker_costs_neither(tmp_path: Path) -> None:
    port = tmp_path / "port"
    async with running(make(f"port-in {port}", tmp_path, workers=2)) as pool:
        await ready(pool, 2)
        first, second = pool.workers
        before = {first.pid, second.pid}
        port.write_text(first.address.rpartition(":")[2])
        problem = await pool.restart(second.number)
        assert "did not start, the old one stays: it listens at" in problem
        await until(lambda: len(pool.workers) == 2, "the refused one to go")
        assert {first.pid, second.pid} == before
        assert pool.ready_workers == 2


async def test_a_reload_that_fails_after_the_old_worker_has_gone_brings_it_back(
    tmp_path: Path,
) -> None:
    port = free_port()
    async with running(make(f"fixed {port}", tmp_path)) as pool:
        first = await pid_of(pool)
        command = (sys.executable, FAKE, f"fixed {port} {tmp_path / 'started'}")
        broken = replace(pool.plan, spec=replace(pool.plan.spec, command=command))
        problem = await pool.reload(broken)
        assert "had to go first" in problem
        assert "one as before is started: exited with status 4" in problem
        assert await pid_of(pool) != first
        assert pool.plan.spec.command != command
        assert not pool.failed.done()


@pytest.mark.parametrize("mode", ["serves", "lanes", "fixed"])
async def test_a_worker_that_has_served_enough_is_replaced(
    mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mode = f"fixed {free_port()}" if mode == "fixed" else mode
    monkeypatch.setattr("aiges_loader.pool.roster.WEAR_PERIOD_S", 0.02)
    async with running(make(mode, tmp_path, wear=WearPolicy(3, None, None))) as pool:
        pid = await pid_of(pool)
        seen = {pid}
        async with asyncio.timeout(20):
            while len(seen) < 3:
                seen.add(await pid_of(pool))
        await until(lambda: dies_within(pid, 0.0), "the first one's end")


async def test_a_worker_that_uses_too_much_memory_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aiges_loader.pool.roster.WEAR_PERIOD_S", 0.02)
    pool = make("serves", tmp_path, wear=WearPolicy(None, 1 << 20, None))
    async with running(pool):
        pid = await pid_of(pool)
        async with asyncio.timeout(20):
            while await pid_of(pool) == pid:
                await asyncio.sleep(0.02)


async def test_a_worker_that_answers_calls_lives_though_it_answers_no_heartbeat(
    tmp_path: Path,
) -> None:
    async with running(make("mute", tmp_path, hang_timeout_s=1.0)) as pool:
        pid = await pid_of(pool)
        for number in range(4):
            await pool.once(call("sleep 0.4", str(number)))
        assert await pid_of(pool) == pid


async def test_calls_that_wait_for_a_thread_of_the_worker_are_not_in_user_code(
    tmp_path: Path,
) -> None:
    async with running(make("serves", tmp_path, hang_timeout_s=1.0)) as pool:
        await ready(pool)
        await asyncio.gather(*(pool.once(call("queue 0.4", str(n))) for n in range(4)))


async def test_a_call_that_later_ones_overtake_is_in_user_code(tmp_path: Path) -> None:
    async with running(make("serves", tmp_path, hang_timeout_s=1.0)) as pool:
        await ready(pool)
        stuck = asyncio.create_task(pool.once(call("hang", "stuck")))
        with pytest.raises(WorkerDiedError, match="in user code for 1 s"):
            for number in range(10):
                await pool.once(call("sleep 0.4", str(number)))
        with pytest.raises(WorkerDiedError):
            await stuck

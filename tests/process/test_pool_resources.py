"""Resources, from the pool to the wrapper's methods in real workers."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from aiges_loader.calls import Call, Datum
from aiges_loader.errors import (
    CallError,
    NoResourcesError,
    NoWorkerError,
    ResourceError,
    ResourceLimitError,
    WorkerDiedError,
)
from aiges_loader.pool.lifecycle import State
from aiges_loader.pool.pool import Pool
from aiges_loader.pool.resources import Resource
from aiges_loader.pool.worker import Worker
from aiges_loader.pool.worker_spec import Cause
from support.pools import pool_of, running
from support.waiting import until
from support.worker_host import environment

WRAPPER = """
import json, os, time
from pathlib import Path
from aiges.dto import Response, ResponseData
from aiges.sdk import WrapperBase

NUMBER = os.environ["AIGES_WORKER_NUMBER"]

def wait_for(name):
    until = time.monotonic() + 20
    while not Path(name).exists():
        assert time.monotonic() < until
        time.sleep(0.005)

def things_to_do(data):
    "Read 'refuse' or 'sleep in 1, refuse in 2': what the worker of a number does, or each."
    parts = [part.partition(" in ") for part in data.split(", ")]
    return {do for do, _, where in parts if where in ("", NUMBER)}

class Wrapper(WrapperBase):
    def wrapperInit(self, config):
        self.loaded = {}
        if Path(f"held-{NUMBER}").exists():
            wait_for(f"go-{NUMBER}")
        return 0

    def wrapperLoadRes(self, reqData, resId):
        (node,) = reqData.list
        assert (node.type, node.status, node.desc["patch_id"]) == (4, 2, resId)
        with open(f"steps-{NUMBER}", "a") as steps:
            steps.write(f"load {resId} {node.data.decode()}\\n")
        assert resId not in self.loaded
        do = things_to_do(node.data.decode())
        if "refuse" in do or ("refuse later" in do and Path("later").exists()):
            return 55
        if "exit" in do:
            os._exit(3)
        if "wait" in do:
            Path(f"waits-{NUMBER}").touch()
            wait_for("go")
        if "sleep" in do:
            time.sleep(20)
        self.loaded[resId] = node.data.decode()
        return 0

    def wrapperUnloadRes(self, resId):
        with open(f"steps-{NUMBER}", "a") as steps:
            steps.write(f"unload {resId}\\n")
        if "stay" in things_to_do(self.loaded[resId]):
            return 66
        del self.loaded[resId]
        return 0

    def wrapperOnceExec(self, params, reqData, persId):
        item = ResponseData(key="result")
        item.setData(json.dumps([persId, self.loaded]))
        response = Response()
        response.list = [item]
        return response

    def wrapperError(self, code):
        return f"mine {code}"
"""


def make(
    folder: Path,
    *,
    workers: int = 2,
    wrapper: str = WRAPPER,
    timeout_s: float = 20.0,
    limit_bytes: int = 1 << 20,
    newest_version: int = 2,
) -> Pool:
    (folder / "wrapper.py").write_text(wrapper)
    command = ("sh", "-c", f"cd {folder} && exec {sys.executable} -m aiges.serve")
    plan = pool_of(command, environment(), folder, newest_version=newest_version).plan
    spec = replace(plan.spec, resource_timeout_s=timeout_s)
    return Pool(replace(plan, spec=spec, size=workers, max_resources_bytes=limit_bytes))


@asynccontextmanager
async def ready(pool: Pool) -> AsyncIterator[Pool]:
    async with running(pool):
        await all_ready(pool)
        yield pool


async def all_ready(pool: Pool) -> None:
    await until(
        lambda: pool.ready_workers == len(pool.workers) == pool.plan.size, "all workers to be ready"
    )


def resource(resource_id: str, data: str) -> Resource:
    return Resource(resource_id, "adapter", data.encode(), {"patch_id": resource_id})


async def asked(worker: Worker, params: Mapping[str, str] | None = None) -> tuple[int, object]:
    """Return what a worker's call gets as persId, and what is loaded there."""
    worker.reserve()
    given = {"sid": "s", **(params or {})}
    reply = await worker.once(Call("s", given, (Datum("text", b"", 0, 3),)))
    found = re.fullmatch(rb"\[(\d+), (.*)\]", bytes(reply.outputs[0].data))
    assert found is not None
    return int(found[1]), found[2].decode()


async def held(pool: Pool) -> list[object]:
    """Return what is loaded in each worker."""
    return [(await asked(worker))[1] for worker in pool.workers]


def steps(folder: Path, number: int) -> list[str]:
    """Return what a worker's wrapper was asked to do, over all its processes."""
    return (folder / f"steps-{number}").read_text().splitlines()


NOTHING = "{}"
SEVEN = '{"7": "weights"}'


async def test_a_resource_is_loaded_in_every_worker_and_unloaded(tmp_path: Path) -> None:
    async with ready(make(tmp_path)) as pool:
        assert await pool.resources.takes_resources()
        await pool.resources.load(resource("7", "weights"))
        assert await held(pool) == [SEVEN, SEVEN]
        assert list(pool.resources.table) == ["7"]
        await pool.resources.unload("8")  # there is none
        await pool.resources.unload("7")
        assert await held(pool) == [NOTHING, NOTHING]
        assert pool.resources.table == {}


async def test_workers_that_start_later_load_all_before_they_take_calls(tmp_path: Path) -> None:
    async with ready(make(tmp_path)) as pool:
        await pool.resources.load(resource("7", "weights"))
        await pool.resources.load(resource("hot", "words"))
        both = '{"7": "weights", "hot": "words"}'
        first = pool.workers[0]
        pid = first.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await until(lambda: first.pid not in (pid, None) and first.takes_calls, "the next process")
        assert await asked(first) == (0, both)
        assert await pool.restart(2) == ""
        assert await pool.restart(1, stop_first=True) == ""
        assert await pool.reload(replace(pool.plan, size=3)) == ""
        await all_ready(pool)
        assert await held(pool) == [both] * 3


async def test_an_id_that_is_loaded_again_is_unloaded_first(tmp_path: Path) -> None:
    async with ready(make(tmp_path)) as pool:
        await pool.resources.load(resource("7", "weights"))
        await pool.resources.load(resource("7", "weights"))
        for number in (1, 2):
            assert steps(tmp_path, number) == ["load 7 weights", "unload 7", "load 7 weights"]
        assert await held(pool) == [SEVEN, SEVEN]


@pytest.mark.parametrize("resource_id", ["7", "8"])
async def test_a_load_that_fails_in_one_worker_leaves_all_as_they_were(
    resource_id: str, tmp_path: Path
) -> None:
    async with ready(make(tmp_path)) as pool:
        await pool.resources.load(resource("7", "weights"))
        with pytest.raises(ResourceError) as failed:
            await pool.resources.load(resource(resource_id, "refuse in 2"))
        error = failed.value
        assert (error.step, error.code, str(error)) == (10903, 55, "mine 55")
        assert await held(pool) == [SEVEN, SEVEN]
        assert f"load {resource_id} refuse in 2" in steps(tmp_path, 1)  # where it went well
        assert list(pool.resources.table) == ["7"]
        assert [worker.restarts for worker in pool.workers] == [0, 0]


async def test_an_unload_that_fails_in_one_worker_leaves_all_as_they_were(tmp_path: Path) -> None:
    async with ready(make(tmp_path)) as pool:
        await pool.resources.load(resource("7", "stay in 2"))
        with pytest.raises(ResourceError) as failed:
            await pool.resources.unload("7")
        error = failed.value
        assert (error.step, error.code, str(error)) == (10904, 66, "mine 66")
        assert await held(pool) == ['{"7": "stay in 2"}'] * 2
        assert steps(tmp_path, 1) == ["load 7 stay in 2", "unload 7", "load 7 stay in 2"]
        assert list(pool.resources.table) == ["7"]


async def test_a_worker_that_cannot_go_back_starts_afresh(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with ready(make(tmp_path)) as pool:
        await pool.resources.load(resource("7", "weights"))
        pids = [worker.pid for worker in pool.workers]
        with pytest.raises(ResourceError, match="mine 55"):
            await pool.resources.load(resource("8", "stay in 1, refuse in 2"))
        await until(lambda: pool.workers[0].pid not in (pids[0], None), "the next process")
        await all_ready(pool)
        assert pool.workers[1].pid == pids[1]
        assert await held(pool) == [SEVEN, SEVEN]
        assert (
            "restarting worker=1 reason=its resources cannot be put right: mine 66" in caplog.text
        )


async def test_a_resource_that_kills_a_worker_is_not_kept(tmp_path: Path) -> None:
    async with ready(make(tmp_path)) as pool:
        await pool.resources.load(resource("7", "weights"))
        pid = pool.workers[1].pid
        with pytest.raises(WorkerDiedError, match="exited with status 3"):
            await pool.resources.load(resource("8", "exit in 2"))
        assert await asked(pool.workers[0]) == (0, SEVEN)
        await until(lambda: pool.workers[1].pid not in (pid, None), "the next process")
        await all_ready(pool)
        assert await held(pool) == [SEVEN, SEVEN]
        assert pool.workers[1].death is not None
        assert pool.workers[1].death.cause is Cause.CRASH


async def test_a_load_that_takes_too_long_fails_and_its_worker_starts_afresh(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with ready(make(tmp_path, timeout_s=0.5)) as pool:
        await pool.resources.load(resource("7", "weights"))
        pids = [worker.pid for worker in pool.workers]
        with pytest.raises(ResourceError) as failed:
            await pool.resources.load(resource("8", "sleep in 2"))
        assert failed.value.code == 10102
        assert str(failed.value) == "wrapperLoadRes took more than 0.5 s (resourceTimeout)"
        await until(lambda: pool.workers[1].pid not in (pids[1], None), "the next process")
        await all_ready(pool)
        assert pool.workers[0].pid == pids[0]
        assert await held(pool) == [SEVEN, SEVEN]
        assert "restarting worker=2 reason=its resources cannot be put right" in caplog.text


async def test_a_worker_that_cannot_load_what_the_others_have_does_not_start(
    tmp_path: Path,
) -> None:
    async with ready(make(tmp_path)) as pool:
        await pool.resources.load(resource("7", "refuse later"))
        (tmp_path / "later").touch()
        worker = pool.workers[1]
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGKILL)
        await until(lambda: worker.state is State.FAILED, "the worker to fail")
        assert worker.death is not None
        assert worker.death.cause is Cause.START
        assert worker.death.reason == "wrapperLoadRes of resource 7: mine 55 (code 55)"
        assert pool.workers[0].takes_calls
        await pool.resources.unload("7")
        assert await pool.restart(2) == ""
        await all_ready(pool)
        assert await held(pool) == [NOTHING, NOTHING]


async def test_a_resource_can_go_while_no_worker_starts_because_of_it(tmp_path: Path) -> None:
    pool = make(tmp_path, workers=1)
    pool._roster.plan = replace(pool.plan, keep_probing=True)
    async with ready(pool):
        await pool.resources.load(resource("7", "refuse later"))
        (tmp_path / "later").touch()
        worker = pool.workers[0]
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGKILL)
        await until(lambda: worker.state is State.BACKOFF, "the start to fail")
        await pool.resources.unload("7")
        await all_ready(pool)
        assert await held(pool) == [NOTHING]


async def test_a_worker_that_starts_meanwhile_has_what_was_loaded_meanwhile(
    tmp_path: Path,
) -> None:
    (tmp_path / "held-2").touch()
    async with running(make(tmp_path)) as pool:
        await until(lambda: pool.workers[0].takes_calls, "worker 1")
        await pool.resources.load(resource("7", "wait in 2"))
        (tmp_path / "go-2").touch()
        await until((tmp_path / "waits-2").exists, "worker 2 to load the first")
        await pool.resources.load(resource("8", "more"))
        assert pool.workers[1].state is State.INITIALISING
        (tmp_path / "go").touch()
        await all_ready(pool)
        assert await held(pool) == ['{"7": "wait in 2", "8": "more"}'] * 2


async def test_a_worker_that_becomes_ready_during_a_load_gets_it_too(tmp_path: Path) -> None:
    (tmp_path / "held-2").touch()
    async with running(make(tmp_path)) as pool:
        await until(lambda: pool.workers[0].takes_calls, "worker 1")
        loading = asyncio.create_task(pool.resources.load(resource("7", "wait in 1")))
        await until((tmp_path / "waits-1").exists, "the load to begin")
        (tmp_path / "go-2").touch()
        await all_ready(pool)
        assert await held(pool) == [NOTHING, NOTHING]
        (tmp_path / "go").touch()
        await loading
        assert await held(pool) == ['{"7": "wait in 1"}'] * 2


async def test_whoever_gives_up_waiting_stops_nothing_that_has_begun(tmp_path: Path) -> None:
    async with ready(make(tmp_path)) as pool:
        first = asyncio.create_task(pool.resources.load(resource("7", "wait")))
        await until((tmp_path / "waits-1").exists, "the load to begin")
        second = asyncio.create_task(pool.resources.load(resource("8", "more")))
        third = asyncio.create_task(pool.resources.load(resource("9", "most")))
        await asyncio.sleep(0)
        for task in (first, second):
            task.cancel()
        (tmp_path / "go").touch()
        await third
        assert list(pool.resources.table) == ["7", "9"]
        assert await held(pool) == ['{"7": "wait", "9": "most"}'] * 2


async def test_a_worker_that_is_told_to_leave_holds_nobody_up(tmp_path: Path) -> None:
    async with ready(make(tmp_path)) as pool:
        loading = asyncio.create_task(pool.resources.load(resource("7", "wait in 2")))
        await until((tmp_path / "waits-2").exists, "the load to begin")
        assert await pool.reload(replace(pool.plan, size=1)) == ""
        await loading  # worker 2 has gone, with its load
        await all_ready(pool)
        assert await held(pool) == ['{"7": "wait in 2"}']


async def test_changes_that_are_waiting_are_refused_when_the_pool_ends(tmp_path: Path) -> None:
    async with ready(make(tmp_path)) as pool:
        tasks = [asyncio.create_task(pool.resources.load(resource(name, "sleep"))) for name in "78"]
        await until((tmp_path / "steps-1").exists, "the first to begin")
        pool.stop()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [NoWorkerError, NoWorkerError]


async def test_resources_have_a_limit(tmp_path: Path) -> None:
    async with ready(make(tmp_path, workers=1, limit_bytes=200)) as pool:
        await pool.resources.load(resource("7", "weights"))
        with pytest.raises(ResourceLimitError, match="resource 8 is not loaded: with its"):
            await pool.resources.load(resource("8", "x" * 200))
        assert await held(pool) == [SEVEN]


async def test_wrappers_that_define_no_loading_take_no_resources(tmp_path: Path) -> None:
    wrapper = WRAPPER.replace("wrapperLoadRes", "other")
    async with ready(make(tmp_path, wrapper=wrapper)) as pool:
        assert not await pool.resources.takes_resources()


async def test_a_wrapper_need_not_define_unloading(tmp_path: Path) -> None:
    wrapper = WRAPPER.replace("wrapperUnloadRes", "other").replace("(WrapperBase)", "")
    async with ready(make(tmp_path, wrapper=wrapper)) as pool:
        await pool.resources.load(resource("7", "weights"))
        await pool.resources.unload("7")
        assert pool.resources.table == {}


async def test_workers_of_version_1_say_that_they_have_no_resources(tmp_path: Path) -> None:
    async with ready(make(tmp_path, newest_version=1)) as pool:
        assert await pool.resources.takes_resources()
        with pytest.raises(NoResourcesError, match="version 1"):
            await pool.resources.load(resource("7", "weights"))
        assert await held(pool) == [NOTHING, NOTHING]


async def test_a_reload_to_version_1_is_refused_while_there_are_resources(tmp_path: Path) -> None:
    async with ready(make(tmp_path)) as pool:
        await pool.resources.load(resource("7", "weights"))
        older = replace(pool.plan, spec=replace(pool.plan.spec, newest_version=1))
        assert "wrapperLoadRes of resource 7: a worker that speaks version 1" in await pool.reload(
            older
        )
        assert await held(pool) == [SEVEN, SEVEN]


async def test_without_a_worker_nothing_is_loaded(tmp_path: Path) -> None:
    pool = make(tmp_path, workers=1)
    pool._roster.plan = replace(pool.plan, restart_wait_s=0.01)
    async with ready(pool):
        pool.workers[0].stop()
        await until(lambda: not pool.workers, "the worker to go")
        for asking in (
            pool.resources.takes_resources(),
            pool.resources.load(resource("7", "weights")),
        ):
            with pytest.raises(CallError) as refused:
                await asking
            assert refused.value.code == 10110
        assert pool.resources.table == {}


async def test_a_call_that_names_a_resource_gets_its_number(tmp_path: Path) -> None:
    numbers = {
        "7": 7,
        "4294967295": 4294967295,
        "4294967296": 0,
        "hot": 0,  # no number
        "07": 0,  # no spelling of a number
        "8": 0,  # not loaded
        "": 0,
    }
    async with ready(make(tmp_path, workers=1)) as pool:
        for name in ("7", "07", "4294967295", "4294967296", "hot"):
            await pool.resources.load(resource(name, "weights"))
        (worker,) = pool.workers
        found = {name: (await asked(worker, {"patch_id": name}))[0] for name in numbers}
        assert found == numbers
        assert (await asked(worker))[0] == 0


async def test_a_number_goes_with_its_resource(tmp_path: Path) -> None:
    async with ready(make(tmp_path, workers=1)) as pool:
        (worker,) = pool.workers
        await pool.resources.load(resource("7", "stay in 1"))
        with pytest.raises(ResourceError):
            await pool.resources.unload("7")
        assert (await asked(worker, {"patch_id": "7"}))[0] == 7
        await pool.resources.load(resource("8", "weights"))
        await pool.resources.unload("8")
        assert (await asked(worker, {"patch_id": "8"}))[0] == 0

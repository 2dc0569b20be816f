"""Batches, from the pool to the wrapper's method in a real worker and back."""

import asyncio
import sys
import time
from pathlib import Path

import pytest

from aiges_loader.calls import Call, Datum
from aiges_loader.errors import NoWorkerError, WorkerDiedError, WrapperError, WrapperFailedError
from aiges_loader.pool.batching import BatchPlan
from aiges_loader.pool.pool import Pool
from support.pools import pool_of, running
from support.waiting import until
from support.worker_host import environment

WRAPPER = """
import os, time
from aiges.dto import Response, ResponseData
from aiges.sdk import WrapperBase

class Wrapper(WrapperBase):
    serviceId = "batch"
    version = "v1"

    def wrapperInit(self, config):
        return 0

    def wrapperBatchExec(self, batch):
        dos = [params["do"] for params, _ in batch]
        for params, data in batch:
            do = params.pop("do")  # gone at a second try, if that gets the same dict
            data.list.clear()
            if do == "raise":
                raise ValueError("boom")
            if do == "exit":
                os._exit(3)
            if do.startswith("sleep "):
                time.sleep(float(do.removeprefix("sleep ")))
            if do == "none":
                return None
            if do == "too few":
                return [self.answer("x")] * (len(batch) - 1)
        return [self.answer(self.result(do, params, dos)) for do, (params, _) in zip(dos, batch)]

    def result(self, do, params, dos):
        return {"error": 77, "no answer": None}.get(do, f"{params['sid']} of {len(dos)}")

    def answer(self, result):
        response = Response()
        if result == 77:
            return response.response_err(77)
        if result is None:
            return None
        item = ResponseData(key="result")
        item.setData(result)
        response.list = [item]
        return response

    def wrapperError(self, code):
        return f"mine {code}"
"""
PLAN = BatchPlan(max_size=4, max_delay_s=5.0)
LONG_S = 30.0


def batching(
    folder: Path,
    plan: BatchPlan = PLAN,
    *,
    wrapper: str = WRAPPER,
    concurrency: int = 1,
    newest_version: int = 2,
    retry_on_crash: bool = False,
) -> Pool:
    (folder / "wrapper.py").write_text(wrapper)
    command = ("bash", "-c", f"cd {folder} && exec {sys.executable} -m aiges.serve")
    return pool_of(
        command,
        environment(),
        folder,
        concurrency=concurrency,
        newest_version=newest_version,
        retry_on_crash=retry_on_crash,
        batch=plan,
    )


async def ready(pool: Pool) -> None:
    await until(lambda: pool.ready_workers == 1, "a ready worker")


def call(sid: str, do: str = "", **params: str) -> Call:
    return Call(sid, {"sid": sid, "do": do, **params}, (Datum("text", b"hello", 0, 3),))


async def text(pool: Pool, asked: Call) -> str:
    return bytes((await pool.once(asked)).outputs[0].data).decode()


async def outcomes(pool: Pool, *asked: Call) -> list[object]:
    return await asyncio.gather(*(text(pool, one) for one in asked), return_exceptions=True)


async def test_calls_that_come_together_go_together_and_get_their_own_answers(
    tmp_path: Path,
) -> None:
    async with running(batching(tmp_path)) as pool:
        await ready(pool)
        found = await outcomes(pool, *(call(f"s{n}") for n in range(8)))
        assert found == [f"s{n} of 4" for n in range(8)]
        assert pool.batches.batches == 2
        assert pool.workers[0].served == 8


async def test_a_batch_that_does_not_fill_goes_after_the_delay(tmp_path: Path) -> None:
    async with running(batching(tmp_path, BatchPlan(max_size=4, max_delay_s=0.05))) as pool:
        await ready(pool)
        assert await outcomes(pool, call("a"), call("b")) == ["a of 2", "b of 2"]


async def test_calls_gather_while_the_worker_is_busy(tmp_path: Path) -> None:
    async with running(batching(tmp_path, BatchPlan(max_size=4, max_delay_s=0.0))) as pool:
        await ready(pool)
        first = asyncio.create_task(text(pool, call("first", "sleep 0.3")))
        await until(lambda: pool.workers[0].running == 1, "the first to begin")
        found = await outcomes(pool, *(call(f"s{n}") for n in range(3)))
        assert found == [f"s{n} of 3" for n in range(3)]
        assert await first == "first of 1"


async def test_only_calls_of_one_group_go_together(tmp_path: Path) -> None:
    plan = BatchPlan(max_size=2, max_delay_s=5.0, group_by="lang")
    async with running(batching(tmp_path, plan)) as pool:
        await ready(pool)
        asked = [call(f"s{n}", lang="en" if n % 2 else "zh") for n in range(4)]
        assert await outcomes(pool, *asked) == [f"s{n} of 2" for n in range(4)]


async def test_bytes_bound_a_batch(tmp_path: Path) -> None:
    plan = BatchPlan(max_size=8, max_delay_s=0.05, max_bytes=10)
    async with running(batching(tmp_path, plan)) as pool:
        await ready(pool)  # each has 5
        assert await outcomes(pool, *(call(f"s{n}") for n in range(4))) == [
            f"s{n} of 2" for n in range(4)
        ]


async def test_a_batch_that_raises_is_tried_one_by_one(tmp_path: Path) -> None:
    async with running(batching(tmp_path)) as pool:
        await ready(pool)
        good, bad, *rest = await outcomes(pool, call("a"), call("b", "raise"), call("c"), call("d"))
        assert [good, *rest] == ["a of 1", "c of 1", "d of 1"]
        assert isinstance(bad, WrapperFailedError)
        assert "wrapperBatchExec raised ValueError: boom" in str(bad)


async def test_an_error_in_one_answer_is_one_call_s(tmp_path: Path) -> None:
    async with running(batching(tmp_path)) as pool:
        await ready(pool)
        error, nothing, *good = await outcomes(
            pool, call("a", "error"), call("b", "no answer"), call("c"), call("d")
        )
        assert isinstance(error, WrapperError)
        assert (error.code, str(error)) == (77, "mine 77")
        assert isinstance(nothing, WrapperFailedError)
        assert "wrapperBatchExec returned None, expected a Response" in str(nothing)
        assert good == ["c of 4", "d of 4"]


@pytest.mark.parametrize(
    ("do", "reason"),
    [
        ("none", "returned None, expected a list"),
        ("too few", "returned 3 Responses for 4 requests"),
    ],
)
async def test_no_list_of_the_right_length_fails_all(do: str, reason: str, tmp_path: Path) -> None:
    async with running(batching(tmp_path)) as pool:
        await ready(pool)
        asked = [call(f"s{n}", do if n == 2 else "") for n in range(4)]
        for error in await outcomes(pool, *asked):
            assert isinstance(error, WrapperFailedError)
            assert reason in str(error)


async def test_a_crash_costs_the_batch_and_what_waits_goes_to_the_successor(
    tmp_path: Path,
) -> None:
    async with running(batching(tmp_path)) as pool:
        await ready(pool)
        asked = [call(f"s{n}", "exit" if n == 0 else "") for n in range(8)]
        found = await outcomes(pool, *asked)
        assert [type(one) for one in found[:4]] == [WorkerDiedError] * 4
        assert found[4:] == [f"s{n} of 4" for n in range(4, 8)]


async def test_with_retry_on_crash_each_is_tried_alone(tmp_path: Path) -> None:
    async with running(batching(tmp_path, retry_on_crash=True)) as pool:
        await ready(pool)
        asked = [call(f"s{n}", "exit" if n == 0 else "") for n in range(4)]
        killer, *others = await outcomes(pool, *asked)
        assert isinstance(killer, WorkerDiedError)
        assert others == [f"s{n} of 1" for n in range(1, 4)]


async def test_a_client_that_leaves_leaves_the_batch(tmp_path: Path) -> None:
    async with running(batching(tmp_path)) as pool:
        await ready(pool)
        leaving = asyncio.create_task(text(pool, call("gone")))
        await until(lambda: pool.calls == 1, "the call to come")
        leaving.cancel()
        await asyncio.wait([leaving])
        assert pool.calls == 0
        found = await outcomes(pool, *(call(f"s{n}") for n in range(4)))
        assert found == [f"s{n} of 4" for n in range(4)]


async def test_a_deadline_is_honoured_while_waiting(tmp_path: Path) -> None:
    plan = BatchPlan(max_size=4, max_delay_s=LONG_S)
    async with running(batching(tmp_path, plan)) as pool:
        await ready(pool)
        hurried = Call("h", {"sid": "h", "do": ""}, (), time.monotonic() + LONG_S / 3)
        assert await text(pool, hurried) == "h of 1"


async def test_whoever_waits_when_the_pool_ends_is_told(tmp_path: Path) -> None:
    pool = batching(tmp_path, BatchPlan(max_size=4, max_delay_s=LONG_S))
    async with running(pool):
        await ready(pool)
        waiting = [asyncio.create_task(text(pool, call(f"s{n}"))) for n in range(3)]
        await until(lambda: pool.calls == 3, "three to wait for a fourth")
        pool.stop()
    for error in await asyncio.gather(*waiting, return_exceptions=True):
        assert isinstance(error, NoWorkerError)


async def test_without_batching_its_method_gets_one_at_a_time(tmp_path: Path) -> None:
    """A wrapper that has nothing but wrapperBatchExec serves everywhere."""
    for version in (1, 2):
        pool = batching(tmp_path, BatchPlan(), newest_version=version)
        async with running(pool):
            await ready(pool)
            assert await text(pool, call("a")) == "a of 1"
            (bad,) = await outcomes(pool, call("b", "raise"))
            assert "wrapperBatchExec raised ValueError: boom" in str(bad)


async def test_a_wrapper_without_the_method_says_so_and_serves(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    echo = (
        WRAPPER.replace("def wrapperBatchExec(self, batch)", "def other(self, batch)")
        + """
    def wrapperOnceExec(self, params, reqData):
        return self.answer(params["sid"])
"""
    )
    async with running(batching(tmp_path, wrapper=echo)) as pool:
        await ready(pool)
        assert await outcomes(pool, call("a"), call("b")) == ["a", "b"]
    assert "its wrapper defines no wrapperBatchExec" in caplog.text

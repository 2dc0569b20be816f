"""Pools whose workers are fake_worker.py, with settings for impatient tests."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiges_loader.calls import Call, Datum
from aiges_loader.pool.hang import HangPolicy
from aiges_loader.pool.lifecycle import State
from aiges_loader.pool.plan import PoolPlan
from aiges_loader.pool.pool import Pool
from aiges_loader.pool.restart import RestartPolicy
from aiges_loader.pool.wear import WearPolicy
from aiges_loader.pool.worker_spec import WorkerSpec
from support.waiting import until

FAKE = str(Path(__file__).resolve().parent / "fake_worker.py")
FRESH = WearPolicy(None, None, None)
QUICK = RestartPolicy(max_restarts=4, backoff_min_s=0.01, backoff_max_s=0.02)


def make(
    mode: str,
    folder: Path,
    *,
    workers: int = 1,
    licences: int = 8,
    queue: int = 0,
    concurrency: int = 4,
    start_timeout_s: float = 20.0,
    init_timeout_s: float | None = None,
    drain_timeout_s: float = 20.0,
    restart_wait_s: float = 20.0,
    policy: RestartPolicy = QUICK,
    keep_probing: bool = False,
    hang_timeout_s: float | None = None,
    wear: WearPolicy = FRESH,
    retry_on_crash: bool = False,
) -> Pool:
    return Pool(plan_for(**locals()))


def plan_for(
    mode: str,
    folder: Path,
    *,
    workers: int,
    licences: int,
    queue: int,
    concurrency: int,
    start_timeout_s: float,
    init_timeout_s: float | None,
    drain_timeout_s: float,
    restart_wait_s: float,
    policy: RestartPolicy,
    keep_probing: bool,
    hang_timeout_s: float | None,
    wear: WearPolicy,
    retry_on_crash: bool,
) -> PoolPlan:
    spec = WorkerSpec(
        command=(sys.executable, FAKE, mode),
        environ=os.environ,
        socket_dir=folder,
        service="svc",
        wrapper_config={},
        concurrency=concurrency,
        start_timeout_s=start_timeout_s,
        init_timeout_s=init_timeout_s,
        drain_timeout_s=drain_timeout_s,
        hang=HangPolicy(heartbeat_s=0.1, hang_timeout_s=hang_timeout_s),
        wear=wear,
    )
    return PoolPlan(
        spec=spec,
        policy=policy,
        size=workers,
        licences=licences,
        queue=queue,
        queue_timeout_s=None,
        restart_wait_s=restart_wait_s,
        keep_probing=keep_probing,
        min_ready=1,
        retry_on_crash=retry_on_crash,
    )


@asynccontextmanager
async def running(pool: Pool) -> AsyncIterator[Pool]:
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        tasks.create_task(pool.run())
        try:
            yield pool
        finally:
            pool.stop()
    assert all(worker.state is State.STOPPED for worker in pool.workers)
    assert all(worker.running == 0 for worker in pool.workers)
    assert pool.calls == 0


async def ready(pool: Pool, count: int = 1) -> None:
    await until(lambda: pool.ready_workers == count, f"{count} ready workers")


def call(do: str, sid: str = "s1") -> Call:
    return Call(sid, {"do": do, "sid": sid}, (Datum("text", b"hello", 0, 3),))


async def pid_of(pool: Pool, sid: str = "p") -> int:
    return int((await pool.once(call("pid", sid))).outputs[0].data)

"""Pools of one worker, for tests that bring their own kind of worker."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from aiges_loader.pool.batching import BatchPlan
from aiges_loader.pool.hang import HangPolicy
from aiges_loader.pool.pool import Pool, PoolPlan
from aiges_loader.pool.restart import RestartPolicy
from aiges_loader.pool.wear import WearPolicy
from aiges_loader.pool.worker_spec import WorkerSpec
from support.waiting import until

LIMIT_S = 60.0


def pool_of(
    command: tuple[str, ...],
    environ: Mapping[str, str],
    folder: Path,
    *,
    auto_mtls: bool = False,
    start_timeout_s: float = 20.0,
    concurrency: int = 4,
    newest_version: int = 2,
    retry_on_crash: bool = False,
    batch: BatchPlan | None = None,
) -> Pool:
    """Make a pool of one worker that is restarted a few times, quickly."""
    spec = WorkerSpec(
        command=command,
        environ=environ,
        socket_dir=folder,
        service="svc",
        wrapper_config={},
        concurrency=concurrency,
        start_timeout_s=start_timeout_s,
        init_timeout_s=20.0,
        drain_timeout_s=0.2,
        hang=HangPolicy(heartbeat_s=1.0, hang_timeout_s=None),
        wear=WearPolicy(None, None, None),
        auto_mtls=auto_mtls,
        newest_version=newest_version,
        batching=batch is not None,
    )
    policy = RestartPolicy(max_restarts=4, backoff_min_s=0.01, backoff_max_s=0.02)
    return Pool(
        PoolPlan(
            spec=spec,
            policy=policy,
            size=1,
            licences=64,
            queue=0,
            queue_timeout_s=None,
            restart_wait_s=20.0,
            keep_probing=False,
            min_ready=1,
            retry_on_crash=retry_on_crash,
            batch=batch or BatchPlan(),
        )
    )


@asynccontextmanager
async def running(pool: Pool) -> AsyncIterator[Pool]:
    """Run the pool in the block; it has stopped afterwards."""
    async with asyncio.timeout(LIMIT_S), asyncio.TaskGroup() as tasks:
        tasks.create_task(pool.run())
        try:
            yield pool
        finally:
            pool.stop()


async def reason_of_failure(pool: Pool) -> str:
    """Run a pool that cannot start; return why."""
    async with running(pool):
        await until(pool.failed.done, "the pool to give up")
        return pool.failed.result()

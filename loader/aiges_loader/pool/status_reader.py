"""Takes a pool's status: its own counts at one moment, then what the kernel says of the workers."""

import asyncio
import os
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.metadata import version

from aiges_loader.pool.history import latest
from aiges_loader.pool.pool import Pool
from aiges_loader.pool.process_usage import ProcessTable, Usage
from aiges_loader.pool.status import (
    CrashReport,
    ExitReport,
    ResourceStatus,
    ServiceStatus,
    Taken,
    WorkerStatus,
    service_state,
)
from aiges_loader.pool.worker import Worker
from aiges_loader.pool.worker_spec import Death


class StatusReader:
    """Reads the status of one pool."""

    def __init__(self, pool: Pool) -> None:
        """Make it when the service starts: its age counts from here."""
        self._pool = pool
        self._started = datetime.now(UTC)
        self._started_at = time.monotonic()

    async def read(self, *, is_ready: bool, draining: bool) -> ServiceStatus:
        """Take the status.

        Args:
            is_ready: Calls are taken.
            draining: The service was told to end.
        """
        pool, plan = self._pool, self._pool.plan
        now = time.monotonic()
        workers = [self._worker(worker, now) for worker in pool.workers]
        status = ServiceStatus(
            service=plan.spec.service,
            version=version("aiges-loader"),
            pid=os.getpid(),
            state=service_state(
                draining=draining,
                is_ready=is_ready,
                ready=pool.ready_workers,
                planned=plan.size,
                has_died=any(worker.last_exit for worker in workers),
            ),
            started=self._started,
            uptime_seconds=round(now - self._started_at, 3),
            workers_ready=pool.ready_workers,
            workers_planned=plan.size,
            licences=Taken(pool.calls, pool.licence_limit),
            queue=Taken(pool.waiting_for_licence, plan.queue),
            waiting_for_worker=pool.waiting_for_worker,
            replaced={cause.value: count for cause, count in pool.history.replaced.items()},
            workers=workers,
            used=dict(pool.reported.counts),
            measured=dict(pool.reported.values),
            resources=tuple(
                ResourceStatus(resource.id, resource.key, len(resource.data))
                for resource in pool.resources.table.values()
            ),
        )
        running = {w.pid: w.address for w in pool.workers if w.pid is not None}
        # Some hundred small files in /proc: calls should not have to wait for that.
        usages = await asyncio.get_running_loop().run_in_executor(None, _usages, running)
        filled = (_with_usage(worker, usages.get(worker.pid)) for worker in workers)
        return replace(status, workers=sorted(filled, key=lambda worker: worker.number))

    def crashes(self) -> Sequence[CrashReport]:
        """Return the last deaths of all workers, newest first."""
        return [
            CrashReport(one.number, one.worker, _exit_report(one.death))
            for one in self._pool.history.deaths
        ]

    def _worker(self, worker: Worker, now: float) -> WorkerStatus:
        load = worker.load()
        placement = worker.placement
        # A worker that leaves has its successor beside it, which counts on for both.
        past = None if worker.is_leaving else self._pool.history.of(worker.number)
        death = latest(worker.death, past.death if past else None)
        age_s = now - worker.since
        return WorkerStatus(
            number=worker.number,
            pid=worker.pid,
            state=worker.state,
            since=datetime.now(UTC) - timedelta(seconds=age_s),
            since_seconds=round(age_s, 3),
            restarts=worker.restarts + (past.restarts if past else 0),
            in_flight=load.running,
            concurrency=load.capacity,
            sessions=worker.sessions,
            served=worker.served + (past.served if past else 0),
            gpus=placement.gpus,
            cpus=sorted(placement.cpus),
            time_to_ready_seconds=worker.time_to_ready_s and round(worker.time_to_ready_s, 3),
            rss_bytes=0,
            cpu_seconds=0.0,
            last_exit=_exit_report(death) if death else None,
        )


def _usages(running: Mapping[int, str]) -> Mapping[int | None, Usage | None]:
    table = ProcessTable()
    return {root: table.usage(root, address) for root, address in running.items()}


def _with_usage(worker: WorkerStatus, usage: Usage | None) -> WorkerStatus:
    if usage is None:
        return worker
    return replace(
        worker,
        pid=usage.pid,
        rss_bytes=usage.rss_bytes,
        cpu_seconds=round(usage.cpu_seconds, 3),
    )


def _exit_report(death: Death) -> ExitReport:
    status = death.status
    return ExitReport(
        cause=death.cause,
        reason=death.reason,
        exit_status=status if status is not None and status >= 0 else None,
        signal=_signal_name(-status) if status is not None and status < 0 else None,
        at=datetime.fromtimestamp(death.at, UTC),
        was_ready=death.was_ready,
        calls=death.calls,
        error=death.error,
        tail=death.tail,
    )


def _signal_name(number: int) -> str:
    with suppress(ValueError):
        return signal.Signals(number).name
    return str(number)
